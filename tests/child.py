"""A second process on this test's database, which is told to do something and to die at a point."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.environment import surroundings

#: Sends a line, and tells whether the process says that it was killed on the way (else it has survived).
Ask = Callable[[str], bool]


@contextmanager
def child(module: str, **variables: str) -> Iterator[Ask]:
    """Run a module that reads lines and answers each with `killed` or `survived`; it must end well with its input."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={
            **surroundings(),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database_url(),
            "LOG_LEVEL": "CRITICAL",
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
        process.stdin.write(f"{line}\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        answer = process.stdout.readline().strip()  # type: ignore[union-attr]
        assert answer in {"killed", "survived"}
        return answer == "killed"

    yield ask
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def database_url() -> str:
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    user = values["USER"] + (f":{values['PASSWORD']}" if values["PASSWORD"] else "")
    return f"postgres://{user}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"
