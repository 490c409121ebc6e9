"""What a team's own model has that a process drives: its columns, and what the team says about it."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.domain.json_values import JSON
from processes.models.instance import ProcessInstance
from processes.models.status_rules import StatusRules
from processes.models.template import ProcessTemplate


class DrivenFields(models.Model):
    """Hold the columns of `processes.driven.ProcessDriven`, and the questions that a team's model answers.

    `process` and `status_rules` are derived; the instance is the thing that the process works on.
    """

    process = models.ForeignKey(
        ProcessTemplate,
        verbose_name=_("process"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    status_rules = models.ForeignKey(
        StatusRules,
        verbose_name=_("status rules"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    instance = models.OneToOneField(
        ProcessInstance,
        verbose_name=_("process instance"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="%(app_label)s_%(class)s",
    )

    #: By which reference context objects bind a process and status rules; empty is the model's label ("app.model").
    process_reference: ClassVar[str] = ""
    #: The slugs of what is taken where nothing in the context is bound; empty is none.
    default_process: ClassVar[str] = ""
    default_status_rules: ClassVar[str] = ""
    #: The status that an object begins with.
    first_status: ClassVar[str] = ""

    class Meta:
        abstract = True

    def process_context(self) -> Sequence[models.Model | None]:
        """Return what lies directly above this object, the nearest first: its type, its tenant and so on.

        An object of the context may have a method of this name too.
        """
        return ()

    def get_process_owner(self) -> AbstractBaseUser | None:
        """Return whose object this is: they may open it, and `run_as_owner` lends their rights."""
        return None

    def get_process_title(self) -> str:
        """Return what the object is called in inboxes and histories."""
        return str(self)

    def get_process_data(self) -> Mapping[str, JSON]:
        """Return the Data that the object begins with."""
        return {}

    def get_process_api_url(self) -> str:
        """Return the address at which pages ask where the object stands; empty for Stepline's own of its instance."""
        return ""
