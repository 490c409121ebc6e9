"""Which updates a follower of a root gets next.

Messages about a log arrive late, doubled, out of order, or not at all. The sequencer of a followed root takes what it
is offered, from messages and from the log alike, keeps only what continues what it has, and knows what it misses. Each
follower has a position in that sequence, and `next_step` says from where the follower is served. So between two
snapshots a follower sees every number once, in order, whatever arrives.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

#: Updates that one step hands out at most.
BATCH_ITEMS = 500
#: A follower that is this many updates behind gets a snapshot instead.
MAX_LAG = 1_000
#: Recent updates kept in memory for all followers of a root together.
RECENT_ITEMS = 512
RECENT_CHARS = 524_288

_TERMINAL_MARKS = ('"type":"taskEnd"', '"type":"taskError"', '"type":"taskAborted"')


class Item(NamedTuple):
    """Hold one message of a feed: an encoded update or snapshot, and the number up to which it tells."""

    seq: int
    text: str


class Sequencer:
    """Keep the recent updates of one root, in order and without gaps, and know which are missing."""

    def __init__(self, *, max_items: int = RECENT_ITEMS, max_chars: int = RECENT_CHARS) -> None:
        #: The newest number in hand; None until `begin`.
        self.last_seq: int | None = None
        #: The newest number heard of.
        self.heard_seq = 0
        self._closed_seq: int | None = None
        self._recent: deque[Item] = deque()
        self._recent_chars = 0
        self._max_items = max_items
        self._max_chars = max_chars

    @property
    def missing(self) -> bool:
        """Tell whether updates are known to exist that aren't in hand."""
        return self.last_seq is not None and self.heard_seq > self.last_seq

    @property
    def closed(self) -> bool:
        """Tell whether the terminal update is in hand, after which none follows."""
        return self._closed_seq is not None and self.last_seq is not None and self.last_seq >= self._closed_seq

    def begin(self, seq: int) -> None:
        """Start after update `seq`, or jump there: what lies between can't be had any more."""
        self.last_seq = seq
        self._recent.clear()
        self._recent_chars = 0
        self.hear(seq)

    def hear(self, seq: int) -> None:
        """Note that update `seq` exists."""
        self.heard_seq = max(self.heard_seq, seq)

    def forget_unheard(self) -> None:
        """Take back that newer updates exist: the log has none."""
        self.heard_seq = self.last_seq or 0

    def close(self, seq: int) -> None:
        """Note that update `seq` is the last one."""
        self._closed_seq = seq
        self.hear(seq)

    def offer(self, *, first: int, bodies: Sequence[str]) -> bool:
        """Take the encoded updates numbered from `first`; return whether something new is in hand.

        What is in hand already is skipped. What doesn't continue it is only heard of.
        """
        last = first + len(bodies) - 1
        self.hear(last)
        if self.last_seq is None or last <= self.last_seq or first > self.last_seq + 1:
            return False
        for body in bodies[self.last_seq + 1 - first :]:
            self._append(body)
        return True

    def after(self, position: int, *, limit: int = BATCH_ITEMS) -> list[Item] | None:
        """Return up to `limit` updates after number `position`, or None where memory doesn't go back that far."""
        if self.last_seq is None or position < self.last_seq - len(self._recent):
            return None
        # Followers are mostly one batch behind: count from the newest end.
        count = self.last_seq - position
        return [self._recent[index] for index in range(-count, min(0, limit - count))] if count > 0 else []

    def _append(self, body: str) -> None:
        assert self.last_seq is not None
        self.last_seq += 1
        self._recent.append(Item(self.last_seq, body))
        self._recent_chars += len(body)
        while len(self._recent) > self._max_items or (self._recent_chars > self._max_chars and len(self._recent) > 1):
            self._recent_chars -= len(self._recent.popleft().text)
        if _is_terminal_text(body):
            self.close(self.last_seq)


class Step(Enum):
    """Name where the next thing that a follower gets comes from."""

    SNAPSHOT = "snapshot"
    #: Recent updates, in memory.
    RECENT = "recent"
    #: Older updates, in the database.
    LOG = "log"
    #: Nothing yet.
    WAIT = "wait"
    #: Nothing any more.
    END = "end"


def next_step(sequencer: Sequencer, *, position: int | None, start: int, max_lag: int = MAX_LAG) -> Step:
    """Return from where a follower at `position` (None: it needs a snapshot) is served next.

    `start` is the number of the newest update when it began to follow: reading up to there is replay, which a client
    has asked for, however long it is; being behind what came later is lag.
    """
    if position is None:
        return Step.SNAPSHOT
    if sequencer.last_seq is None or position >= sequencer.last_seq:
        return Step.END if sequencer.closed else Step.WAIT
    if sequencer.last_seq - max(position, start) > max_lag:
        return Step.SNAPSHOT
    if sequencer.after(position, limit=0) is None:
        return Step.LOG
    return Step.RECENT


def _is_terminal_text(body: str) -> bool:
    # The envelope comes before the node and everything that users write (tasks.domain.updates.encode), so that looking
    # at its beginning is enough, and no body needs to be parsed here.
    return any(mark in body[:64] for mark in _TERMINAL_MARKS)
