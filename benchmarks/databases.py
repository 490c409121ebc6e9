"""The database that a benchmark works on, and those of its peers: of the same kind, on the same server."""

import json
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from django.conf import settings

from benchmarks.surroundings import own_postgres_database


def uses_sqlite() -> bool:
    """Tell whether it is SQLite; else it is PostgreSQL."""
    return bool(settings.ENVIRONMENT.uses_sqlite)


def database_name() -> str:
    """Return what its kind is called."""
    return "SQLite" if uses_sqlite() else "PostgreSQL"


def peer_url(stack: ExitStack, name: str) -> str:
    """Make a database for a peer until the end of `stack`, and return its URL."""
    return f"sqlite:///{_folder() / name}.sqlite3" if uses_sqlite() else _own_postgres(stack)


def dbos_url(stack: ExitStack) -> str:
    """Make a database for DBOS, and return its URL as DBOS writes it.

    An SQLite file that it makes itself keeps a rollback journal; one that is in WAL mode stays in it, and is much
    quicker.
    """
    if not uses_sqlite():
        return f"postgresql{_own_postgres(stack).removeprefix('postgres')}"
    file = _folder() / "dbos.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        assert mode == "wal", mode
    return f"sqlite:///{file}"


def django_database(stack: ExitStack, name: str) -> str:
    """Make a database for another Django, and return how it opens it, as JSON: with our options."""
    ours = settings.DATABASES["default"]
    kept = {key: ours[key] for key in ("ENGINE", "HOST", "PORT", "USER", "PASSWORD", "OPTIONS") if ours.get(key)}
    own = str(_folder() / f"{name}.sqlite3") if uses_sqlite() else _own_postgres(stack).rpartition("/")[2]
    return json.dumps({**kept, "NAME": own})


def _own_postgres(stack: ExitStack) -> str:
    return stack.enter_context(own_postgres_database(os.environ["DATABASE_URL"]))


def _folder() -> Path:
    return Path(settings.ENVIRONMENT.data_dir)
