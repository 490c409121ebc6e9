"""What the throughput of jobs is measured over: the peer's results, and PostgreSQL's tables when they are full."""

import sqlite3
from contextlib import closing
from typing import LiteralString

import psycopg
from psycopg import sql

_COUNT_RESULTS = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
_SQLITE_SCHEME = "sqlite:///"


def count_results(url: str) -> int:
    """Return how many results a peer's workers have stored."""
    if url.startswith(_SQLITE_SCHEME):
        with closing(sqlite3.connect(url.removeprefix(_SQLITE_SCHEME), timeout=20)) as connection:
            return int(connection.execute(_COUNT_RESULTS).fetchone()[0])
    with psycopg.connect(url) as server:
        return _number(server, _COUNT_RESULTS)


def leave_alone(url: str) -> None:
    """Keep autovacuum, which analyses too, away from all tables: what the planner knows is what the benchmark says."""
    with psycopg.connect(url) as server:
        for table in _tables(server):
            server.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = false)").format(sql.Identifier(table)))


def check_unknown_to_planner(url: str) -> None:
    """Make sure that no table has been analysed."""
    with psycopg.connect(url) as server:
        analysed = _number(server, "SELECT count(*) FROM pg_statistic JOIN pg_stat_user_tables ON starelid = relid")
    assert not analysed, f"the planner has statistics of {analysed} columns"


def analyze(url: str) -> None:
    """Tell the planner of everything that is there."""
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("VACUUM (ANALYZE)")


def add_old_jobs(url: str, *, number: int) -> None:
    """Add jobs that ended well, with their logs: copies of those that are there."""
    with psycopg.connect(url) as server:
        _draw(server, "SELECT root_id::text FROM tasks_job WHERE status = 'completed'", number=number)
        copied = [_copy(server, "tasks_taskroot", key="id"), _copy(server, "tasks_job", key="root_id")]
        assert copied == [number, number], copied
        _copy(server, "tasks_update", key="root_id")


def add_old_results(url: str, *, number: int) -> None:
    """Add results to the peer's: copies of those that are there."""
    with psycopg.connect(url) as server:
        _draw(server, "SELECT task_id FROM django_celery_results_taskresult WHERE status = 'SUCCESS'", number=number)
        copied = _copy(server, "django_celery_results_taskresult", key="task_id", serial="id")
        assert copied == number, copied


def _draw(server: psycopg.Connection, sources: LiteralString, *, number: int) -> None:
    """Note `number` new keys, and of which row each is to be a copy."""
    statement = sql.SQL(
        "CREATE TEMPORARY TABLE copies AS SELECT source, gen_random_uuid()::text AS key"
        " FROM ({}) AS sources(source) CROSS JOIN generate_series(1, {}) LIMIT {}"
    )
    server.execute(statement.format(sql.SQL(sources), sql.Literal(number), sql.Literal(number)))


def _copy(server: psycopg.Connection, table: str, *, key: str, serial: str | None = None) -> int:
    """Copy the rows of the noted sources, whatever columns they have, under the new keys; return how many came."""
    numbered = sql.SQL(
        "INSERT INTO {table} SELECT copy.* FROM"
        " (SELECT source, jsonb_build_object({key_name}, key{serial}) AS changes FROM copies) AS copies"
        " JOIN {table} AS original ON original.{key}::text = source,"
        " LATERAL jsonb_populate_record(original, changes) AS copy"
    )
    number = sql.SQL("")
    if serial is not None:
        next_number = sql.SQL(", {}, nextval(pg_get_serial_sequence({}, {}))")
        number = next_number.format(sql.Literal(serial), sql.Literal(table), sql.Literal(serial))
    return server.execute(
        numbered.format(table=sql.Identifier(table), key=sql.Identifier(key), key_name=sql.Literal(key), serial=number)
    ).rowcount


def _tables(server: psycopg.Connection) -> list[str]:
    rows = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return [str(row[0]) for row in rows]


def _number(server: psycopg.Connection, statement: LiteralString) -> int:
    row = server.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
