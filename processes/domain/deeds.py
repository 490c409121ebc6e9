"""Decide what an operator can do with a run as it stands.

| deed | possible |
| --- | --- |
| `pause`, `unpause` | it is alive, and is to move; is to stand still |
| `cancel` | it is alive, undoes nothing, and nobody has asked for its end yet |
| `edit` | it is alive |
| `move` | it is alive, and would begin with another plan now |
| `undo` | it is alive, and at the plan that it was moved to last |
| `retry` | it has ended badly, and wasn't taken up |
| `rewind` | it has ended, and wasn't taken up |
| `test` | it has completed, failed or undone what it did |
| `export` | always |

What is a part of another run (a child of a fan-out) isn't moved, taken up or made a test by itself. Whether there is a
place to go back to, and what would be done twice, the deed itself tells.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from processes.domain.run_status import RUN_TERMINAL, RunStatus

__all__ = ["Deed", "RunStand", "possible_deeds"]


class Deed(StrEnum):
    """Name what operators do with a run, in the order in which it is offered."""

    PAUSE = "pause"
    UNPAUSE = "unpause"
    RETRY = "retry"
    REWIND = "rewind"
    EDIT = "edit"
    MOVE = "move"
    UNDO = "undo"
    EXPORT = "export"
    TEST = "test"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStand:
    """Hold what is known of a run."""

    status: RunStatus
    #: Its tree has ended, too.
    closed: bool = False
    #: The last word was to pause, whether or not it has heard that.
    is_to_stand_still: bool = False
    is_cancelling: bool = False
    is_part: bool = False
    #: Another execution goes on for it.
    is_taken_up: bool = False
    has_newer_plan: bool = False
    was_moved: bool = False


_BADLY: Final = frozenset({RunStatus.FAILED, RunStatus.CANCELLED})
_TESTABLE: Final = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.COMPENSATED})


def possible_deeds(stand: RunStand) -> list[Deed]:
    """Give the deeds that are possible, in the order of `Deed`."""
    has_ended = stand.closed and stand.status in RUN_TERMINAL
    alive = not stand.closed and stand.status not in RUN_TERMINAL
    again = has_ended and not stand.is_taken_up and not stand.is_part
    can = {
        Deed.PAUSE: alive and not stand.is_to_stand_still,
        Deed.UNPAUSE: alive and stand.is_to_stand_still,
        Deed.RETRY: again and stand.status in _BADLY,
        Deed.REWIND: again,
        Deed.EDIT: alive,
        Deed.MOVE: alive and stand.has_newer_plan and not stand.is_part,
        Deed.UNDO: alive and stand.was_moved and not stand.is_part,
        Deed.EXPORT: True,
        Deed.TEST: has_ended and stand.status in _TESTABLE and not stand.is_part,
        Deed.CANCEL: alive and not stand.is_cancelling and stand.status is not RunStatus.COMPENSATING,
    }
    return [deed for deed in Deed if can[deed]]
