"""Many runs that wait, as copies of one that does."""

import uuid

from django.db import connection

from benchmarks.databases import uses_sqlite

#: The tables of a run, each with the column that names it; of a node, the key is new too.
_TABLES = {
    "tasks_taskroot": "id",
    "tasks_job": "root_id",
    "tasks_node": "root_id",
    "tasks_update": "root_id",
    "processes_run": "root_id",
    "processes_runvalue": "run_id",
    "processes_checkpoint": "run_id",
}
_OWN_KEYS = {"tasks_node": "id"}


def add_waiting(run_id: uuid.UUID, *, number: int) -> int:
    """Copy a run so many times, with its job, tree, log, data and checkpoints; return how many rows that are."""
    key = "lower(hex(randomblob(16)))" if uses_sqlite() else "gen_random_uuid()"
    original = run_id.hex if uses_sqlite() else str(run_id)
    rows = 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE copies AS WITH RECURSIVE numbers(n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number}) SELECT {key} AS key FROM numbers"
        )
        for table, column in _TABLES.items():
            cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")
            names = [described[0] for described in cursor.description]
            own = _OWN_KEYS.get(table)
            values = ", ".join(
                "copies.key" if name == column else key if name == own else f'original."{name}"' for name in names
            )
            quoted = ", ".join(f'"{name}"' for name in names)
            cursor.execute(
                f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} AS original CROSS JOIN copies"
                f" WHERE original.{column} = %s",
                [original],
            )
            rows += cursor.rowcount
        cursor.execute("DROP TABLE copies")
    return rows
