"""What operators say to runs that are alive: pause, go on, cancel, edit the data, move to another plan.

All but cancelling goes through the inbox, since nobody but the holder of the lease writes a run's state: here stand
both ends, sending and doing.
"""

import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.data_edit import DataEdit
from processes.domain.json_values import JSON
from processes.domain.moving import find_misfits, follow, move_cursor
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.models import InboxItem, Run
from processes.services import audit
from processes.services.access import User, find_run
from processes.services.background import record_control
from processes.services.derivation import load_plan
from processes.services.errors import NotControllableError
from processes.services.inbox import EDIT, GO_ON, MOVE, PAUSE, append_message, has_messages
from processes.services.stored_data import StoredData
from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.statuses import JobStatus
from tasks.services.cancelling import cancel

__all__ = [
    "PAUSED",
    "cancel_run",
    "edit_run",
    "is_to_stand_still",
    "living_run",
    "moved",
    "moves_of",
    "obey",
    "pause_run",
    "record_heard",
    "say",
    "unpause_run",
]

#: Why a run waits that somebody has paused.
PAUSED: Final = "paused"


def pause_run(*, run_id: uuid.UUID, user: User) -> bool:
    """Let a run stand still from its next action boundary on; False where it is to stand still already.

    What it waits for isn't lost meanwhile: timers and reports take effect when it goes on. Raises TaskNotFound, and
    NotControllableError where the run has ended.
    """
    with transaction.atomic():
        run = living_run(run_id, user=user)
        if is_to_stand_still(run):
            return False
        say(run, PAUSE, user=user, payload={"since": timezone.now().isoformat()})
        record_control(run, "run.paused", audit.actor_of(user))
    return True


def unpause_run(*, run_id: uuid.UUID, user: User) -> None:
    """Let a run go on that was paused; raises TaskNotFound, and NotControllableError where it isn't."""
    with transaction.atomic():
        run = living_run(run_id, user=user)
        if not is_to_stand_still(run):
            raise NotControllableError(_("This run isn't paused."), fields={"reason": "not_paused"})
        say(run, GO_ON, user=user)
        record_control(run, "run.resumed", audit.actor_of(user))


def cancel_run(*, run_id: uuid.UUID, user: User, reason: str = "") -> JobStatus:
    """Cancel a run, and what it has started; return the status that clients see then.

    What waits ends at once; what is at work, or has something to undo first, is asked to. The reason is told as that of
    its end. Asking twice is asking once. Raises TaskNotFound, and NotControllableError where the run has ended, or
    undoes what it did already.
    """
    with transaction.atomic():
        run = living_run(run_id, user=user)
        if run.status == RunStatus.COMPENSATING.value:
            text = _("This run undoes what it has done. That can't be cancelled; it can be paused.")
            raise NotControllableError(text, fields={"reason": "undoing"})
        if run.root.job.cancel_requested_at is None:
            record_control(run, "run.cancelled", audit.actor_of(user))
        return cancel(root_id=run_id, reason=shorten(reason, ERROR_CHARS) or _("cancelled by an operator"))


def edit_run(*, run_id: uuid.UUID, user: User, edit: DataEdit) -> int:
    """Change the data of a run that is alive, at its next action boundary; return the number of the message.

    What became of it stands in that message (`InboxItem.result`): refused where the data aren't as the editor saw them
    by then. Where the run waits, that is asked at once. Raises TaskNotFound, and NotControllableError.
    """
    with transaction.atomic():
        run = living_run(run_id, user=user)
        is_idle = run.root.job.status == JobStatus.WAITING.value and not has_messages(run.pk)
        if is_idle and (changed := edit.conflicts(StoredData.load(run.pk)[1])):
            text = _("The data are not as you saw them: %s.") % ", ".join(changed)
            raise NotControllableError(text, fields={"reason": "changed", "names": changed})
        return say(run, EDIT, user=user, payload={"edit": edit.to_json()})


def obey(item: InboxItem, *, run: Run, data: MutableMapping[str, JSON], paused: JSON) -> tuple[JSON, dict[str, JSON]]:
    """Do what an operator has said, inside the run; return who has paused it now, if it is, and what became of it.

    Only the holder of the run calls this, and stores what comes of it in one transaction with taking the message.
    """
    payload: Mapping[str, Any] = item.payload
    done: dict[str, JSON] = {"done": True}
    if item.kind == PAUSE:
        return {"by": payload["by"]["name"], "since": payload["since"]}, done
    if item.kind == GO_ON:
        return None, done
    edit = DataEdit.from_json(payload["edit"])
    changed = edit.conflicts(data)
    if not changed:
        edit.apply(data)
    return paused, {"refused": "changed", "names": changed} if changed else done


def moved(item: InboxItem, *, run: Run, cursor: JSON) -> tuple[str, JSON, dict[str, JSON]]:
    """Return plan and cursor of a run that is to move, and what became of that; the run's holder asks and stores it."""
    to = str(item.payload["to"])
    if run.plan_id != item.payload["plan"]:
        return run.plan_id, cursor, {"refused": "moved"}
    moves = moves_of(run.plan_id, to)
    misfits = find_misfits(cursor, moves=moves, find_plan=load_plan)
    if misfits:
        return run.plan_id, cursor, {"refused": "misfit", "misfits": [misfit.to_json() for misfit in misfits]}
    return to, move_cursor(cursor, moves=moves), {"done": True}


def moves_of(plan: str, to: str) -> dict[str, str | None]:
    """Return what each plan that a plan leads to becomes with another one, by hash."""
    return follow(load_plan(plan), load_plan(to), find_plan=load_plan)


def record_heard(item: InboxItem, *, run: Run) -> None:
    """Record what became of an edit, or a move, inside the transaction that takes the message."""
    if item.kind not in (EDIT, MOVE):
        return
    payload, actor = item.payload, audit.Actor(**item.payload["by"])
    refused = {"refused": item.result["refused"]} if item.result and "refused" in item.result else {}
    if item.kind == EDIT:
        keys = DataEdit.from_json(payload["edit"]).keys
        record_control(run, "run.edited", actor, details={"keys": list(keys), **refused})
    else:
        told = {name: payload[name] for name in ("plan", "to", "undoes") if name in payload}
        record_control(run, "run.moved", actor, details={**told, **refused})


def living_run(run_id: uuid.UUID, *, user: User) -> Run:
    """Return a run that hasn't ended, its job and itself locked: in this order, as every writer does.

    Raises TaskNotFound, and NotControllableError.
    """
    run = find_run(run_id, user=user, lock=True)
    if run.root.closed or RunStatus(run.status) in RUN_TERMINAL:
        raise NotControllableError(_("This run has ended already."), fields={"reason": "ended"})
    return run


def is_to_stand_still(run: Run) -> bool:
    """Tell whether the last word was to pause, whether or not the run has heard it."""
    said = run.inbox.filter(taken_at__isnull=True, kind__in=(PAUSE, GO_ON)).order_by("-id").first()
    return run.paused is not None if said is None else said.kind == PAUSE


def say(run: Run, kind: str, *, user: User, payload: Mapping[str, JSON] | None = None) -> int:
    """Append what an operator says to a run's inbox, and return the number of the message."""
    actor, key = audit.actor_of(user), f"{kind}:{uuid.uuid4().hex}"
    by: JSON = {"id": actor.id, "name": actor.name}
    append_message(run_id=run.pk, kind=kind, payload={**(payload or {}), "by": by}, dedupe_key=key)
    return run.inbox.values_list("id", flat=True).get(dedupe_key=key)
