"""The times that a run's actions have been told: kept with the checkpoint, so that a saved run goes at them again."""

import uuid
from datetime import datetime

from processes.models import ClockReading
from tasks.domain.along import Insertion, Rows
from tasks.services import along_sql, sql
from tasks.services.cursors import fixed_cursor

__all__ = ["ClockReadings", "read_clock_readings"]

#: More of one step aren't kept: a script that looks at the clock in a loop compares times, it doesn't store them.
MOST_READINGS = 20

_READINGS = Insertion(ClockReading._meta.db_table, ("run_id", "ordinal", "moments"), ("uuid", "int", "jsonb"))


class ClockReadings:
    """Hold what was read of the clock since the last checkpoint."""

    def __init__(self, run_id: uuid.UUID) -> None:
        self._run_id = run_id
        self._read: dict[int, list[str]] = {}

    def note(self, ordinal: int, moment: datetime) -> None:
        """Keep a moment that the action with this ordinal was told."""
        moments = self._read.setdefault(ordinal, [])
        if len(moments) < MOST_READINGS:
            moments.append(moment.isoformat())

    def along(self) -> list[Rows]:
        """Return them as rows that are written along with a checkpoint."""
        if not self._read:
            return []
        values: list[sql.Value] = []
        for ordinal, moments in self._read.items():
            values += (sql.uuid_value(self._run_id), ordinal, sql.json_value(list(moments)))
        return [Rows(_READINGS, values)]

    def write(self) -> None:
        """Write them, inside the transaction of a checkpoint."""
        if rows := self.along():
            with fixed_cursor() as cursor:
                along_sql.write(cursor, rows)

    def clear(self) -> None:
        """Forget what is committed, or what was read by an action that is put back."""
        self._read = {}


def read_clock_readings(run_id: uuid.UUID) -> dict[int, list[str]]:
    """Return the moments that each step of a run was told, by ordinal, those of all its tries."""
    found: dict[int, list[str]] = {}
    rows = ClockReading.objects.filter(run_id=run_id).order_by("id").values_list("ordinal", "moments")
    for ordinal, moments in rows:
        found.setdefault(ordinal, []).extend(moments)
    return found
