"""Dynamic bindings: what a team's own objects (a type, a tenant …) bind for what lies below them."""

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.status_rules import StatusRules
from processes.models.template import ProcessTemplate


class DynamicBinding(models.Model):
    """Bind a reference to a process and status rules, for an object and for whatever has it in its context.

    One of the two may be left open: it is looked up further then.
    """

    id = models.BigAutoField(primary_key=True)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, related_name="+", db_index=False)
    #: The primary key of any kind, as a text.
    object_id = models.CharField(max_length=64)
    content_object = GenericForeignKey("content_type", "object_id")
    #: What asks for it: by default the label of a model, such as "expenses.claim".
    reference = models.CharField(_("reference"), max_length=100)
    process = models.ForeignKey(
        ProcessTemplate,
        verbose_name=_("process"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="dynamic_bindings",
        limit_choices_to={"abstract": False, "published_plan__isnull": False},
    )
    status_rules = models.ForeignKey(
        StatusRules,
        verbose_name=_("status rules"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="dynamic_bindings",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("dynamic binding")
        verbose_name_plural = _("dynamic bindings")
        ordering = ("content_type", "object_id", "reference")
        constraints = (
            models.UniqueConstraint(
                fields=["content_type", "object_id", "reference"], name="processes_dynamic_binding_once"
            ),
        )

    def __str__(self) -> str:
        return self.reference
