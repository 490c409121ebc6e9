"""Task scripts for the work on instances: their status and title, who is asked, and what is open to whom."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import Application
from processes.domain.escalation import EscalationStep
from processes.domain.moments import after, moment_in
from processes.domain.plan import Plan
from processes.domain.scripts import Example
from processes.domain.status_rules import status_problem
from processes.domain.suggestions import did_you_mean
from processes.errors import ConfigError, PermanentError
from processes.models import ProcessInstance
from processes.registry import task_script
from processes.services import assignments, instance_status
from processes.services.derivation import load_plan
from processes.services.doer import doer_of
from processes.services.errors import InstanceNotFoundError
from processes.services.form_audience import AudienceConfig
from processes.services.host import acting_user, caller_of, host_of
from processes.services.instance_access import find_instance
from processes.services.offers import check_option as check


def _check_status(text: str) -> str:
    # One with a placeholder is checked when it is filled, before the action runs.
    if text and (problem := status_problem(text)) is not None:
        raise ValueError(problem)
    return text


#: A status, or an empty text for none.
Status: TypeAlias = Annotated[str, AfterValidator(_check_status)]

_NO_INSTANCE = "no instance is executed"


class SetStatusConfig(BaseModel):
    """Configure `set_status`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    status: Status = Field(description="The new status; an empty text is none.")
    expected: list[Status] | Status | None = Field(
        None,
        alias="from",
        description="The status, or the statuses, from which it may change: of two who decide at the same moment, one "
        "wins. By default every one.",
    )
    keeps_assignment: bool = Field(
        False, description="Whoever was asked to work on it is still asked, with the same due date."
    )


class SetTitleConfig(BaseModel):
    """Configure `set_title`."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(description="What it is called from now on; cut to 200 characters.")


class EscalationConfig(BaseModel):
    """Describe a step of an escalation."""

    model_config = ConfigDict(extra="forbid")

    after: timedelta = Field(timedelta(0), description="How long after it was due: `P1D`, `PT4H`; at once by default.")
    to: AudienceConfig | None = Field(None, description="Who is asked instead: users, groups, or a key of the data.")
    action: str = Field("", description="The action of this process that runs in the background, for the owner.")

    @model_validator(mode="after")
    def _something(self) -> "EscalationConfig":
        if self.to is None and not self.action:
            raise ValueError("say what happens: `to`, `action`, or both")
        return self


class AssignConfig(BaseModel):
    """Configure `assign`."""

    model_config = ConfigDict(extra="forbid")

    to: AudienceConfig = Field(
        description='Who is asked: `{"users": ["ann"]}`, `{"groups": ["clerks"]}`, `{"data": "approver"}`, '
        '`{"owner": true}`. One user has it at once; of several, and of groups, one claims it.'
    )
    due: timedelta | datetime | None = Field(
        None, description="Until when: so long from now (`P2D`), or a moment (`2026-12-01T09:00:00+01:00`)."
    )
    escalate: list[EscalationConfig] = Field(
        default_factory=list, max_length=20, description="What happens when it isn't done by then."
    )

    @model_validator(mode="after")
    def _due(self) -> "AssignConfig":
        if self.escalate and self.due is None:
            raise ValueError("say until when it is `due`: `escalate` counts from then")
        for said in (self.to, *(step.to for step in self.escalate if step.to is not None)):
            if said.staff:
                raise ValueError("staff as a whole can't be asked: name a group")
        return self


class CheckOptionConfig(BaseModel):
    """Configure `check_option`."""

    model_config = ConfigDict(extra="forbid")

    action: str = Field(min_length=1, description="The action that the status rules must offer to the user now.")


@task_script(
    "set_status",
    config=SetStatusConfig,
    # Its rows commit with the checkpoint of a background run: the status changes exactly once.
    effect="transactional",
    aliases=("setStatus", "Set status"),
    example=Example(
        definition=[
            {"name": "approve", "script": "set_status", "config": {"status": "approved", "from": "submitted"}},
            {"name": "tell", "script": "noop"},
        ],
    ),
    errors={
        "no_instance": _NO_INSTANCE,
        "wrong_status": "its status is none of those `from` which it may change",
        "instance_not_found": "the executed instance was deleted meanwhile",
    },
)
def set_status(app: Application) -> str:
    """Set the status of the executed instance, and return it; whoever was asked to work on it isn't asked any more.

    Its history tells who did it. Setting the status that it has already changes nothing.
    """
    config: SetStatusConfig = app.config
    expected = [config.expected] if isinstance(config.expected, str) else config.expected or []
    instance_status.set_status(
        _executed(app),
        config.status,
        doer=doer_of(app),
        expected=expected,
        keeps_assignment=config.keeps_assignment,
    )
    return config.status


@task_script(
    "set_title",
    config=SetTitleConfig,
    effect="transactional",
    aliases=("setTitle", "Set title"),
    example=Example(
        definition=[
            {"name": "load", "script": "load_data"},
            {"name": "call", "script": "set_title", "config": {"title": "%{data:title}"}},
        ],
    ),
    errors={"no_instance": _NO_INSTANCE, "instance_not_found": "the executed instance was deleted meanwhile"},
)
def set_title(app: Application) -> str:
    """Set what the executed instance is called, and return it; its history tells who did it."""
    config: SetTitleConfig = app.config
    instance_status.set_title(_executed(app), config.title, doer=doer_of(app))
    return config.title


@task_script(
    "assign",
    config=AssignConfig,
    effect="transactional",
    aliases=("assignTo", "Assign"),
    example=Example(
        definition=[
            {
                "name": "ask",
                "script": "assign",
                "config": {
                    "to": {"groups": ["approvers"]},
                    "due": "P2D",
                    "escalate": [{"action": "remind"}, {"after": "P1D", "to": {"groups": ["directors"]}}],
                },
                "next": False,
            },
            {"name": "remind", "script": "noop", "entry": False},
        ],
    ),
    errors={
        "no_instance": _NO_INSTANCE,
        "form_audience": "there is no such user or group, or the data name nobody",
        "not_assignable": "nobody is left who could be asked",
        "config": "a time span is negative, or longer than a century",
    },
)
def assign(app: Application) -> None:
    """Ask others to work on the executed instance: it waits for them in their inbox.

    Whoever was asked before isn't asked any more. When the status changes, nobody is: so set the status first.
    """
    config: AssignConfig = app.config
    executed = _described(_executed(app))
    users, groups = _asked(app, config.to, executed)
    steps = [_step(app, step, executed) for step in config.escalate]
    assignments.assign(
        executed.id,
        assignments.Assignment(users=users, groups=groups, due_at=_due_at(app, config.due), escalation=steps),
        doer=doer_of(app),
    )


@task_script(
    "check_option",
    config=CheckOptionConfig,
    effect="pure",
    aliases=("checkOption", "Check option"),
    example=Example(
        definition=[
            {"name": "approve", "script": "check_option", "config": {"action": "approve"}},
            {"name": "decide", "script": "set_status", "config": {"status": "approved"}},
        ],
    ),
    errors={
        "no_instance": _NO_INSTANCE,
        "not_offered": "the status rules don't offer the action to the user, at this status",
        "sign_in_required": "nobody is signed in",
        "instance_not_found": "the user may not open the instance any more",
    },
)
def check_option(app: Application) -> None:
    """Go on only if the status rules offer an action to the user at this moment.

    Enforced rules ask that by themselves where the action is entered; ask it again in a later step, behind a form, say,
    or where the rules only offer.
    """
    config: CheckOptionConfig = app.config
    user = acting_user(app)
    instance = find_instance(_executed(app), user=user)
    assert user is not None
    check(instance, user=user, action=config.action)


@dataclass(frozen=True, slots=True)
class _Executed:
    """Hold what a script needs of the executed instance."""

    id: uuid.UUID
    owner_id: assignments.Key | None
    plan: Plan


def _executed(app: Application) -> uuid.UUID:
    instance_id = caller_of(app).instance_id
    if instance_id is None:
        raise PermanentError(
            _("Only an instance has a status and can be assigned, and none is executed here."), code="no_instance"
        )
    return instance_id


def _described(instance_id: uuid.UUID) -> _Executed:
    row = ProcessInstance.objects.filter(pk=instance_id).values_list("owner_id", "plan_id").first()
    if row is None:
        raise InstanceNotFoundError("There is no such instance any more.")
    return _Executed(instance_id, row[0], load_plan(row[1]))


def _asked(app: Application, config: AudienceConfig, executed: _Executed) -> tuple[list[int | str], list[int]]:
    """Return the keys of the users and of the groups that are meant."""
    audience = host_of(app).audience(config, data=app.data)
    users = [key for key in audience.users if isinstance(key, int | str)]
    if audience.owner and executed.owner_id is not None:
        owner = executed.owner_id
        users.append(owner if isinstance(owner, int) else str(owner))
    return list(dict.fromkeys(users)), list(audience.groups)


def _step(app: Application, config: EscalationConfig, executed: _Executed) -> EscalationStep:
    if config.action and config.action not in executed.plan.by_name:
        suggestion = did_you_mean(config.action, executed.plan.by_name)
        raise ConfigError(
            f'There is no action "{config.action}" that could run when it isn\'t done in time'
            + (f": {suggestion}" if suggestion else "")
        )
    users, groups = ([], []) if config.to is None else _asked(app, config.to, executed)
    return EscalationStep(after=config.after, users=tuple(users), groups=tuple(groups), action=config.action)


def _due_at(app: Application, due: timedelta | datetime | None) -> datetime | None:
    if due is None:
        return None
    if isinstance(due, datetime):
        return moment_in(due, zone=timezone.get_default_timezone())
    try:
        return after(due, now=app.now())
    except ValueError as error:
        raise ConfigError(str(error)) from error
