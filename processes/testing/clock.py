"""Show a run whatever time a test wants."""

from datetime import UTC, datetime, timedelta

__all__ = ["NOON", "FakeClock"]

#: Where a clock stands if nobody sets it.
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Stand still until it is told to move: `clock.advance(hours=1)`.

    A run asks it for `app.now()`, for `%{now}` and for `now` in conditions. Code that asks Python or Django for the
    time gets the real one.
    """

    def __init__(self, at: datetime = NOON) -> None:
        self.set(at)

    def __call__(self) -> datetime:
        """Give the time that it shows."""
        return self._time

    def __repr__(self) -> str:
        return f"FakeClock({self._time.isoformat()})"

    @property
    def time(self) -> datetime:
        """Give the time that it shows."""
        return self._time

    def set(self, at: datetime) -> None:
        """Show another time, earlier or later; raises ValueError for one without a zone."""
        if at.tzinfo is None:
            raise ValueError(f"A clock shows a time with its zone: {at.isoformat()} has none, give it tzinfo=UTC")
        self._time = at

    def advance(
        self, by: timedelta = timedelta(0), *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move on, and give the new time."""
        self._time += by + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._time
