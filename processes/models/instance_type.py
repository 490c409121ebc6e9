"""Types of process instances: what one is made of, and who may create it."""

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.status_rules import StatusRules
from processes.models.template import Access, ProcessTemplate


class InstanceType(models.Model):
    """Hold what instances of a type have in common. A change concerns those that are created later."""

    slug = models.SlugField(_("name"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    template = models.ForeignKey(
        ProcessTemplate, verbose_name=_("process"), on_delete=models.PROTECT, related_name="instance_types"
    )
    status_rules = models.ForeignKey(
        StatusRules,
        verbose_name=_("status rules"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="instance_types",
    )
    #: What its instances bind differently from the template: {reference: target}.
    bindings = models.JSONField(_("bindings"), default=dict, blank=True)
    status = models.CharField(_("first status"), max_length=60, blank=True, default="")
    #: The topics that its instances subscribe to when they are created.
    topics = models.JSONField(_("topics"), default=list, blank=True)
    #: Who may create one; they must be allowed to execute the template, too.
    access = models.CharField(_("created by"), max_length=16, choices=Access.choices, default=Access.SIGNED_IN)
    groups = models.ManyToManyField(Group, verbose_name=_("groups"), blank=True, related_name="+")
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("Off: nobody can create further ones."))
    #: Raised by every save; an edit that started from an older one is refused instead of overwriting.
    revision = models.IntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("instance type")
        verbose_name_plural = _("instance types")
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title
