"""Run a process in the foreground without a web request: from the command line, from code, in tests, in the admin.

Such a run keeps its plans in memory and asks the database only for what isn't there; what it stores by itself is
nothing. Where a web request would move it to the background it just goes on; where it would wait, it stops and says so.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import DatabaseError
from django.utils import timezone
from django.utils.text import slugify

from processes.domain.application import Application
from processes.domain.directives import Background, Failed, Finished, Outcome, Running, Suspended
from processes.domain.interpreter import ACTION_LIMIT, Interpreter
from processes.domain.json_values import JSON, copy_json
from processes.domain.outside import Outside
from processes.domain.plan import Plan
from processes.domain.report import RunReport
from processes.domain.request import Request
from processes.domain.steps import Guard, TraceEntry
from processes.domain.targets import ProcessTarget
from processes.errors import NotFoundError, ProcessError, RunInterrupted
from processes.services.access import Caller, find_executable
from processes.services.audit import actor_of, record
from processes.services.documents import Runnable, find_template, without_database
from processes.services.errors import TemplateNotFoundError
from processes.services.form_audience import Audience, AudienceConfig
from processes.services.host import DjangoHost
from processes.services.indicators import find_open_indicator
from tasks.domain.statuses import NodeStatus
from tasks.services.roots import end_root

__all__ = ["LocalHost", "LocalRun", "RunReport", "local_caller", "run_plan", "run_process", "run_runnable"]


class LocalHost(DjangoHost):
    """Serve a run whose plans are in memory; what isn't there is looked up in the database.

    `plans` are those of sub processes, found by hash; `named` finds processes that lead back to themselves, by the
    reference that calls them. `clock` and `outside` stand in for the real ones.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        plans: Iterable[Plan] = (),
        named: Mapping[str, Plan] | None = None,
        caller: Caller | None = None,
        clock: Callable[[], datetime] | None = None,
        outside: Outside | None = None,
        submitted: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(caller=caller or local_caller(name=plan.name), plan=plan, outside=outside, submitted=submitted)
        self._plans = {known.hash: known for known in (*plans, plan)}
        self._named = dict(named or {})
        self._clock = clock or timezone.now

    def now(self) -> datetime:
        """Return the time that the run's clock shows."""
        return self._clock()

    def plan(self, target: ProcessTarget) -> Plan:
        """Return the plan of a process: from memory, else the stored one; raises NotFoundError."""
        known = self._plans.get(target.plan_hash) if target.plan_hash is not None else self._by_reference(target)
        if known is not None:
            return known
        try:
            return super().plan(target)
        except DatabaseError as error:
            raise without_database(error) from error

    def plan_by_hash(self, plan_hash: str) -> Plan:
        """Return a plan from memory, else the stored one; raises NotFoundError."""
        known = self._plans.get(plan_hash)
        return super().plan_by_hash(plan_hash) if known is None else known

    def audience(self, config: AudienceConfig, *, data: Mapping[str, JSON]) -> Audience:
        """Return nobody: what waits in memory isn't shown to anyone."""
        return Audience()

    def _by_reference(self, target: ProcessTarget) -> Plan | None:
        reference = target.reference if isinstance(target.reference, str) else target.name
        return self._named.get(reference)


def local_caller(
    *,
    name: str,
    user: AbstractBaseUser | AnonymousUser | None = None,
    template_id: int | None = None,
    session_key: str | None = None,
) -> Caller:
    """Return on whose behalf a run without a web request acts.

    Without a user it gets a session of its own, unless one is given, so that it can keep data which nobody else finds.
    """
    known = _known(user)
    return Caller(
        user_id=None if known is None else known.pk,
        session_key=(session_key or secrets.token_hex(16)) if known is None else "",
        template_id=template_id,
        slug=slugify(name)[:50] or "process",
    )


def run_plan(
    *,
    plan: Plan,
    plans: Iterable[Plan] = (),
    action: str | None = None,
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
    host: LocalHost | None = None,
    clock: Callable[[], datetime] | None = None,
    outside: Outside | None = None,
    limit: int = ACTION_LIMIT,
) -> RunReport:
    """Run a plan to its end, or to where it has to wait, and report; raises nothing that a process can do.

    `plans` are those of its sub processes, where the database doesn't have them. `action` is where the run enters, as
    a caller from outside does; without it the parameter of that name counts, as in a web request. A `host` brings
    plans, caller, clock and outside itself. More than `limit` actions end the run with an error.
    """
    request = Request.asking(parameters, action=action)
    app = Application(data=copy_json(dict(data or {})), request=request, user=_known(user))
    if host is None:
        caller = local_caller(name=plan.name, user=user)
        host = LocalHost(plan=plan, plans=plans, caller=caller, clock=clock, outside=outside)
    return LocalRun(plan=plan, app=app, host=host, limit=limit).finish()


def run_runnable(
    runnable: Runnable,
    *,
    action: str | None = None,
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
    session_key: str | None = None,
    how: str = "code",
) -> RunReport:
    """Run a process that was found, and report; that a template was run, and `how`, goes to the audit log.

    `session_key` names the session of a run without a user, for what runs of the same session are to share.
    """
    template = runnable.template
    caller = local_caller(name=runnable.name, user=user, session_key=session_key)
    if template is not None:
        caller = replace(caller, template_id=template.pk, slug=template.slug)
        record(
            "run.started",
            actor=actor_of(_known(user)),
            subject=template,
            plan_hash=runnable.plan.hash,
            details={"action": action, "how": how},
        )
    host = LocalHost(plan=runnable.plan, plans=runnable.plans, named=runnable.named, caller=caller)
    return run_plan(plan=runnable.plan, action=action, data=data, parameters=parameters, user=user, host=host)


def run_process(
    *,
    slug: str,
    action: str | None = None,
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
) -> RunReport:
    """Run a published template from code, in the foreground, and report how it ended.

    With a `user` it runs for them, and only if they may execute it; without one nobody is asked, and the run works
    for a session of its own. Raises TemplateNotFoundError where there is no such process for that user, or none that is
    published; what happens inside the run is in the report.
    """
    if user is not None:
        find_executable(slug=slug, user=user)
    try:
        runnable = find_template(slug)
    except NotFoundError as error:
        raise TemplateNotFoundError(error.message, fields=error.fields) from error
    return run_runnable(runnable, action=action, data=data, parameters=parameters, user=user)


class LocalRun:
    """Carry such a run out, whole or action by action; `app` brings what it begins with, and its request the entry.

    Where the process would go on in the background it goes on here, within the same limit.
    """

    def __init__(
        self, *, plan: Plan, app: Application, host: LocalHost, limit: int = ACTION_LIMIT, guard: Guard | None = None
    ) -> None:
        self.app, self.limit, self._caller = app, limit, host.caller
        self._trace: list[TraceEntry] = []
        self.interpreter = Interpreter.start(
            plan, app=app, host=host, entry=app.request.action, trace=self._trace.append, guard=guard
        )
        self._cancelled: Failed | None = None
        #: Whether it has come to where a web request would have left it to a worker.
        self._left = False

    @property
    def outcome(self) -> Outcome:
        """Return how the run stands."""
        return self._cancelled or self.interpreter.outcome

    @property
    def goes_on(self) -> bool:
        """Tell whether there is an action to run: the run has neither ended nor does it wait."""
        outcome = self.outcome
        return isinstance(outcome, Running) or (_is_background(outcome) and self.interpreter.pending is not None)

    def step(self) -> None:
        """Run one action; nothing where the run has ended or waits."""
        if self.goes_on:
            self._advance(self.interpreter.step)
        if self.interpreter.pending is None:
            # The last action has asked for the background: all that is left to do is to end.
            self._advance(self.interpreter.step)

    def finish(self) -> RunReport:
        """Run to the end, or to where it has to wait, and report."""
        self._advance(self._run)
        while self.goes_on:
            # A script has tried to end the whole program, and `@error` comes next.
            self._advance(self._run)
        return self.report()

    def report(self) -> RunReport:
        """Report what has happened so far; a run that goes on is reported as `waiting`."""
        outcome, app, trace = self.outcome, self.app, list(self._trace)
        if isinstance(outcome, Suspended):
            trace.extend(self.interpreter.under_way)
        report = RunReport(
            status="completed",
            data=app.data,
            response=None if app.response.is_empty else app.response.to_json(),
            trace=tuple(sorted(trace, key=lambda entry: entry.ordinal)),
        )
        if isinstance(outcome, Failed):
            return replace(report, status="failed", error=outcome.error)
        if isinstance(outcome, Finished):
            return replace(report, state=outcome.state, value=outcome.value)
        return replace(report, status="waiting")

    def _run(self) -> None:
        while True:
            outcome = self.interpreter.run(limit=max(self.limit - self.app.ordinal, 0))
            if not _is_background(outcome):
                return
            self._left = True

    def _advance(self, go: Callable[[], object]) -> None:
        try:
            go()
        except RunInterrupted as error:
            self._cancelled = Failed(ProcessError(str(error) or "The run was cancelled.", code="cancelled"))
        except SystemExit as leaving:
            # Whoever has asked for the run gets their report, whatever a script thinks of that.
            self.interpreter.fail(ProcessError.wrap(leaving))
        self._left = self._left or _is_background(self.outcome)
        if self._left:
            self._end_indicator()

    def _end_indicator(self) -> None:
        """End the indicator of a run that has ended: in a worker it would end with the run."""
        outcome = self.outcome
        if not isinstance(outcome, Finished | Failed):
            return
        status = NodeStatus.COMPLETED if isinstance(outcome, Finished) else NodeStatus.FAILED
        with suppress(DatabaseError):
            root = find_open_indicator(self.app, caller=self._caller)
            if root is not None and getattr(root, "job", None) is None:
                end_root(
                    root_id=root.pk, status=status, reason=outcome.error.message if isinstance(outcome, Failed) else ""
                )


def _is_background(outcome: Outcome) -> bool:
    return isinstance(outcome, Suspended) and isinstance(outcome.directive, Background)


def _known(user: AbstractBaseUser | AnonymousUser | None) -> AbstractBaseUser | None:
    return user if isinstance(user, AbstractBaseUser) and user.is_authenticated else None
