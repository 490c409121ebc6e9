"""Moving runs that are alive to the plan that is in force now, and back.

A run keeps the plan that it began with, whatever is published. An operator may move it: whether it fits is forecast
first, asked again by the run itself at an action boundary, and undone the same way.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.moving import Misfit, find_misfits, move_cursor
from processes.domain.rewinding import outer_plan
from processes.domain.run_status import RUN_TERMINAL
from processes.errors import ProcessError
from processes.models import InboxItem, ProcessTemplate, Run
from processes.services.access import User, find_run, may_control
from processes.services.checkpoints import newest_cursors
from processes.services.derivation import load_plan
from processes.services.errors import NotControllableError, TemplateNotFoundError
from processes.services.inbox import MOVE, has_messages
from processes.services.instances import derive_instance_plan
from processes.services.operators import living_run, moves_of, say
from tasks.domain.statuses import JobStatus

__all__ = [
    "MOST_MOVED",
    "Forecast",
    "at_newest_plan",
    "forecast_move",
    "forecast_moves",
    "forecast_runs",
    "last_move",
    "move_run",
    "move_runs",
    "newest_plan",
    "undo_move",
]

#: How many runs are forecast, or moved, at once.
MOST_MOVED = 500
_READ_AT_ONCE: Final = 100
#: What doesn't fit of a run whose instance overrides what isn't there any more (see processes.domain.moving.Misfit).
_BINDINGS: Final = "bindings"
_TERMINAL: Final = [status.value for status in RUN_TERMINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Say of a run whether it fits the plan that is in force now; `misfits` says what doesn't."""

    run_id: uuid.UUID
    status: str
    plan: str
    to: str
    misfits: list[Misfit] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Tell whether it can be moved as it stands."""
        return not self.misfits

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form."""
        return {
            "id": str(self.run_id), "status": self.status, "plan": self.plan, "to": self.to, "fits": self.fits,
            "misfits": [misfit.to_json() for misfit in self.misfits],
        }  # fmt: skip


def newest_plan(run: Run) -> str:
    """Return the hash of the plan that a run would begin with now; raises NotControllableError where there is none."""
    if run.template is None or run.template.published_plan_id is None:
        raise NotControllableError(_("The process of this run isn't published any more."), fields={"reason": "gone"})
    if run.instance is None:
        return run.template.published_plan_id
    # What the instance overrides is derived anew over what is published now.
    try:
        return derive_instance_plan(template=run.template, bindings=run.instance.bindings)[0].hash
    except ProcessError as error:
        text = _("What the instance overrides doesn't fit what is published now: %s") % error.message
        raise NotControllableError(text, fields={"reason": _BINDINGS}) from error


def forecast_moves(*, template: ProcessTemplate, user: User) -> tuple[list[Forecast], bool]:
    """Return the runs of a template that are alive and have another plan than they would begin with now, oldest first.

    The second value says whether there are more than MOST_MOVED. Raises TemplateNotFoundError for who may not control
    runs.
    """
    if not may_control(user):
        raise TemplateNotFoundError("There is no such process.")
    runs = _movable().filter(template=template).order_by("created_at").iterator(chunk_size=_READ_AT_ONCE)
    forecasts: list[Forecast] = []
    newest = _newest_plans()
    while chunk := list(islice(runs, _READ_AT_ONCE)):
        forecasts += _forecasts(chunk, newest)
        if len(forecasts) > MOST_MOVED:
            return forecasts[:MOST_MOVED], True
    return forecasts, False


def forecast_runs(*, run_ids: Iterable[uuid.UUID], user: User) -> list[Forecast]:
    """Return the same of named runs of any templates; those that can't move, whatever fits, aren't in it.

    These have ended, have that plan, are a part of another run, or their process isn't published any more. Who may not
    control runs gets none.
    """
    if not may_control(user):
        return []
    runs = _movable().filter(pk__in=list(run_ids), template__published_plan__isnull=False)
    return _forecasts(list(runs.order_by("created_at")), _newest_plans())


def forecast_move(*, run_id: uuid.UUID, user: User, undo: bool = False) -> Forecast:
    """Return whether a run fits the plan that is in force now, or, with `undo`, the one that it was moved from.

    Raises as `move_run` and `undo_move` do, but for a misfit.
    """
    run = find_run(run_id, user=user)
    _check_whole(run)
    if run.root.closed or run.status in _TERMINAL:
        raise NotControllableError(_("This run has ended already."), fields={"reason": "ended"})
    to = _moved_from(run) if undo else newest_plan(run)
    if to == run.plan_id:
        raise _refusal_of_same()
    return _forecast(run, to)


def move_run(*, run_id: uuid.UUID, user: User) -> int:
    """Move a run to the plan that is in force now, at its next action boundary; return the number of the message.

    What became of it stands in that message. Where the run waits it is asked at once. Raises TaskNotFound, and
    NotControllableError where the run has ended, has that plan already, or doesn't fit.
    """
    with transaction.atomic():
        run = living_run(run_id, user=user)
        _check_whole(run)
        return _send(run, newest_plan(run), user=user)


def move_runs(*, template: ProcessTemplate, user: User) -> tuple[list[uuid.UUID], list[Forecast], bool]:
    """Move all runs of a template that fit; return those that move, those that don't fit, and whether there are more.

    Each is dealt with by itself.
    """
    forecasts, more = forecast_moves(template=template, user=user)
    moved: list[uuid.UUID] = []
    left: list[Forecast] = []
    for forecast in forecasts:
        if not forecast.fits:
            left.append(forecast)
            continue
        try:
            move_run(run_id=forecast.run_id, user=user)
        except NotControllableError:
            # It has gone on, or ended, meanwhile.
            left.append(forecast)
        else:
            moved.append(forecast.run_id)
    return moved, left, more


def undo_move(*, run_id: uuid.UUID, user: User) -> int:
    """Move a run back to the plan that it had before it was last moved; as `move_run`, also if it went on meanwhile."""
    with transaction.atomic():
        run = living_run(run_id, user=user)
        _check_whole(run)
        return _send(run, _moved_from(run), user=user, undoes=True)


def last_move(run: Run) -> InboxItem | None:
    """Return the message that has moved a run to the plan that it has; None where nothing has."""
    taken = run.inbox.filter(kind=MOVE, taken_at__isnull=False).order_by("-id")
    last = next((item for item in taken if item.result == {"done": True}), None)
    return None if last is None or last.payload["to"] != run.plan_id else last


def _moved_from(run: Run) -> str:
    last = last_move(run)
    if last is None:
        raise NotControllableError(_("This run wasn't moved."), fields={"reason": "not_moved"})
    return str(last.payload["plan"])


def at_newest_plan(run: Run, cursor: JSON) -> JSON:
    """Return the cursor of a place moved to the plan that is in force now, for a run that has ended.

    Raises NotControllableError where it doesn't fit, or has that plan.
    """
    was, to = outer_plan(cursor) or run.plan_id, newest_plan(run)
    if was == to:
        raise _refusal_of_same()
    moves = moves_of(was, to)
    if misfits := find_misfits(cursor, moves=moves, find_plan=load_plan):
        raise _refusal_of(misfits)
    return move_cursor(cursor, moves=moves)


def _send(run: Run, to: str, *, user: User, undoes: bool = False) -> int:
    if to == run.plan_id:
        raise _refusal_of_same()
    is_idle = run.root.job.status == JobStatus.WAITING.value and not has_messages(run.pk)
    if is_idle and not (forecast := _forecast(run, to)).fits:
        raise _refusal_of(forecast.misfits)
    payload: Mapping[str, JSON] = {"plan": run.plan_id, "to": to, **({"undoes": True} if undoes else {})}
    return say(run, MOVE, user=user, payload=payload)


def _refusal_of(misfits: Sequence[Misfit]) -> NotControllableError:
    names = [misfit.name for misfit in misfits]
    text = _("This run stands at something that the other plan doesn't have like that: %s.") % ", ".join(names)
    fields: dict[str, Any] = {"reason": "misfit", "names": names}
    return NotControllableError(text, fields={**fields, "misfits": [item.to_json() for item in misfits]})


def _refusal_of_same() -> NotControllableError:
    return NotControllableError(_("This run has that plan already."), fields={"reason": "same_plan"})


def _check_whole(run: Run) -> None:
    """Refuse a child of a fan-out: its plan follows from its parent's, and goes with it."""
    if run.fan_out_id is not None:
        text = _("This run is a part of another one, and can't be moved by itself.")
        raise NotControllableError(text, fields={"reason": "part"})


def _movable() -> QuerySet[Run]:
    rows = Run.objects.filter(fan_out__isnull=True).exclude(status__in=_TERMINAL)
    return rows.select_related("template", "instance")


def _newest_plans() -> Callable[[Run], str]:
    """Return `newest_plan` that asks once for all runs of which it is the same."""
    found: dict[tuple[object, str], str] = {}

    def newest(run: Run) -> str:
        bindings = "" if run.instance is None else json.dumps(run.instance.bindings, sort_keys=True)
        key = (run.template_id, bindings)
        if key not in found:
            found[key] = newest_plan(run)
        return found[key]

    return newest


def _forecasts(runs: Sequence[Run], newest: Callable[[Run], str]) -> list[Forecast]:
    """Return the forecasts of those that have another plan than they would begin with now."""
    targets: dict[uuid.UUID, str] = {}
    forecasts: dict[uuid.UUID, Forecast] = {}
    for run in runs:
        try:
            targets[run.pk] = newest(run)
        except NotControllableError as error:
            code = str(error.fields["reason"])
            if code != _BINDINGS:
                raise
            misfit = Misfit(code, str(run.instance_id), "" if run.template is None else run.template.slug)
            forecasts[run.pk] = Forecast(run_id=run.pk, status=run.status, plan=run.plan_id, to="", misfits=[misfit])
    moving = [run for run in runs if run.pk in targets and targets[run.pk] != run.plan_id]
    cursors = newest_cursors(run.pk for run in moving) if moving else {}
    follows = cache(moves_of)
    for run in moving:
        to = targets[run.pk]
        misfits = find_misfits(cursors.get(run.pk, run.cursor), moves=follows(run.plan_id, to), find_plan=load_plan)
        forecasts[run.pk] = Forecast(run_id=run.pk, status=run.status, plan=run.plan_id, to=to, misfits=misfits)
    return [forecasts[run.pk] for run in runs if run.pk in forecasts]


def _forecast(run: Run, to: str) -> Forecast:
    return _forecasts([run], lambda _run: to)[0]
