"""How long a client tries: backoff between attempts, and when it gives up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.client.errors import ClientError, ConnectionLost
from tasks.client.exchange import Answer, error_of, retry_after_seconds
from tasks.client.flow import Broken
from tasks.domain.retry import RetryPolicy

__all__ = ["Patience"]

#: 0.25, 0.5, 1 … 10 seconds, each shortened by up to a half, so that many clients of one server don't return at once.
BACKOFF = RetryPolicy(delay_seconds=0.25, cap_seconds=10.0, jitter=0.5)
#: Not now: the request was turned away, not carried out.
_TURNED_AWAY = frozenset({429, 503})
#: Somebody on the way, or the site itself, is in trouble; what is repeatable is repeated.
_IN_TROUBLE = frozenset({500, 502, 504})


@dataclass(slots=True, kw_only=True)
class Patience:
    """Say how long to wait before the next attempt, or that there is none."""

    give_up_seconds: float
    site: str = "the site"
    #: Told of each wait: why, and how many seconds.
    on_wait: Callable[[str, float], object] | None = None
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = field(default=random.random)
    #: Attempts in a row that came to nothing.
    attempts: int = 0
    _failing_since: float | None = None

    def connected(self) -> None:
        """Note that the site is there."""
        self._failing_since = None

    def got_on(self) -> None:
        """Note that something has come: the next trouble begins from the start."""
        self.attempts, self._failing_since = 0, None

    def after_break(self, broken: Broken) -> float:
        """Return how long to wait after a broken connection; raises ConnectionLost once that has gone on too long."""
        lost = ConnectionLost(f"{self.site} couldn't be reached for {self.give_up_seconds:g} s: {broken}")
        return self._wait(lost, why=str(broken))

    def after_answer(self, answer: Answer, *, is_repeatable: bool) -> float:
        """Return how long to wait after an answer that puts off; raises what any other one says."""
        if not (answer.status in _TURNED_AWAY or (is_repeatable and answer.status in _IN_TROUBLE)):
            raise error_of(answer)
        error = error_of(answer)
        return self._wait(error, why=error.message, at_least=retry_after_seconds(answer, now=datetime.now(UTC)))

    def _wait(self, error: ClientError, *, why: str, at_least: float = 0.0) -> float:
        now = self.clock()
        if self._failing_since is None:
            self._failing_since = now
        self.attempts += 1
        seconds = max(at_least, BACKOFF.delay_after(self.attempts, draw=self.draw()))
        if now + seconds - self._failing_since > self.give_up_seconds:
            raise error
        if self.on_wait is not None:
            self.on_wait(why, seconds)
        return seconds
