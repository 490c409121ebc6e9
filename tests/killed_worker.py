"""A worker that is killed at a chosen point, for tests: `python -m tests.killed_worker`.

It reads one number a line. For each it forks a worker that carries out one claim and kills itself with SIGKILL at that
point; points are counted in database statements and commits: before each statement, before each commit, after each
commit. It answers `killed`, or `survived` where the claim ended before the point was reached.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOTE, BOOK, RIGHTS = "test_killed_note", "test_killed_book", "test_killed_rights"


def register_scripts() -> None:
    """Register the scripts of the runs that are killed; both sides need them."""
    from processes.domain.application import Application
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

    effects = ((NOTE, note, "idempotent"), (BOOK, book, "transactional"), (RIGHTS, rights, "idempotent"))
    for name, function, effect in effects:
        if name not in scripts:
            scripts.task_script(name, effect=effect)(function)  # type: ignore[arg-type]


class _Killer:
    """Count points, and kill this process at one of them."""

    def __init__(self, point: int) -> None:
        self._left = point

    def pass_point(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around_statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.pass_point()
        return execute(*arguments)


def _work_and_die(point: int) -> None:
    from django.db import connection

    from tasks.services.work import work_off

    killer = _Killer(point)
    commit = connection._commit

    def commit_between_points() -> None:
        killer.pass_point()
        commit()
        killer.pass_point()

    connection._commit = commit_between_points
    with connection.execute_wrapper(killer.around_statement):
        work_off("default")


def main() -> None:
    """Serve the numbers on standard input."""
    import django

    django.setup()
    register_scripts()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # SIGKILL leaves no time for anything else; os._exit skips what belongs to the parent.
            _work_and_die(int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "survived", flush=True)


if __name__ == "__main__":
    main()
