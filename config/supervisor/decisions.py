"""What the supervisor decides, without doing it."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

#: A service that ran this long is healthy: its next failure counts as its first.
HEALTHY_AFTER_SECONDS = 60.0


class Ordered(Protocol):
    """The part of a service that decides about its place."""

    @property
    def gate(self) -> bool:
        """Whether those behind it start only when it is ready."""


ServiceT = TypeVar("ServiceT", bound=Ordered)


def start_stages(services: Sequence[ServiceT]) -> list[list[ServiceT]]:
    """Split services into stages; all of one stage start, in order, and must be ready before the next stage starts.

    A stage ends with each gate. Services between two gates come up side by side, which halves the time to be ready.
    """
    stages: list[list[ServiceT]] = [[]]
    for service in services:
        stages[-1].append(service)
        if service.gate:
            stages.append([])
    return [stage for stage in stages if stage]


def failures_after_exit(*, failures_before: int, uptime_seconds: float) -> int:
    """Count failures in a row: one more, or the first again after a healthy time."""
    return 1 if uptime_seconds >= HEALTHY_AFTER_SECONDS else failures_before + 1


def restart_delay_seconds(failures: int) -> float:
    """Return how long to wait before the restart: doubled with each failure in a row, up to the longest."""
    # The exponent is bounded too: 2 ** 5000 is no float.
    return min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16))


def describe_exit(return_code: int, signal_names: dict[int, str]) -> str:
    """Say how a process ended; a negative code is the number of the signal that killed it."""
    if return_code >= 0:
        return f"exit code {return_code}"
    return f"killed by {signal_names.get(-return_code, f'signal {-return_code}')}"
