"""What each benchmark runs in: a data folder of its own, and a database of its own."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.peers_environment import VARIABLE as PEERS_VARIABLE

POSTGRES_VARIABLE = "STEPLINE_BENCH_POSTGRES_URL"
_POSTGRES_URL = "postgres://postgres@127.0.0.1:5432/postgres"
#: Whatever the shell is set up for: a benchmark writes to no database and no broker but its own.
_NOT_OURS = frozenset(
    {
        "ALLOWED_HOSTS", "BROKER_URL", "CHANNEL_LAYER_URL", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "DEBUG",
        "LOG_LEVEL", "MEDIA_ROOT", "REDIS_URL", "SECRET_KEY", "STATIC_ROOT", "TIME_ZONE",
    }
)  # fmt: skip


def postgres_url() -> str:
    """Return the URL of the server on which databases may be created; its path names one that exists."""
    return os.environ.get(POSTGRES_VARIABLE) or _POSTGRES_URL


def postgres_obstacle() -> str | None:
    """Return why there is no PostgreSQL to measure on, or None."""
    try:
        psycopg.connect(postgres_url(), connect_timeout=2).close()
    except psycopg.Error as error:
        return str(error).strip().partition("\n")[0]
    return None


@contextmanager
def own_folder() -> Iterator[Path]:
    """Create a data folder, and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="stepline-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_postgres_database(server: str | None = None) -> Iterator[str]:
    """Create a database, give its URL, and drop it at the end, whoever is still connected.

    A benchmark that needs another one for its peer gives its own URL for the server.
    """
    name = f"stepline_bench_{secrets.token_hex(6)}"
    server = server or postgres_url()
    _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        _execute(server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def variables(*, data_folder: Path, database_url: str | None, peers_python: Path | None = None) -> dict[str, str]:
    """Return the environment of a benchmark's process."""
    kept = {
        name: value for name, value in os.environ.items() if name not in _NOT_OURS and not name.startswith("STEPLINE_")
    }
    return {
        **kept,
        **({} if database_url is None else {"DATABASE_URL": database_url}),
        **({} if peers_python is None else {PEERS_VARIABLE: str(peers_python)}),
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "LOG_LEVEL": "WARNING",
        "STEPLINE_DATA_DIR": str(data_folder),
        "STEPLINE_HTTPS": "0",
    }


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
