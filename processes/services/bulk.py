"""What operators do with many runs at once: each by itself, so that one that can't be dealt with leaves the others."""

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import OperationalError
from django.utils.translation import gettext as _

from processes.domain.run_status import RUN_TERMINAL
from processes.models import Run
from processes.services.access import User, may_control
from processes.services.errors import NotControllableError
from processes.services.moving import move_run, undo_move
from processes.services.operators import cancel_run, pause_run, unpause_run
from tasks.errors import TaskNotFound

__all__ = [
    "MOST_AT_ONCE",
    "Left",
    "Outcome",
    "cancel_runs",
    "move_named_runs",
    "pause_runs",
    "undo_moves",
    "unpause_runs",
]

logger = logging.getLogger(__name__)

#: Runs that one request deals with: its answer must not be long in coming.
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Say of a run why it was left as it is: a stable reason (docs/control.md), and a text for whoever asked."""

    run_id: uuid.UUID
    reason: str
    text: str


@dataclass(slots=True)
class Outcome:
    """Hold what came of it, in the order in which the runs were named."""

    done: list[uuid.UUID] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def pause_runs(*, run_ids: Iterable[uuid.UUID], user: User) -> Outcome:
    """Pause runs; those that are to stand still already are left."""

    def pause(run_id: uuid.UUID) -> None:
        if not pause_run(run_id=run_id, user=user):
            raise NotControllableError(_("This run is paused already."), fields={"reason": "paused"})

    return _each(run_ids, pause, user=user)


def unpause_runs(*, run_ids: Iterable[uuid.UUID], user: User) -> Outcome:
    """Let runs go on that were paused."""
    return _each(run_ids, lambda run_id: unpause_run(run_id=run_id, user=user), user=user)


def cancel_runs(*, run_ids: Iterable[uuid.UUID], user: User) -> Outcome:
    """Cancel runs, and what they have started."""
    return _each(run_ids, lambda run_id: cancel_run(run_id=run_id, user=user), user=user)


def move_named_runs(*, run_ids: Iterable[uuid.UUID], user: User) -> Outcome:
    """Move runs to the plan that is in force now, where they fit."""
    return _each(run_ids, lambda run_id: move_run(run_id=run_id, user=user), user=user)


def undo_moves(*, run_ids: Iterable[uuid.UUID], user: User) -> Outcome:
    """Move runs back to the plan that they had before they were last moved, where they fit it."""
    return _each(run_ids, lambda run_id: undo_move(run_id=run_id, user=user), user=user)


def _each(run_ids: Iterable[uuid.UUID], deed: Callable[[uuid.UUID], object], *, user: User) -> Outcome:
    """Do it to each, in a transaction of its own; one query finds those that aren't there or have ended."""
    chosen = list(dict.fromkeys(run_ids))
    outcome = Outcome()
    statuses = _statuses(chosen, user=user)
    for run_id in chosen:
        status = statuses.get(run_id)
        if status is None:
            outcome.left.append(_left(run_id, "missing", _("There is no such run any more.")))
        elif status in RUN_TERMINAL:
            outcome.left.append(_left(run_id, "ended", _("This run has ended already.")))
        else:
            _one(run_id, deed, outcome)
    return outcome


def _one(run_id: uuid.UUID, deed: Callable[[uuid.UUID], object], outcome: Outcome) -> None:
    try:
        deed(run_id)
    except NotControllableError as error:
        outcome.left.append(_left(run_id, str(error.fields.get("reason", error.code)), error.message))
    except TaskNotFound as error:
        outcome.left.append(_left(run_id, "missing", error.message))
    except OperationalError:
        # Of the database, and so of all that follow.
        raise
    except Exception:
        logger.exception("Something went wrong with run %s, which an operator chose with others.", run_id)
        outcome.left.append(_left(run_id, "error", _("Something went wrong; the site's log says what.")))
    else:
        outcome.done.append(run_id)


def _statuses(run_ids: Sequence[uuid.UUID], *, user: User) -> dict[uuid.UUID, str]:
    if not may_control(user):
        return {}
    return dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "status"))


def _left(run_id: uuid.UUID, reason: str, text: str) -> Left:
    return Left(run_id=run_id, reason=reason, text=text)
