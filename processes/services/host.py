"""Connect a run with the outside world: the clock, cancellation, scripts, plans, who calls and what is executed.

Two questions are kept apart. *Whose run is it?* The person's who called it, whatever authority is in force: the page,
the progress indicator, temporary data and new files are theirs (`caller_of`). *Whose rights does it act with?* The
caller's, or those that are lent to it (`acting_user`): they decide what may be executed and which files may be read.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.bindings import REF
from processes.domain.json_values import JSON
from processes.domain.outside import Outside
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.domain.scripts import ScriptSpec
from processes.domain.targets import ProcessTarget
from processes.errors import NotFoundError, ProcessError, RunCancelled
from processes.models import DataNode, DataNodeKind, ProcessInstance, ProcessTemplate
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authority import described_user, user_of_authority
from processes.services.callback_tokens import callback_of_token, token_of
from processes.services.derivation import load_plan
from processes.services.errors import InstanceNotFoundError, NoCredentialsError
from processes.services.form_audience import Audience, AudienceConfig, find_audience
from processes.services.grants import Scope, check_grant
from processes.services.instance_access import may_execute_instance
from processes.services.outside import live_outside
from processes.services.outside.hearing import Heard, HeardOutside

__all__ = [
    "CREDENTIALS",
    "EXECUTED",
    "Caller",
    "DjangoHost",
    "acting_user",
    "caller_of",
    "credentials_of",
    "host_of",
    "is_foreground",
    "published_hash",
    "slug_of",
    "stored_credentials",
    "submitted_values",
]

#: The attribute of a fresh context that tells which instance is executed in it: {"instance", "template", "slug"}.
EXECUTED: Final = "executedInstance"
#: The attribute that `store_credentials` sets: {"$ref": "grant", "reference"}.
CREDENTIALS: Final = "credentials"
#: How long a user is known before they are read again: what is taken from them takes effect in running work too.
USER_KEPT: Final = timedelta(seconds=5)


class DjangoHost:
    """Serve the interpreter of one run.

    `caller` is who the run works for. A durable run's driver passes `why_cancelled` and `hold`; a foreground run can't
    be cancelled, nor taken over. `submitted` are the values that the request's form has brought. `execution` names this
    execution, for which grants are made. `heard` is told what other systems answer, `told_time` which times scripts are
    given.
    """

    #: Whether `run_as_owner` lends the rights of the template's owner. Where somebody tries a process out, with data of
    #: their choice, it lends only theirs.
    lends_owner = True

    def __init__(
        self,
        *,
        caller: Caller,
        plan: Plan,
        durable: bool = False,
        why_cancelled: Callable[[], str] | None = None,
        hold: Callable[[], None] | None = None,
        submitted: Mapping[str, JSON] | None = None,
        outside: Outside | None = None,
        heard: Heard | None = None,
        told_time: Callable[[int, datetime], None] | None = None,
        execution: str = "",
        is_looking: bool = False,
    ) -> None:
        self.caller = caller
        #: Whether somebody only looks at something, and whatever is written is taken back.
        self.is_looking = is_looking
        self.execution = execution or uuid.uuid4().hex
        self._users: dict[object, tuple[datetime, AbstractBaseUser | None]] = {}
        self._outside, self._heard, self._told_time = outside, heard, told_time
        #: The plan of the run itself, whichever sub process is at work.
        self.main_plan = plan
        self.submitted: Mapping[str, JSON] = submitted or {}
        self._durable = durable
        self._why_cancelled, self._hold = why_cancelled, hold

    @property
    def durable(self) -> bool:
        """Tell whether the run is stored, so that it may wait."""
        return self._durable

    def now(self) -> datetime:
        """Return the present time, in UTC."""
        return timezone.now()

    def tell_time(self, ordinal: int) -> datetime:
        """Return the present time, and tell `told_time` of it."""
        moment = self.now()
        if self._told_time is not None:
            self._told_time(ordinal, moment)
        return moment

    def check_cancelled(self) -> None:
        """Raise RunCancelled if the run has been cancelled."""
        if self._why_cancelled is not None and (reason := self._why_cancelled()):
            raise RunCancelled(reason)

    def hold(self) -> None:
        """Let no other worker take the run over before the caller's transaction ends; leaves it where one has.

        For what an action stores apart from its checkpoint: a worker that has lost the run must not add to it.
        """
        if self._hold is not None:
            self._hold()

    @property
    def outside(self) -> Outside:
        """Return the way to other systems."""
        if self._outside is None:
            live = live_outside()
            self._outside = live if self._heard is None else HeardOutside(live, self._heard)
        return self._outside

    def user(self, authority: JSON) -> AbstractBaseUser | None:
        """Return the user whom an authority stands for; raises AuthorityError where it is gone or revoked.

        A grant is asked for each time; a user is kept for USER_KEPT, so that scripts may ask for `app.user` often.
        """
        key = authority["user"] if isinstance(authority, Mapping) and set(authority) == {"user"} else self
        known = self._users.get(key)
        if known is not None and self.now() - known[0] < USER_KEPT:
            return known[1]
        user = user_of_authority(authority, execution=self.execution, template_id=self.caller.template_id)
        if key is not self:
            self._users[key] = (self.now(), user)
        return user

    def describe_user(self, user: object) -> dict[str, JSON]:
        """Return what conditions may know of a user."""
        return described_user(user)

    def audience(self, config: AudienceConfig, *, data: Mapping[str, JSON]) -> Audience:
        """Return who may answer a form; raises PermanentError `form_audience` for somebody who isn't there."""
        has_owner = self.caller.user_id is not None or bool(self.caller.session_key)
        return find_audience(config, data=data, has_owner=has_owner)

    def callback_token(self, callback: str) -> str:
        """Return the token of a callback; raises CallbackNotFoundError for what is no id."""
        return token_of(callback)

    def callback_of(self, token: str) -> str:
        """Return the id of the callback that a token is for; raises CallbackNotFoundError for what is no token."""
        return str(callback_of_token(token))

    def script(self, name: str) -> ScriptSpec:
        """Return a script by name; raises UnknownScriptError."""
        return scripts.get(name)

    def plan(self, target: ProcessTarget) -> Plan:
        """Return the plan of a process: the recorded one, or what is published under its name now."""
        if target.plan_hash is not None:
            return load_plan(target.plan_hash)
        return load_plan(published_hash(slug_of(target)))

    def plan_by_hash(self, plan_hash: str) -> Plan:
        """Return a stored plan; raises NotFoundError."""
        return load_plan(plan_hash)

    def fresh(self, target: object, *, app: Application) -> tuple[Plan, Application]:
        """Return the plan of a process or an instance, and a context with data of its own.

        A process is given by its slug, or as a binding gives it; an instance as such, or by its context node: `{"$ref":
        "data_node", "reference": …}`. The user stays the same: executing something lends nobody more authority. An
        instance must be one that the authority in force may execute; raises InstanceNotFoundError.
        """
        request = Request(method=app.request.method, language=app.request.language)
        context = Application(request=request, user=app.user, execution=app.execution)
        instance = _instance_target(target)
        if instance is None:
            # A process runs for what is executed here, as a sub process does; only its context is its own.
            if (executed := app.get(EXECUTED)) is not None:
                context.set(EXECUTED, executed)
            return self.plan(_process_target(target)), context
        if not may_execute_instance(acting_user(app), instance):
            raise _no_instance()
        slug = instance.template.slug
        context.set(EXECUTED, {"instance": str(instance.pk), "template": instance.template_id, "slug": slug})
        return load_plan(instance.plan_id), context


def slug_of(target: ProcessTarget) -> str:
    """Return the slug under which a process is looked up that isn't known by its hash."""
    return target.reference if isinstance(target.reference, str) else target.name


def published_hash(slug: str) -> str:
    """Return the hash of what is published under a slug now; raises NotFoundError."""
    rows = ProcessTemplate.objects.filter(slug=slug, published_plan__isnull=False)
    published = rows.values_list("published_plan_id", flat=True).first()
    if published is None:
        raise NotFoundError(f'There is no published process "{slug}".', fields={"process": slug})
    return published


def host_of(app: Application) -> DjangoHost:
    """Return the host of the run that a script works for."""
    host = app.host
    if not isinstance(host, DjangoHost):
        raise ProcessError("This script needs a run of the Django app around it.", code="not_running")
    return host


def caller_of(app: Application) -> Caller:
    """Return whose run it is, and what is executed in this context.

    Under a lent authority it is still the caller's: forms, data, files and progress would reach nobody otherwise. The
    lender is named, so that their files can be read.
    """
    caller = host_of(app).caller
    executed = app.get(EXECUTED)
    if isinstance(executed, Mapping):
        caller = replace(
            caller,
            instance_id=uuid.UUID(executed["instance"]),
            template_id=executed["template"],
            slug=executed["slug"],
        )
    if app.authority is None:
        return caller
    user = host_of(app).user(app.authority)
    return replace(caller, lender_id=None if user is None else user.pk)


def acting_user(app: Application) -> AbstractBaseUser | None:
    """Return the user with whose rights the run acts now; None for somebody not signed in.

    That is not always `app.user`, who may be a stored caller: ask this one what may be done. Raises AuthorityError.
    """
    host = host_of(app)
    if app.authority is not None:
        return host.user(app.authority)
    return None if host.caller.user_id is None else host.user({"user": host.caller.user_id})


def stored_credentials(app: Application) -> str | None:
    """Return the reference of the grant that `store_credentials` has left in this context, whether it holds or not."""
    stored = app.get(CREDENTIALS)
    reference = stored.get("reference") if isinstance(stored, Mapping) else None
    return reference if isinstance(reference, str) else None


def credentials_of(app: Application, *, scope: Scope) -> str:
    """Return the reference of the caller's credentials, which hold for `scope` now.

    Raises NoCredentialsError where none are stored, AuthorityError where they hold no more.
    """
    host, reference = host_of(app), stored_credentials(app)
    if reference is None:
        raise NoCredentialsError("No credentials of the caller are stored here: run store_credentials first.")
    check_grant(reference, execution=host.execution, template_id=host.caller.template_id, scope=scope)
    return reference


def is_foreground(app: Application) -> bool:
    """Tell whether the script runs inside a web request."""
    return not host_of(app).durable


def submitted_values(app: Application) -> Mapping[str, JSON]:
    """Return the cleaned values of the form that the request has brought; none in the background."""
    return host_of(app).submitted


def _instance_target(target: object) -> ProcessInstance | None:
    """Return the instance that is meant, whoever asks; None where a process is meant."""
    if isinstance(target, ProcessInstance):
        return target
    if not isinstance(target, Mapping) or target.get(REF) != "data_node":
        return None
    node = (
        DataNode.objects.select_related("instance__template")
        .filter(kind=DataNodeKind.CONTEXT, reference=str(target.get("reference", ""))[:22])
        .first()
    )
    if node is None or node.instance is None:
        raise _no_instance()
    return node.instance


def _no_instance() -> InstanceNotFoundError:
    return InstanceNotFoundError("There is no such instance, or you may not execute it.")


def _process_target(target: object) -> ProcessTarget:
    if isinstance(target, ProcessTarget):
        return target
    if isinstance(target, Mapping) and target.get(REF) == "process" and "name" in target:
        return ProcessTarget.from_fields(target)
    if isinstance(target, str) and target:
        return ProcessTarget(name=target, reference=target)
    raise NotFoundError("Only a process or an instance can be executed.", fields={"target": repr(target)[:200]})
