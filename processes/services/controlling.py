"""Taking up runs that have ended: from the action that failed, or from any place where the run has been.

Each opens a new execution (processes.services.executions); what has ended stays as it is. Whoever may not control runs
learns nothing of them: for them there is no such run.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from enum import StrEnum
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.data_edit import DataEdit
from processes.domain.interpreter import Interpreter
from processes.domain.joining import Standing as Joining
from processes.domain.json_values import JSON
from processes.domain.origin import all_spent, begun_with
from processes.domain.rewinding import (
    Foresight,
    Obstacle,
    Place,
    begin_again,
    completes_at,
    foresee,
    newest_place,
    outer_plan,
)
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.models import Checkpoint, FanOut, Run
from processes.services import audit
from processes.services.access import Caller, User, find_run
from processes.services.checkpoints import context_at
from processes.services.derivation import load_plan
from processes.services.errors import NotControllableError
from processes.services.executions import next_execution, open_execution
from processes.services.host import DjangoHost
from processes.services.indicators import spoken
from processes.services.kept_pieces import loop_at, spent_below, unfinished_spent
from processes.services.moving import at_newest_plan, newest_plan
from processes.services.run_store import CONTEXT, new_context, run_columns
from processes.services.stored_data import StoredData
from tasks.errors import IllegalTransition
from tasks.models import TaskRoot
from tasks.registry import Canceller

__all__ = [
    "Known",
    "preview_retry",
    "preview_rewind",
    "repeat_run_as",
    "retry_run",
    "rewind_run",
    "told_obstacle",
    "told_part",
]


class Known(StrEnum):
    """Say what somebody has found out about the action that failed."""

    NOTHING = ""
    #: It did nothing, so that it may run again though it must not be done twice.
    NOT_DONE = "not_done"
    #: It is done, by itself or by hand: the run goes on behind it.
    DONE = "done"


def preview_rewind(*, run_id: uuid.UUID, user: User, ordinal: int) -> Foresight:
    """Tell what taking a run up at the place `ordinal` would do again, and what stands in the way.

    Raises TaskNotFound, and NotControllableError where the run can't be taken up at all, or has no such place.
    """
    run = find_run(run_id, user=user)
    _check_ended(run)
    return _foresee(run, ordinal)


def preview_retry(*, run_id: uuid.UUID, user: User) -> Foresight:
    """Tell the same of the action that failed, or was cut off; raises as `preview_rewind` does."""
    run = find_run(run_id, user=user)
    _check_retry(run)
    return _foresee(run, _failed_at(run).ordinal, retries=True)


def rewind_run(
    *, run_id: uuid.UUID, user: User, ordinal: int, edit: DataEdit | None = None, newest: bool = False
) -> uuid.UUID:
    """Take a run that has ended up at the place `ordinal`, and return the id of the new execution.

    `edit` changes the data that were there; with `newest` it goes on by the plan that is in force now. Raises
    TaskNotFound, and NotControllableError where something stands in the way, or somebody else was faster.
    """
    with transaction.atomic():
        run = find_run(run_id, user=user, lock=True)
        _check_ended(run)
        foresight = _foresee(run, ordinal)
        _refuse(foresight)
        place = _place(run, ordinal)
        if newest:
            place = Place(ordinal, at_newest_plan(run, place.cursor))
        details: dict[str, JSON] = {"ordinal": ordinal, "steps": foresight.steps}
        return _open(run, place, actor=audit.actor_of(user), how="rewind", details=details, edit=edit, newest=newest)


def retry_run(
    *,
    run_id: uuid.UUID,
    user: User,
    known: Known = Known.NOTHING,
    state: str | None = None,
    edit: DataEdit | None = None,
    newest: bool = False,
) -> uuid.UUID:
    """Take a run up at the action that failed, or was cut off, and return the id of the new execution.

    A run whose compensation failed goes on undoing. `known` tells what somebody has found out about that action: one
    that must not run twice runs again if it has done nothing; one that is done is passed over, under `state`. Raises as
    `rewind_run` does.
    """
    with transaction.atomic():
        run = find_run(run_id, user=user, lock=True)
        _check_retry(run)
        place = _failed_at(run)
        passes = None if known is Known.NOTHING else place.ordinal + 1
        _refuse(_foresee(run, place.ordinal, passes=passes, retries=True))
        if newest:
            place = Place(place.ordinal, at_newest_plan(run, place.cursor))
        details: dict[str, JSON] = {"ordinal": place.ordinal}
        if known is not Known.NOTHING:
            details["known"] = known.value
        if known is Known.DONE:
            details["state"] = state
        return _open(
            run,
            place,
            actor=audit.actor_of(user),
            how="retry",
            details=details,
            edit=edit,
            newest=newest,
            completes=known is Known.DONE,
            state=state,
        )


def repeat_run_as(run_id: uuid.UUID, new_id: uuid.UUID, by: Canceller | None) -> None:
    """Retry a run whose job is being replayed, as the new job: whoever may replay jobs may do that.

    Raises IllegalTransition, which says what stands in the way.
    """
    rows = Run.objects.select_related("root", "template", "instance", "user").select_for_update(of=("self",))
    run = rows.get(pk=run_id)
    actor = audit.actor_of_id(None if by is None else by.user_id)
    try:
        _check_retry(run)
        place = _failed_at(run)
        _refuse(_foresee(run, place.ordinal, retries=True))
        root = TaskRoot.objects.get(pk=new_id)
        _open(run, place, actor=actor, how="replay", details={"ordinal": place.ordinal}, root=root)
    except NotControllableError as error:
        raise IllegalTransition(error.message, **error.fields) from error


def _check_ended(run: Run) -> None:
    if run.fan_out is not None:
        parent = str(run.fan_out.run_id)
        raise NotControllableError(told_part(), fields={"reason": "part", "parent": parent})
    following = next_execution(run)
    if following is not None:
        raise NotControllableError(
            _("This run was taken up again already."), fields={"reason": "taken_up", "next": str(following)}
        )
    if not run.root.closed or RunStatus(run.status) not in RUN_TERMINAL:
        raise _refusal("alive", _("This is still at work. Cancel it first, or wait until it has ended."))


def _check_retry(run: Run) -> None:
    _check_ended(run)
    if run.status == RunStatus.COMPLETED.value:
        raise _refusal("completed", _("This has ended well: there is nothing to retry."))
    if run.status == RunStatus.COMPENSATED.value:
        text = _("What this has done was undone. Rewind it to a place before that, or start again.")
        raise _refusal("compensated", text)


def _foresee(run: Run, ordinal: int, *, passes: int | None = None, retries: bool = False) -> Foresight:
    """Return what taking up does again; somebody answers for the step `passes`, if it must not run twice."""
    spent = None if run.origin is None else _all_spent(run, ordinal, retries=retries)
    if passes is not None:
        spent = {step: action for step, action in (spent or {}).items() if step != passes}
    places = _places(Checkpoint.objects.filter(run_id=run.pk, ordinal__gte=ordinal).order_by("ordinal"))
    first = next(places, None)
    if first is None or first.ordinal != ordinal:
        return Foresight(ordinal=ordinal, obstacle=Obstacle.NO_PLACE)
    return foresee(chain((first,), places), spent=spent, find_plan=load_plan, retries=retries)


def _all_spent(run: Run, ordinal: int, *, retries: bool) -> dict[int, str]:
    """Return what must not be done again behind a place, by step, what its child runs have done included."""
    assert run.origin is not None
    below = spent_below(run, after=ordinal)
    if (loop := _taken_up(run, ordinal, retries=retries)) is not None:
        # What is done of it is kept; what isn't begins anew.
        below[loop.ordinal] = unfinished_spent(loop)
    spent = all_spent(run.origin) | {step: names[0] for step, names in below.items() if names}
    return {step: name for step, name in spent.items() if below.get(step, True)}


def _taken_up(run: Run, ordinal: int, *, retries: bool) -> FanOut | None:
    """Return what the action at a place has spread, where a new execution goes on with it.

    What has come together is begun anew by whoever goes back to it.
    """
    loop = loop_at(run, ordinal + 1)
    return loop if loop is not None and (retries or loop.standing != Joining.JOINED) else None


def _places(rows: QuerySet[Checkpoint]) -> Iterator[Place]:
    for ordinal, cursor in rows.values_list("ordinal", "cursor").iterator(chunk_size=200):
        yield Place(ordinal, cursor)


def _place(run: Run, ordinal: int) -> Place:
    return Place(ordinal, Checkpoint.objects.values_list("cursor", flat=True).get(run_id=run.pk, ordinal=ordinal))


def _failed_at(run: Run) -> Place:
    found = newest_place(_places(Checkpoint.objects.filter(run_id=run.pk).order_by("-ordinal")))
    if found is None:
        raise _refusal("no_place", _("Nothing is known of where this run has been. Please start again."))
    return found


def _open(
    run: Run,
    place: Place,
    *,
    actor: audit.Actor,
    how: str,
    details: Mapping[str, JSON],
    edit: DataEdit | None = None,
    root: TaskRoot | None = None,
    newest: bool = False,
    completes: bool = False,
    state: str | None = None,
) -> uuid.UUID:
    plan_id = newest_plan(run) if newest else outer_plan(place.cursor) or run.plan_id
    loop = None if completes else _taken_up(run, place.ordinal, retries=how != "rewind")
    stored, data = StoredData.load(run.pk, until=place.ordinal)
    if edit is not None:
        if changed := edit.conflicts(data):
            raise _refusal("changed", _("The data are not as you saw them: %s.") % ", ".join(changed), names=changed)
        edit.apply(data)
        details = {**details, "edited": list(edit.keys)}
    columns: dict[str, Any] = {"attributes": {}, "request": None, "response": None}
    columns |= context_at(run.pk, ordinal=place.ordinal)
    columns["cursor"] = begin_again(place.cursor, now=timezone.now(), find_plan=load_plan)
    earlier = {} if run.origin is None else all_spent(run.origin)
    until = place.ordinal + (1 if completes else 0)
    if completes:
        columns |= _completed(run, columns, plan_id=plan_id, data=data, state=state)
    origin = begun_with(
        columns,
        ordinal=place.ordinal,
        earlier={step: name for step, name in earlier.items() if step <= until},
        keeps=None if loop is None else loop.ordinal,
    )
    new = open_execution(
        run,
        origin=origin,
        plan_id=plan_id,
        actor=actor,
        how=how,
        details=details,
        changed=stored.changes(data),
        root=root,
    )
    return new.root_id


def _completed(
    run: Run, columns: Mapping[str, Any], *, plan_id: str, data: dict[str, JSON], state: str | None
) -> dict[str, Any]:
    """Return cursor and context behind the action that the run is at; no script runs for that."""
    stood = copy(run)
    for name in CONTEXT:
        setattr(stood, name, columns[name])
    app = new_context(stood, data)
    caller = Caller(
        user_id=run.user_id, session_key=run.session_key, template_id=run.template_id, instance_id=run.instance_id
    )
    host = DjangoHost(caller=caller, plan=load_plan(plan_id), durable=True, execution=str(run.pk))
    interpreter = Interpreter.restore(completes_at(columns["cursor"], reason="operator"), app=app, host=host)
    interpreter.resume(state)
    behind = run_columns(app, interpreter)
    return {name: behind[name] for name in ("cursor", *CONTEXT)}


def _refuse(foresight: Foresight) -> None:
    if foresight.obstacle is not None:
        raise _refusal(foresight.obstacle.value, told_obstacle(foresight), names=foresight.names)


def told_part() -> str:
    """Return why a child run isn't taken up by itself, in the reader's language."""
    return _("This is a part of another run, which goes on without it or has ended. Take up that one.")


def told_obstacle(foresight: Foresight) -> str:
    """Return why a run can't be taken up, in the reader's language; empty where nothing stands in the way."""
    steps = ", ".join(f"“{spoken(name)}”" for name in foresight.names)
    texts = {
        Obstacle.NO_PLACE: _("This run has no action to run there. Choose another place."),
        Obstacle.CALLBACKS: _(
            "What the run waits for there has ended with it: the callbacks of %s. Rewind it to a place before that."
        ),
        Obstacle.UNDONE: _("What had been done by then was undone since: %s. Rewind it to a place before that."),
        Obstacle.ONCE: _("This must not be done twice, and it was done, or nobody knows whether it was: %s."),
    }
    if foresight.obstacle is None:
        return ""
    text = texts[foresight.obstacle]
    return text % steps if "%s" in text else text


def _refusal(reason: str, text: str, *, names: Sequence[str] = ()) -> NotControllableError:
    return NotControllableError(text, fields={"reason": reason, **({"names": list(names)} if names else {})})
