"""Forms at which durable runs wait, who may answer them, and what was typed and not sent yet."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.data_node import new_reference
from processes.models.run import Run

_OPEN = models.Q(is_open=True)


class FormOutcome(models.TextChoices):
    """Say why nobody waits for an answer any more."""

    ANSWERED = "answered", _("answered")
    TIMEOUT = "timeout", _("its time was up")
    CANCELLED = "cancelled", _("cancelled")
    #: The run has gone on without it, or has ended.
    OVER = "over", _("not needed any more")


class RunForm(models.Model):
    """Hold one form at which a run waits: the step that shows it, and the config with its placeholders filled.

    It is written with the checkpoint that parks the run, and closed by the first answer (under the run's lock), or by
    the checkpoint with which the run goes on otherwise.
    """

    id = models.BigAutoField(primary_key=True)
    reference = models.CharField(max_length=22, unique=True, default=new_reference, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="forms", db_index=False)
    #: The step that waits.
    ordinal = models.IntegerField()
    #: The action that shows it; one of a sub process bears the hash of its plan: `<hash>/<action>`.
    name = models.CharField(max_length=300)
    title = models.CharField(max_length=200)
    config = models.JSONField()
    opened_at = models.DateTimeField(auto_now_add=True)
    #: When the time of the action is up.
    until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=FormOutcome.choices, blank=True, default="")
    #: Who has answered; the name stays when the user goes.
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    answered_name = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["run", "ordinal"], name="processes_run_form_step"),)

    def __str__(self) -> str:
        return self.title


class RunFormAudience(models.Model):
    """Say who may answer a form: a user, a group, all staff, or the session of somebody not signed in.

    One of these each; it goes with its user or group. `is_open` repeats that the form is, so that one index finds the
    forms that wait for somebody, however many there were.
    """

    id = models.BigAutoField(primary_key=True)
    form = models.ForeignKey(RunForm, on_delete=models.CASCADE, related_name="audience")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="+")
    is_staff = models.BooleanField(default=False)
    session_key = models.CharField(max_length=40, blank=True, default="")
    is_open = models.BooleanField(default=True)

    class Meta:
        indexes = (
            models.Index(
                fields=["user", "form"],
                name="processes_forms_of_user",
                condition=_OPEN & models.Q(user__isnull=False),
            ),
            models.Index(
                fields=["group", "form"],
                name="processes_forms_of_group",
                condition=_OPEN & models.Q(group__isnull=False),
            ),
            models.Index(fields=["form"], name="processes_forms_of_staff", condition=_OPEN & models.Q(is_staff=True)),
            models.Index(
                fields=["session_key", "form"],
                name="processes_forms_of_session",
                condition=_OPEN & ~models.Q(session_key=""),
            ),
        )

    def __str__(self) -> str:
        return f"{self.form_id} for {self.user_id or self.group_id or self.session_key or 'staff'}"


class RunFormEntry(models.Model):
    """Keep what somebody has typed into a form of a run and that isn't sent, or was refused: see DataNode.entered.

    It is theirs alone, and found again by the form's name: also after a step back.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="form_entries", db_index=False)
    name = models.CharField(max_length=300)
    #: `u` and the user's key, or `s` and the session's.
    person = models.CharField(max_length=80)
    #: {field: text | texts | file info | file infos}, as it was typed.
    entered = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["run", "name", "person"], name="processes_run_form_entry"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.run_id}"
