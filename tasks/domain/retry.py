"""When a failed attempt is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Self, get_args

from tasks.domain.jsonvalue import JSON

Backoff = Literal["fixed", "linear", "exponential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Say how many attempts a job has and how long it waits between them."""

    attempts: int = 1
    backoff: Backoff = "exponential"
    #: Wait after the first failed attempt.
    delay_seconds: float = 1.0
    #: Longest wait.
    cap_seconds: float = 300.0
    #: Share of the wait that is drawn at random, 0 to 1, so that failures of one cause don't return all at once.
    jitter: float = 0.1

    def check(self) -> None:
        """Raise ValueError, which names what is wrong, for a policy that nobody can mean."""
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts!r}: the first try counts, so it is a whole number from 1.")
        if self.backoff not in get_args(Backoff):
            raise ValueError(f"backoff is {self.backoff!r}: it is one of {', '.join(get_args(Backoff))}.")
        for name, value in (("delay_seconds", self.delay_seconds), ("cap_seconds", self.cap_seconds)):
            if not is_number(value) or value < 0:
                raise ValueError(f"{name} is {value!r}: it is a number of seconds, 0 or more.")
        if not is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is {self.jitter!r}: it is the share of the wait that is drawn, 0 to 1.")

    def delay_after(self, attempt: int, *, draw: float = 0.0) -> float:
        """Return the seconds to wait after failed attempt number `attempt` (from 1); `draw` is a number from 0 to 1.

        fixed: delay; linear: delay × attempt; exponential: delay × 2^(attempt − 1); then the cap, then the jitter,
        which only shortens the wait, so the cap holds.
        """
        if self.backoff == "fixed":
            wait = self.delay_seconds
        elif self.backoff == "linear":
            wait = self.delay_seconds * attempt
        else:
            # The exponent is bounded because 2.0 ** 1024 overflows long after any cap was reached.
            wait = self.delay_seconds * 2.0 ** min(attempt - 1, 60)
        wait = min(wait, self.cap_seconds)
        return wait * (1.0 - self.jitter * draw)

    def to_json(self) -> dict[str, JSON]:
        """Return the policy as a JSON object."""
        return {
            "attempts": self.attempts,
            "backoff": self.backoff,
            "delay_seconds": self.delay_seconds,
            "cap_seconds": self.cap_seconds,
            "jitter": self.jitter,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> Self:
        """Return the policy that `to_json` wrote; absent keys take their defaults."""
        known = {key: value[key] for key in cls.__slots__ if key in value}
        return cls(**known)  # type: ignore[arg-type]


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number, as a count of seconds is."""
    return isinstance(value, int | float) and isfinite(value)
