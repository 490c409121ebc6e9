"""Progress indicators: the task tree that a process shows to the person who started it."""

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from django.db import transaction
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from processes.domain.application import Application
from processes.domain.callback_tokens import redact
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.errors import ProcessError, ScriptError
from processes.models import Indicator, ProcessInstance, ProcessTemplate, Run
from processes.models import Plan as PlanRow
from processes.services.access import Caller
from processes.services.host import host_of
from tasks.domain.statuses import NodeStatus
from tasks.errors import IllegalTransition, StaleFence
from tasks.models import TaskRoot
from tasks.services.access import Viewer, owns
from tasks.services.roots import Owner, create_root, end_root, report_progress, restart_root
from tasks.tracking import TrackedNode

#: The key of `data` that holds the indicator's id.
INDICATOR_KEY = "progress"
#: The script that leads into the background.
BACKGROUND_SCRIPT = "execute_in_background"
#: The script that draws an indicator's page as every process does that has no wishes of its own.
RENDER_SCRIPT = "render_progress"
#: How long an indicator may wait for its background run before it is ended as abandoned.
ABANDONED_AFTER = timedelta(minutes=10)
#: The redirect of a finished indicator, in its root's meta.
REDIRECT = "redirect"
_MAX_PATH_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProcess:
    """Name the process that a task belongs to, by the plan that it began with."""

    #: None where it is gone.
    template: ProcessTemplate | None
    plan_hash: str
    #: The instance that is executed, where one is.
    instance: ProcessInstance | None
    has_run: bool


def progress_url(root_id: uuid.UUID) -> str:
    """Return the path of an indicator's page."""
    return reverse("processes:progress", kwargs={"root_id": root_id})


def new_indicator(*, title: str, owner: Owner, steps: list[dict[str, JSON]], input: JSON = None) -> uuid.UUID:
    """Create an indicator, visible to its owner, and return its id."""
    return create_root(title=title, owner=owner, steps=steps or None, input=input, lease=ABANDONED_AFTER).pk


def process_of(root_id: uuid.UUID) -> TaskProcess | None:
    """Return the process of a task: that of its run, else the one that began it as an indicator, where one did."""
    run = Run.objects.select_related("template", "instance").filter(pk=root_id).first()
    row = run or Indicator.objects.select_related("template", "instance").filter(pk=root_id).first()
    if row is None:
        return None
    return TaskProcess(
        template=row.template, plan_hash=row.plan_id, instance=row.instance, has_run=isinstance(row, Run)
    )


def owner_of(caller: Caller) -> Owner:
    """Return to whom what `caller` starts belongs."""
    return Owner(user_id=caller.user_id, session_key=caller.session_key)


def find_open_indicator(app: Application, *, caller: Caller) -> TaskRoot | None:
    """Return the indicator that `data` names, if it is the caller's and hasn't ended.

    `data` is what scripts made of it, so nothing that it names is taken on trust.
    """
    value = app.data.get(INDICATOR_KEY)
    try:
        root_id = uuid.UUID(str(value))
    except ValueError:
        return None
    root = TaskRoot.objects.select_related("job").filter(pk=root_id, closed=False).first()
    viewer = Viewer(user_id=caller.user_id, session_key=caller.session_key)
    return root if root is not None and owns(viewer, root) else None


def begin_indicator(app: Application, *, caller: Caller, title: str, steps: list[dict[str, JSON]]) -> uuid.UUID:
    """Begin an indicator that the process at work draws, and return its id.

    The open one that `data` names begins anew. One that a run works for, or has worked for, is that run's: it is never
    taken from it.
    """
    root = find_idle_indicator(app, caller=caller)
    if root is not None:
        # It may have ended, or been taken by a run, since it was found.
        with suppress(StaleFence, IllegalTransition), transaction.atomic():
            _keep_process(root.pk, app)
            restart_root(root_id=root.pk, title=title, steps=list(steps), lease=ABANDONED_AFTER)
            return root.pk
    with transaction.atomic():
        root_id = new_indicator(title=title, owner=owner_of(caller), steps=steps)
        _keep_process(root_id, app)
    return root_id


def _keep_process(root_id: uuid.UUID, app: Application) -> None:
    """Note which process draws an indicator: as with a run, the one that was begun, whatever it executes.

    A plan that exists only in memory can draw none.
    """
    caller, plan = host_of(app).caller, host_of(app).main_plan
    if caller.template_id is None or not PlanRow.objects.filter(pk=plan.hash).exists():
        Indicator.objects.filter(pk=root_id).delete()
        return
    drawn_by = {"template_id": caller.template_id, "plan_id": plan.hash, "instance_id": caller.instance_id}
    Indicator.objects.update_or_create(pk=root_id, defaults=drawn_by)


def report_to_indicator(
    app: Application, *, caller: Caller, message: str, current: float | None = None, total: float | None = None
) -> None:
    """Write a message to the open indicator that `data` names; where a run works for it, only that run speaks."""
    root = find_idle_indicator(app, caller=caller)
    if root is not None:
        with suppress(StaleFence):
            report_progress(root_id=root.pk, title=root.title, message=message, current=current, total=total)


def end_indicator(
    app: Application, *, caller: Caller, status: NodeStatus, reason: str = "", redirect: str | None = None
) -> None:
    """End the open indicator that `data` names; one that a run works for ends with that run."""
    root = find_idle_indicator(app, caller=caller)
    if root is not None:
        meta: JSON = None if redirect is None else {REDIRECT: redirect}
        with suppress(StaleFence, IllegalTransition):
            end_root(root_id=root.pk, status=status, reason=reason, meta=meta)


def find_idle_indicator(app: Application, *, caller: Caller) -> TaskRoot | None:
    """Return the open indicator that `data` names, if no run works for it."""
    root = find_open_indicator(app, caller=caller)
    return root if root is not None and getattr(root, "job", None) is None else None


def set_redirect(root: TrackedNode, path: str) -> None:
    """Say where an indicator's page leads once its run has ended; it is told with the next checkpoint."""
    root.set_meta({REDIRECT: path})


def redirect_of(root: TaskRoot) -> str:
    """Return where an indicator's page leads once it has ended; empty where nowhere, or to another site."""
    target = root.meta.get(REDIRECT) if isinstance(root.meta, dict) else None
    return target if isinstance(target, str) and is_own_path(target) else ""


def is_own_path(target: str) -> bool:
    """Tell whether a text is an absolute path of this site, however a browser reads it."""
    return (
        target.startswith("/")
        and len(target) <= _MAX_PATH_CHARS
        and target.isprintable()
        and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    )


def told_reason(error: ProcessError) -> str:
    """Return what those who follow a run are told of an error.

    What a script says on purpose is for people. An exception that it let through may quote anything (a password in a
    URL, a row of somebody else's), so it stays in the run's own record, which staff can read.
    """
    if not isinstance(error, ScriptError):
        return redact(error.message)
    if error.action:
        text = _(
            "The step “%(step)s” failed unexpectedly. The operators of this site find the details in the record of "
            "this run."
        )
        return text % {"step": spoken(error.action)}
    return _("A step failed unexpectedly. The operators of this site find the details in the record of this run.")


def upcoming_steps(plan: Plan, *, first: int) -> list[dict[str, JSON]]:
    """Return the actions from index `first` on, in order, as steps to show before they run.

    The way is the one without states; what branches off it is shown when it comes. Actions up to the one that leads
    into the background are no steps of the background run.
    """
    steps: list[dict[str, JSON]] = []
    seen: set[int] = set()
    index = first
    while index >= 0 and index not in seen:
        seen.add(index)
        action = plan.actions[index]
        steps.append({"name": action.name, "title": spoken(action.name)})
        if action.script == BACKGROUND_SCRIPT:
            steps.clear()
        index = action.after
    return steps


@lru_cache(maxsize=4_096)
def spoken(name: str) -> str:
    """Return an action's name as a title: `importRows` and `import_rows` become `Import rows`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.lstrip("@")).replace("_", " ").replace("-", " ").split()
    return " ".join([words[0].capitalize(), *(word.lower() for word in words[1:])]) if words else name
