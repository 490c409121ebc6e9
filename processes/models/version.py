"""The history of what was published."""

from django.conf import settings
from django.db import models

from processes.models.plan import Plan
from processes.models.template import ProcessTemplate


class VersionCause(models.TextChoices):
    """Say how a version came into force."""

    PUBLISHED = "published", "published"
    FOLLOWED = "followed", "followed a template that it builds on"
    ROLLED_BACK = "rolled_back", "rolled back to an earlier version"


class TemplateVersion(models.Model):
    """Hold what came into force at one moment: rows are written once, in the transaction that publishes."""

    template = models.ForeignKey(ProcessTemplate, on_delete=models.CASCADE, related_name="versions")
    #: 1, 2, 3 … within the template.
    number = models.PositiveIntegerField()
    #: None for an abstract template.
    plan = models.ForeignKey(Plan, null=True, on_delete=models.PROTECT, related_name="+")
    #: {definition, abstract, extends, bindings} (processes.services.library.Source).
    source = models.JSONField()
    cause = models.CharField(max_length=16, choices=VersionCause.choices, default=VersionCause.PUBLISHED)
    #: The template that was followed, or the number that was rolled back to.
    origin = models.CharField(max_length=60, blank=True, default="")
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=["template", "number"], name="processes_version_number"),)

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"
