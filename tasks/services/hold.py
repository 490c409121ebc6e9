"""What a worker process knows of a claim that it holds, and when the work has to stop."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import ClassVar

from django.conf import settings

from tasks.services.claims import Beat, heartbeat, lease_seconds, read_cancel_reason
from tasks.services.interruption import Interruption

__all__ = ["GRACE_SECONDS", "Hold", "StopReason", "grace_seconds"]

#: How long work that was asked to stop may take to do so; the setting STEPLINE_CANCEL_GRACE_SECONDS overrides it.
GRACE_SECONDS = 10.0
#: Share of the lease without a heartbeat after which a claim counts as lost here: before anybody else may have it.
LOST_SHARE = 0.8


class StopReason(Enum):
    """Name why the work has to stop."""

    LOST = "lost"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    #: A part of the work has taken too long, not the whole.
    OVERDUE = "overdue"


def grace_seconds() -> float:
    """Return how long work that was asked to stop may take to do so."""
    return float(getattr(settings, "STEPLINE_CANCEL_GRACE_SECONDS", GRACE_SECONDS))


@dataclass(slots=True, eq=False, kw_only=True)
class Hold:
    """Hold what the heart knows of a claim; the worker reads it, the heart writes it."""

    ends_process: ClassVar[bool] = True

    root_id: uuid.UUID
    fence: int
    lost: bool = False
    cancel_requested: bool = False
    #: In the words of who asked for the end.
    cancel_reason: str = ""
    timed_out: bool = False
    timeout_seconds: float | None = None
    grace_seconds: float = field(default_factory=grace_seconds)
    lease_seconds: float = field(default_factory=lease_seconds)
    interruption: Interruption | None = None
    #: End the claim in the work's place, from the heart's thread.
    force: "Callable[[Hold], bool] | None" = None
    _began_at: float = field(default_factory=monotonic)
    _renewed_at: float = field(default_factory=monotonic)
    _stop_at: float | None = None
    _interrupted_at: float | None = None
    _forced: bool = False
    _changed: threading.Event = field(default_factory=threading.Event)
    _overdue_at: float | None = None
    _overdue: bool = False

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the work has to stop; None where it may go on."""
        if self.lost:
            return StopReason.LOST
        if self.cancel_requested:
            return StopReason.CANCELLED
        if self.timed_out:
            return StopReason.TIMED_OUT
        return StopReason.OVERDUE if self._overdue else None

    def limit(self, seconds: float) -> None:
        """Let what comes next stop after `seconds`, until `go_on`."""
        self._overdue_at = monotonic() + seconds

    def go_on(self, *, after_cancel: bool = False) -> None:
        """Lift the limit of a part of the work, or take back that the work is to stop because it was cancelled."""
        self._overdue_at, self._overdue = None, False
        if after_cancel:
            self.cancel_requested = False
        if self.stop_reason is None:
            self._stop_at = self._interrupted_at = None
            self._changed.clear()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the work has to stop, and tell whether it does."""
        return self._changed.wait(timeout_seconds)

    def beat(self) -> None:
        """Prolong the claim, and learn what has become of it."""
        sent_at = monotonic()
        beat = heartbeat(root_id=self.root_id, fence=self.fence)
        if beat.cancel_requested and not self.cancel_requested:
            self.cancel_reason = read_cancel_reason(self.root_id)
        self.learn(beat)
        self._renewed_at = sent_at

    def learn(self, beat: Beat) -> None:
        """Take what a heartbeat learnt."""
        self.lost = self.lost or not beat.held
        self.cancel_requested = self.cancel_requested or beat.cancel_requested
        self._note_stop()

    def keep(self) -> None:
        """Take notice that nobody could take the claim away, though it couldn't be prolonged."""
        self._renewed_at = monotonic()

    def look(self) -> None:
        """See to it that work which has to stop does stop: ask, interrupt, and at last end it in its place.

        Work that was cancelled has a time of grace in which it may stop by itself. Its own time limit, and the loss of
        its claim, give none: what it does from then on is too late.
        """
        now = monotonic()
        if now - self._renewed_at > self.lease_seconds * LOST_SHARE:
            self.lost = True
        if self.timeout_seconds is not None and now - self._began_at > self.timeout_seconds:
            self.timed_out = True
        if self._overdue_at is not None and now > self._overdue_at:
            self._overdue = True
        self._note_stop()
        interruption = self.interruption
        if self._stop_at is None or interruption is None:
            return
        grace = self.grace_seconds if self.stop_reason is StopReason.CANCELLED else 0.0
        if now - self._stop_at < grace:
            return
        interruption.send()
        if self._interrupted_at is None:
            self._interrupted_at = now
        elif now - self._interrupted_at >= self.grace_seconds and not self._forced and self.force is not None:
            self._forced = self.force(self)

    def next_look_seconds(self) -> float | None:
        """Return in how many seconds a time limit is over; None where there is none, or it is over already."""
        ends = []
        if self.timeout_seconds is not None and not self.timed_out:
            ends.append(self._began_at + self.timeout_seconds)
        overdue_at = self._overdue_at
        if overdue_at is not None and not self._overdue:
            ends.append(overdue_at)
        return max(0.0, min(ends) - monotonic()) if ends else None

    def _note_stop(self) -> None:
        if self._stop_at is None and self.stop_reason is not None:
            self._stop_at = monotonic()
            self._changed.set()
