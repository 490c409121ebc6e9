"""Status rules: what is offered to whom at which status."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class StatusRules(models.Model):
    """Hold a set of status rules as its editor wrote it; the format is in `processes.domain.status_rules`.

    Instances refer to the row, so that a change is in force at once: rules decide what is offered, not what runs.
    """

    slug = models.SlugField(_("name"), unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    #: The JSON text: an array of rules.
    rules = models.TextField(_("rules"), default="[]")
    enforced = models.BooleanField(
        _("enforced"),
        default=True,
        help_text=_(
            "An action that the rules name can be executed only by those to whom it is offered at that moment. "
            "Otherwise the rules decide what is shown, and each action has to check for itself."
        ),
    )
    #: Raised by every save; an edit that started from an older one is refused instead of overwriting.
    revision = models.IntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(verbose_name=_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("status rules")
        verbose_name_plural = _("status rules")
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title
