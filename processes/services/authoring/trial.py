"""Try a template out where it stands: as its editor, for a few seconds, and without a trace but in the audit log.

The run is inside a transaction that is rolled back: what it wrote is gone, what waited for the commit never happens,
and files that it stored are deleted. Requests and mail are refused. Whoever wants all that for real says so (`keep`).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from processes.domain.application import Application
from processes.domain.json_values import JSON, copy_json
from processes.domain.outside import Answer, Mail, OutboundRequest, Outside
from processes.domain.plan import Plan
from processes.domain.report import RunReport
from processes.domain.request import Request
from processes.domain.scripts import ScriptSpec
from processes.errors import DefinitionError, PermanentError, Problem, ProcessError, RunCancelled
from processes.models import AuditEntry, ProcessTemplate, StoredFile
from processes.services.access import Caller
from processes.services.audit import actor_of, collecting, record
from processes.services.derivation import derive_source, load_plan
from processes.services.library import read_library
from processes.services.running import LocalHost, LocalRun, local_caller

__all__ = ["TIME_LIMIT_SECONDS", "ClosedOutside", "try_out"]

#: How long a trial may take; asked between actions, and wherever a script asks whether it is cancelled.
TIME_LIMIT_SECONDS: Final = 10.0

#: The files that the trial at work has stored: their contents don't go with the transaction.
_stored_files: ContextVar[list[StoredFile] | None] = ContextVar("files_of_trial", default=None)


class ClosedOutside:
    """Refuse what would leave the house."""

    def request(self, request: OutboundRequest) -> Answer:
        """Raise: a trial sends no requests."""
        raise _refused("a request")

    def send(self, mail: Mail) -> None:
        """Raise: a trial sends no mail."""
        raise _refused("a mail")


def try_out(
    *,
    template: ProcessTemplate,
    user: AbstractBaseUser,
    published: bool = False,
    action: str = "",
    data: Mapping[str, JSON] | None = None,
    parameters: Mapping[str, JSON] | None = None,
    keep: bool = False,
    seconds: float = TIME_LIMIT_SECONDS,
) -> RunReport:
    """Run a template's draft, or what is published of it, and report; raises nothing that a process can do.

    It enters at `action` (else where the parameter of that name says) as a caller from outside does. A draft that can't
    be derived, and an abstract template, are reported as `invalid`. With `keep` nothing is taken back or refused.
    """
    try:
        plan, inline = _plans(template, published=published)
    except DefinitionError as error:
        return RunReport.invalid(*error.problems)
    record(
        "run.started",
        actor=actor_of(user),
        subject=template,
        plan_hash=plan.hash,
        details={"action": action or None, "how": "trial", "published": published, "kept": keep},
    )
    caller = replace(local_caller(name=template.slug, user=user, template_id=template.pk), slug=template.slug)
    host = _TrialHost(
        plan=plan,
        plans=inline,
        named={template.slug: plan},
        caller=caller,
        outside=None if keep else ClosedOutside(),
        deadline=time.monotonic() + seconds,
    )
    request = Request.asking(parameters, action=action)
    app = Application(data=copy_json(dict(data or {})), request=request, user=user)
    run = LocalRun(plan=plan, app=app, host=host, guard=host.guard)
    if keep:
        report = run.finish()
    else:
        with _taken_back():
            report = _in_steps(run)
    return replace(report, status="failed", error=_too_long(seconds)) if host.is_stopped else report


def _plans(template: ProcessTemplate, *, published: bool) -> tuple[Plan, tuple[Plan, ...]]:
    """Return the plan that is in force or that the draft gives, and those of its inline processes if they're new."""
    if published and template.published_plan_id is not None:
        return load_plan(template.published_plan_id), ()
    if template.abstract:
        raise _invalid("An abstract template is only extended, never run itself", "Try out one that extends it")
    if published:
        raise _invalid("Nothing is published yet", "Try the draft")
    library = read_library()
    derived = derive_source(library, library.drafts[template.slug])
    assert derived.plan is not None
    return derived.plan, derived.inline


def _in_steps(run: LocalRun) -> RunReport:
    """Run each action inside a savepoint: what the database refuses mustn't spoil the transaction for the next one."""
    while run.goes_on and run.app.ordinal < run.limit:
        stepped = False
        try:
            with transaction.atomic():
                run.step()
                stepped = True
        except DatabaseError:
            # PostgreSQL says so only now, when the savepoint is to be released; the script's own error is known.
            if not stepped:
                raise
    # With actions left, this reports that there were too many.
    return run.finish()


@contextmanager
def _taken_back() -> Iterator[None]:
    """Undo what happens inside: rows with the transaction, files one by one; what was audited stays audited."""
    files: list[StoredFile] = []
    token = _stored_files.set(files)
    entries: list[AuditEntry] = []
    try:
        with collecting(entries), transaction.atomic():
            try:
                yield
            finally:
                transaction.set_rollback(True)
    finally:
        _stored_files.reset(token)
        for stored in files:
            stored.file.delete(save=False)
        for entry in entries:
            _audit_again(entry)


@receiver(post_save, sender=StoredFile, dispatch_uid="files_of_trials")
def _note(instance: StoredFile, **_: object) -> None:
    files = _stored_files.get()
    if files is not None:
        files.append(instance)


def _audit_again(entry: AuditEntry) -> None:
    """Write an entry whose deed was taken back: under whose authority something was read stays known."""
    entry.pk = None
    entry._state.adding = True
    entry.details = {**entry.details, "how": "trial", "kept": False}
    entry.save()


class _TrialHost(LocalHost):
    """Serve a trial until its time is up; whoever tries a process out borrows nobody's rights."""

    lends_owner = False

    def __init__(
        self,
        *,
        plan: Plan,
        plans: tuple[Plan, ...],
        named: Mapping[str, Plan],
        caller: Caller,
        outside: Outside | None,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(plan=plan, plans=plans, named=named, caller=caller, outside=outside)
        self._deadline, self._now = deadline, clock
        self.is_stopped = False

    def check_cancelled(self) -> None:
        """Raise RunCancelled once the time is up."""
        if self._now() > self._deadline:
            self.is_stopped = True
            raise RunCancelled("The time is up.")

    def script(self, name: str) -> ScriptSpec:
        """Return a script; asked for at the beginning of each process, so one that calls itself is stopped here."""
        self.check_cancelled()
        return super().script(name)

    def guard(self, app: Application, value: object) -> None:
        """Stop between actions."""
        self.check_cancelled()


def _invalid(message: str, suggestion: str) -> DefinitionError:
    return DefinitionError([Problem(path="", message=message, suggestion=suggestion)])


def _refused(what: str) -> ProcessError:
    return PermanentError(
        f"A trial sends nothing: {what} was refused.",
        code="outside_disabled",
        fields={"suggestion": "Tick “Really send requests and mail, and keep what it writes”, and run it again."},
    )


def _too_long(seconds: float) -> ProcessError:
    return PermanentError(
        f"Stopped after {seconds:g} seconds: does the process run in circles?",
        code="time_limit",
        fields={"suggestion": "A trial is for short runs. Run longer work with manage.py run_process."},
    )
