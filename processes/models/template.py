"""Process templates, their bindings and what they extend."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.plan import Plan


class Access(models.TextChoices):
    """Name who may execute a template."""

    PUBLIC = "public", _("everyone")
    SIGNED_IN = "signed_in", _("everyone who is signed in")
    STAFF = "staff", _("staff")
    GROUPS = "groups", _("members of the groups below")


class EditAccess(models.TextChoices):
    """Name who, of those with the permission to change templates, may change this one."""

    EDITORS = "editors", _("every editor of processes")
    GROUPS = "groups", _("editors who are in the groups below")


class ProcessTemplate(models.Model):
    """Hold an editable definition: a draft, and the plan that was published from it last.

    Editing changes the draft only. Runs hold the hash of the plan that they started with, so publishing changes no
    work in flight.
    """

    slug = models.SlugField(_("slug"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    #: The JSON text as its editor wrote it.
    definition = models.TextField(_("definition"))
    abstract = models.BooleanField(
        _("abstract"), default=False, help_text=_("Only extended by other templates, never run itself.")
    )
    extends = models.ManyToManyField(
        "self", through="Extension", symmetrical=False, related_name="extended_by", blank=True
    )
    access = models.CharField(_("who may execute it"), max_length=16, choices=Access.choices, default=Access.SIGNED_IN)
    groups = models.ManyToManyField(Group, verbose_name=_("groups"), blank=True, related_name="+")
    edit_access = models.CharField(
        _("who may edit it"),
        max_length=16,
        choices=EditAccess.choices,
        default=EditAccess.EDITORS,
        db_default="editors",
    )
    edit_groups = models.ManyToManyField(Group, verbose_name=_("groups"), blank=True, related_name="+")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    published_plan = models.ForeignKey(
        Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="templates", editable=False
    )
    #: What was published, which templates that extend this one build on: {definition, abstract, extends, bindings}.
    published_source = models.JSONField(null=True, blank=True, editable=False)
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)
    #: Raised by every save; an edit that started from an older one is refused instead of overwriting.
    revision = models.IntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("process template")
        verbose_name_plural = _("process templates")
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class Binding(models.Model):
    """Bind a reference of a template to its target."""

    template = models.ForeignKey(ProcessTemplate, on_delete=models.CASCADE, related_name="bindings")
    reference = models.CharField(_("reference"), max_length=100)
    #: {"script": …}, {"process": …}, {"value": …} … (processes.domain.bindings).
    target = models.JSONField(_("target"))

    class Meta:
        verbose_name = _("binding")
        verbose_name_plural = _("bindings")
        ordering = ("reference",)
        constraints = (models.UniqueConstraint(fields=["template", "reference"], name="processes_binding_reference"),)

    def __str__(self) -> str:
        return self.reference


class Extension(models.Model):
    """Say that a template extends another; bases apply by position, each overriding those before it."""

    template = models.ForeignKey(ProcessTemplate, on_delete=models.CASCADE, related_name="extensions")
    base = models.ForeignKey(
        ProcessTemplate, verbose_name=_("base"), on_delete=models.PROTECT, related_name="extension_uses"
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("extended template")
        verbose_name_plural = _("extended templates")
        ordering = ("position", "pk")
        constraints = (models.UniqueConstraint(fields=["template", "base"], name="processes_extension_base"),)

    def __str__(self) -> str:
        return f"{self.template} extends {self.base}"
