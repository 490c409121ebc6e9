"""A worker that is killed at a chosen point, for tests: `python -m tests.killed_worker`.

It reads one number a line. For each it forks a worker that carries out one claim and kills itself with SIGKILL at that
point; points are counted in database statements and commits: before each statement, before each commit, after each
commit. With `boundary` before the number the worker carries out everything that is due, and the points are only the
boundaries of its transactions: before each one, inside it (before its commit), and after it. It answers `killed`, or
`survived` where the work ended before the point was reached. SQLite's points are those that its driver sees, since not
every statement goes through Django.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOTE, BOOK, RIGHTS = "test_killed_note", "test_killed_book", "test_killed_rights"
ONCE, FLAKY = "test_killed_once", "test_killed_flaky"


def register_scripts() -> None:
    """Register the scripts of the runs that are killed; both sides need them."""
    from processes.domain.application import Application
    from processes.errors import ProcessError
    from processes.models import StoredFile
    from processes.registry import scripts
    from processes.services.host import acting_user
    from tasks import step, subtask

    def note(app: Application) -> None:
        """Append the action's name to a file: an effect that no transaction takes back."""
        assert app.action is not None
        with subtask("Writing", total=1), Path(str(app.data["file"])).open("a") as file:
            file.write(f"{app.action.name}\n")
            step()
        app.data[app.action.name] = "done"

    def book(app: Application) -> None:
        """Insert a row, which commits with the checkpoint."""
        StoredFile.objects.create(name="booked", size=1, content_type="text/plain")

    def rights(app: Application) -> None:
        """Append the action's name, whose rights are in force, and who `app.user` is."""
        assert app.action is not None
        names = ["-" if user is None else user.get_username() for user in (acting_user(app), app.user)]
        with Path(str(app.data["file"])).open("a") as file:
            file.write(f"{app.action.name}:{names[0]}:{names[1]}\n")

    def flaky(app: Application) -> None:
        """Append the action's name, and fail the first time that the file has it."""
        note(app)
        assert app.action is not None
        if Path(str(app.data["file"])).read_text().split().count(app.action.name) == 1:
            raise ProcessError("not yet", code="busy")

    effects = (
        (NOTE, note, "idempotent"),
        (BOOK, book, "transactional"),
        (RIGHTS, rights, "idempotent"),
        (ONCE, note, "once"),
        (FLAKY, flaky, "idempotent"),
    )
    for name, function, effect in effects:
        if name not in scripts:
            scripts.task_script(name, effect=effect)(function)  # type: ignore[arg-type]


class Killer:
    """Count points, and kill this process at one of them."""

    def __init__(self, point: int, *, at_boundaries: bool = False) -> None:
        self._left = point
        self._at_boundaries = at_boundaries

    def pass_point(self) -> None:
        """Die here, if this is the point."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_on(self, connection: Any) -> None:
        """Count from now on what goes over Django's connection."""
        if connection.vendor == "sqlite":
            connection.close()
            connection.settings_dict["OPTIONS"]["factory"] = self._counting_driver()
            connection.connect()
            return
        commit = connection._commit

        def commit_between_points() -> None:
            self.pass_point()
            commit()
            self.pass_point()

        connection._commit = commit_between_points
        if self._at_boundaries:
            connection.set_autocommit = self._around_begin(connection.set_autocommit)
        connection.execute_wrappers.append(self._around_statement)

    def _counting_driver(self) -> type[sqlite3.Connection]:
        killer = self

        class Counting(sqlite3.Connection):
            """Pass a point before what is executed, and around each commit."""

            def __init__(self, *arguments: Any, **keywords: Any) -> None:
                super().__init__(*arguments, **keywords)
                self.set_trace_callback(killer.see)

            def commit(self) -> None:
                in_transaction = self.in_transaction
                super().commit()
                if in_transaction:
                    killer.pass_point()

        return Counting

    def see(self, statement: str) -> None:
        """Pass a point before a statement of SQLite's; of boundaries only before one that begins or commits."""
        if not self._at_boundaries or statement.startswith(("BEGIN", "COMMIT")):
            self.pass_point()

    def _around_statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        from django.db import connection

        if not self._at_boundaries:
            self.pass_point()
            return execute(*arguments)
        # A statement outside of a transaction is one of its own.
        if connection.in_atomic_block or not str(arguments[0]).lstrip().startswith(("WITH", "INSERT", "UPDATE")):
            return execute(*arguments)
        self.pass_point()
        result = execute(*arguments)
        self.pass_point()
        return result

    def _around_begin(self, set_autocommit: Callable[..., Any]) -> Callable[..., Any]:
        def begin(autocommit: bool, *arguments: Any, **keywords: Any) -> Any:
            if not autocommit:
                self.pass_point()
            return set_autocommit(autocommit, *arguments, **keywords)

        return begin


def _work_and_die(point: int, *, at_boundaries: bool) -> None:
    from django.db import connection

    from tasks.services.work import work_off

    Killer(point, at_boundaries=at_boundaries).count_on(connection)
    while work_off("default") and at_boundaries:
        pass


def main() -> None:
    """Serve the numbers on standard input."""
    import django

    django.setup()
    register_scripts()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # SIGKILL leaves no time for anything else; os._exit skips what belongs to the parent.
            kind, _, number = line.strip().rpartition(" ")
            _work_and_die(int(number), at_boundaries=kind == "boundary")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "survived", flush=True)


if __name__ == "__main__":
    main()
