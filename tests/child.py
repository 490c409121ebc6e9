"""A second process on this test's database, which is told to do something and to die at a point."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.environment import surroundings

#: Sends a line, and tells whether the process says that it was killed on the way (else it has survived).
Ask = Callable[[str], bool]


@contextmanager
def child(module: str, **variables: str) -> Iterator[Ask]:
    """Run a module that reads lines and answers each with `killed` or `survived`; it must end well with its input.

    An answer comes once the database knows too: what a dead process had sent to PostgreSQL is still carried out, and a
    late beat of its heart would prolong the lease that a test has just let run out.
    """
    name = f"child {uuid.uuid4()}"
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={
            **surroundings(),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database_url(),
            "LOG_LEVEL": "CRITICAL",
            "PGAPPNAME": name,
            **variables,
        },
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(line: str) -> bool:
        before = _connections(name)
        process.stdin.write(f"{line}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        answer = process.stdout.readline().strip()  # type: ignore[union-attr]
        assert answer in {"killed", "survived"}
        until = time.monotonic() + 10
        while _connections(name) > before:
            assert time.monotonic() < until, "the dead process still has a connection"
            time.sleep(0.005)
        return answer == "killed"

    yield ask
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def _connections(name: str) -> int:
    """Count a child's connections to PostgreSQL, which stay open there until their last statement has ended."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
        return int(cursor.fetchone()[0])


def database_url() -> str:
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    user = values["USER"] + (f":{values['PASSWORD']}" if values["PASSWORD"] else "")
    return f"postgres://{user}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"
