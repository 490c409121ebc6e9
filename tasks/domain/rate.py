"""How often something may begin: the generic cell rate algorithm.

One moment is all that is stored, the theoretical arrival time: when the next one would come if all came evenly. Who
comes up to a whole burst earlier than that is let in, and moves it on by one interval; who comes earlier still is told
from when on they may. (ITU-T I.371, annex A, in its virtual scheduling form.)
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_WRITTEN = re.compile(r"\s*(?P<count>\d+)\s*/\s*(?P<factor>\d*)\s*(?P<unit>[smhd])\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Allow `count` beginnings in `seconds`, as many as that at once after a quiet time."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rate that is written as `10/s`, `100/m`, `5/10m`, `1000/h` or `3/d`; raises ValueError."""
        found = _WRITTEN.fullmatch(text)
        if found is None or not int(found["count"]) or found["factor"] == "0":
            raise ValueError(f'{text!r} is no rate: write a number per s, m, h or d, such as "10/m" or "5/10m".')
        return cls(count=int(found["count"]), seconds=float(found["factor"] or 1) * _UNITS[found["unit"]])

    @property
    def interval(self) -> timedelta:
        """The time between two beginnings that come evenly."""
        return timedelta(seconds=self.seconds / self.count)

    def admit(self, *, now: datetime, free_at: datetime | None) -> tuple[bool, datetime]:
        """Say whether one may begin now, with the new theoretical arrival time; else from when on one may.

        `free_at` is the arrival time as it was stored, None where nothing has come yet.
        """
        arrival = now if free_at is None else max(free_at, now)
        earliest = arrival - (timedelta(seconds=self.seconds) - self.interval)
        if earliest > now:
            return False, earliest
        return True, arrival + self.interval
