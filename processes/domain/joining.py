"""Decide how work that runs side by side stands: whether it goes on, has come together, or can't any more.

`needed` of `total` pieces must complete; `failures_allowed` may fail (None: any number that leaves enough). What
happens to the pieces that aren't needed any more is not decided here.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Join", "Standing"]


class Standing(StrEnum):
    """Name how pieces of work stand together."""

    RUNNING = "running"
    JOINED = "joined"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Say what is asked of `total` pieces of work.

    Where all are needed, those that are allowed to fail count as if they had completed once they have ended.
    """

    total: int
    needed: int
    failures_allowed: int | None = 0

    def standing(self, *, completed: int, failed: int) -> Standing:
        """Return how it stands; once it is joined or failed, later ends don't change that."""
        if self.failures_allowed is not None and failed > self.failures_allowed:
            return Standing.FAILED
        wants_all = self.needed >= self.total
        if completed >= self.needed or (wants_all and completed + failed >= self.total):
            return Standing.JOINED
        if not wants_all and self.total - failed < self.needed:
            return Standing.FAILED
        return Standing.RUNNING
