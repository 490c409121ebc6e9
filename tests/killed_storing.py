"""A process that is killed while it stores or deletes a file, for tests: `python -m tests.killed_storing`.

It reads lines of `<how> <point>`. For each it forks a process that does `how` and kills itself with SIGKILL at that
point; points are counted before each database statement, before and after each commit and each call of the storage,
and before each part of the content is read. It answers `killed`, or `survived` where it was done before the point was
reached.
"""

import io
import os
import sys
from typing import Any

from tests.killed_worker import Killer

PLAIN, IN_TRANSACTION, DELETE = "plain", "transaction", "delete"
CONTENT = b"a,b\n" * 50_000


def _work_and_die(how: str, point: int) -> None:
    from django.core.files.storage import default_storage
    from django.db import connection, transaction

    from processes.models import StoredFile
    from processes.services.access import Caller
    from processes.services.files import delete_file, store_file

    killer = Killer(point)

    def between_points(function: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            killer.pass_point()
            result = function(*arguments, **options)
            killer.pass_point()
            return result

        return called

    class Content(io.BytesIO):
        def read(self, *arguments: Any) -> bytes:
            killer.pass_point()
            return super().read(*arguments)

    for name in ("save", "delete"):
        setattr(default_storage, name, between_points(getattr(default_storage, name)))
    caller = Caller(session_key="s")
    killer.count_on(connection)
    if how == PLAIN:
        store_file(content=Content(CONTENT), name="a.csv", caller=caller)
    elif how == IN_TRANSACTION:
        with transaction.atomic():
            store_file(content=Content(CONTENT), name="a.csv", caller=caller)
    else:
        delete_file(StoredFile.objects.latest("created_at").pk)


def main() -> None:
    """Serve the lines on standard input."""
    import django

    django.setup()
    for line in sys.stdin:
        how, point = line.split()
        child = os.fork()
        if child == 0:
            _work_and_die(how, int(point))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "survived", flush=True)


if __name__ == "__main__":
    main()
