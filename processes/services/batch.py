"""The items that a child run works off, one after the other."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.models import FanOutItem, Run
from processes.services.kept_pieces import SPENT
from processes.services.pieces import Result, StoredPiece, count_failed, next_pending, read_pieces
from tasks.domain.jsonvalue import storable

__all__ = ["INDEX", "Batch"]

#: The key of a child's data that holds the number of its item, from 0.
INDEX: Final = "index"
#: So many items are read at once, fewer where they are longer than so many characters together.
_AT_ONCE: Final = 128
_CHARS_AT_ONCE: Final = 128 * 1024


class Batch:
    """Know which item a child run is at, and what has come of those that no checkpoint has stored yet."""

    def __init__(self, run: Run) -> None:
        assert run.fan_out is not None
        self._run, self.fan_out = run, run.fan_out
        #: The present item; None once the run works off no more.
        self.index = next_pending(run)
        self.results: list[Result] = []
        self._failures = self._count_failures()
        self._is_cancelled = False
        self.target: Mapping[str, JSON] = {}
        self.name = ""
        self._read: deque[StoredPiece] = deque()
        self._reads = 1

    @property
    def holds_many(self) -> bool:
        """Tell whether there is more than one item."""
        return self._run.first_index != self._run.last_index

    @property
    def authority(self) -> JSON:
        """Give what the items run under."""
        return self.fan_out.authority

    @property
    def done(self) -> int:
        """Give how many items have ended."""
        first, last = self._run.first_index or 0, self._run.last_index or 0
        return (last + 1 if self.index is None else self.index) - first

    @property
    def size(self) -> int:
        """Give how many items there are."""
        return (self._run.last_index or 0) - (self._run.first_index or 0) + 1

    def begin(self) -> dict[str, JSON]:
        """Take up the present item, and return the data that it begins with."""
        assert self.index is not None
        piece = self._next_piece(self.index)
        self.target, self.name = piece.target, piece.name
        data: dict[str, JSON] = copy_json(self.fan_out.input)
        if self.fan_out.item_key:
            data[self.fan_out.item_key] = json.loads(piece.item) if piece.item else None
            data[INDEX] = self.index
        return data

    def _next_piece(self, index: int) -> StoredPiece:
        """Return the piece at `index`, the one after that which was returned before.

        Pieces are read ahead, the more of them the shorter they are: neither is there a query for each, nor do long
        ones fill the memory.
        """
        if not self._read:
            last = min(index + self._reads - 1, self._run.last_index or 0)
            self._read.extend(read_pieces(self.fan_out.pk, first=index, last=last))
            average = max(1, sum(len(piece.item) for piece in self._read) // len(self._read))
            self._reads = max(1, min(4 * self._reads, _AT_ONCE, _CHARS_AT_ONCE // average))
        return self._read.popleft()

    def end(
        self, outcome: Finished | Failed, app: Application, *, spent: Sequence[str] = (), cancelled: bool = False
    ) -> bool:
        """Note what has come of the present item, and go on to the next; False where the run ends with this one.

        `spent` names what must not be done twice; `cancelled` says that nobody wants the rest.
        """
        assert self.index is not None
        status = FanOutItem.Status.COMPLETED if isinstance(outcome, Finished) else FanOutItem.Status.FAILED
        result = self._result(outcome, app)
        if spent:
            result[SPENT] = list(spent)
        self.results.append(Result(index=self.index, status=status, result=result))
        self._failures += isinstance(outcome, Failed)
        self._is_cancelled = cancelled
        is_last = self.index >= (self._run.last_index or 0)
        # What is asked once more must not take the next item for one that has ended like this one.
        self.index = None if is_last or cancelled or self._fails else self.index + 1
        return self.index is not None

    def _count_failures(self) -> int:
        """Count the items that have failed in earlier claims, where it matters how many there are."""
        first = self._run.first_index or 0
        if not self.fan_out.failures_allowed or self.index in (None, first):
            return 0
        return count_failed(self.fan_out.pk, first=first, last=self._run.last_index or 0)

    @property
    def _fails(self) -> bool:
        allowed = self.fan_out.failures_allowed
        return allowed is not None and self._failures > allowed

    @property
    def tolerates(self) -> bool:
        """Tell whether the run has completed though its last item has failed."""
        return self.fan_out.item_key != "" and not self._fails and not self._is_cancelled

    def take_results(self) -> list[Result]:
        """Give, once, what is to be stored."""
        results, self.results = self.results, []
        return results

    def _result(self, outcome: Finished | Failed, app: Application) -> dict[str, JSON]:
        if isinstance(outcome, Failed):
            return {"error": storable(outcome.error.to_json())}
        result: dict[str, JSON] = {}
        if outcome.state is not None:
            result["state"] = outcome.state
        if outcome.value is not None and not json_problems(outcome.value, limit=1):
            result["value"] = outcome.value
        if self.fan_out.collect:
            result["data"] = {key: app.data[key] for key in self.fan_out.collect if key in app.data}
        return result
