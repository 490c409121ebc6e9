"""Connect a run with the outside world: the clock, cancellation, scripts, plans, and who calls."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

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
from processes.models import ProcessTemplate
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authority import described_user, user_of_authority
from processes.services.derivation import load_plan
from processes.services.outside import live_outside

__all__ = ["Caller", "DjangoHost", "caller_of", "host_of", "is_foreground", "submitted_values"]


class DjangoHost:
    """Serve the interpreter of one run.

    `caller` is who the run works for. A durable run's driver passes `is_cancelled`; a foreground run can't be
    cancelled. `submitted` are the values that the request's form has brought.
    """

    def __init__(
        self,
        *,
        caller: Caller,
        plan: Plan,
        durable: bool = False,
        is_cancelled: Callable[[], bool] | None = None,
        submitted: Mapping[str, JSON] | None = None,
        outside: Outside | None = None,
    ) -> None:
        self.caller = caller
        self._outside = outside
        #: The plan of the run itself, whichever sub process is at work.
        self.main_plan = plan
        self.submitted: Mapping[str, JSON] = submitted or {}
        self._durable = durable
        self._is_cancelled = is_cancelled

    @property
    def durable(self) -> bool:
        """Tell whether the run is stored, so that it may wait."""
        return self._durable

    def now(self) -> datetime:
        """Return the present time, in UTC."""
        return timezone.now()

    def check_cancelled(self) -> None:
        """Raise RunCancelled if the run has been cancelled."""
        if self._is_cancelled is not None and self._is_cancelled():
            raise RunCancelled("The run was cancelled.")

    @property
    def outside(self) -> Outside:
        """Return the way to other systems."""
        if self._outside is None:
            self._outside = live_outside()
        return self._outside

    def user(self, authority: JSON) -> AbstractBaseUser | None:
        """Return the user whom an authority stands for; raises AuthorityError where it is gone or revoked."""
        return user_of_authority(authority, caller=self.caller)

    def describe_user(self, user: object) -> dict[str, JSON]:
        """Return what conditions may know of a user."""
        return described_user(user)

    def script(self, name: str) -> ScriptSpec:
        """Return a script by name; raises UnknownScriptError."""
        return scripts.get(name)

    def plan(self, target: ProcessTarget) -> Plan:
        """Return the plan of a process: the recorded one, or what is published under its name now."""
        if target.plan_hash is not None:
            return load_plan(target.plan_hash)
        slug = target.reference if isinstance(target.reference, str) else target.name
        published = (
            ProcessTemplate.objects.filter(slug=slug, published_plan__isnull=False)
            .values_list("published_plan_id", flat=True)
            .first()
        )
        if published is None:
            raise NotFoundError(f'There is no published process "{slug}".', fields={"process": slug})
        return load_plan(published)

    def plan_by_hash(self, plan_hash: str) -> Plan:
        """Return a stored plan; raises NotFoundError."""
        return load_plan(plan_hash)

    def fresh(self, target: object, *, app: Application) -> tuple[Plan, Application]:
        """Return the plan of a process (its slug, or what a binding gives), and a context with data of its own.

        The user stays the same: executing something lends nobody more authority.
        """
        request = Request(method=app.request.method, language=app.request.language)
        context = Application(request=request, user=app.user, execution=app.execution)
        return self.plan(_process_target(target)), context


def host_of(app: Application) -> DjangoHost:
    """Return the host of the run that a script works for."""
    host = app.host
    if not isinstance(host, DjangoHost):
        raise ProcessError("This script needs a run of the Django app around it.", code="not_running")
    return host


def caller_of(app: Application) -> Caller:
    """Return on whose behalf the run acts: its caller, or whose authority is in force."""
    caller = host_of(app).caller
    if app.authority is None:
        return caller
    user = host_of(app).user(app.authority)
    return replace(caller, user_id=None if user is None else user.pk, session_key="")


def is_foreground(app: Application) -> bool:
    """Tell whether the script runs inside a web request."""
    return not host_of(app).durable


def submitted_values(app: Application) -> Mapping[str, JSON]:
    """Return the cleaned values of the form that the request has brought; none in the background."""
    return host_of(app).submitted


def _process_target(target: object) -> ProcessTarget:
    if isinstance(target, ProcessTarget):
        return target
    if isinstance(target, Mapping) and target.get(REF) == "process" and "name" in target:
        return ProcessTarget.from_fields(target)
    if isinstance(target, str) and target:
        return ProcessTarget(name=target, reference=target)
    raise NotFoundError("Only a process can be executed.", fields={"target": repr(target)[:200]})
