"""A process that starts a task and ends in some way, for tests: `python -m tests.killed_tree`.

It reads lines. For each it forks a process that starts a task and dies by SIGKILL in its midst; `commit and end` lets
it end by itself right after a transaction, `fork` lets a fork of it report as well. It answers `killed` or `survived`.
"""

import os
import signal
import sys


def _work(how: str) -> None:
    from django.db import transaction

    from tasks import start_task

    if how == "commit and end":
        with transaction.atomic(), start_task("Import"):
            pass
    elif how == "fork":
        with start_task("Import") as task:
            copy = os.fork()
            if copy == 0:
                task.output("from the fork")
                task.fail("from the fork")
                os._exit(0)
            assert os.waitpid(copy, 0)[1] == 0
            task.output("from the parent")
    else:
        with start_task(how) as task:
            task.subtask("Part").step()
            from tasks.services.flusher import process_flusher

            assert process_flusher().drain(10)
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Serve the lines on standard input."""
    import atexit

    import django

    django.setup()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _work(line.strip())
            # What an interpreter does that ends by itself, without what belongs to the parent.
            atexit._run_exitfuncs()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "survived", flush=True)


if __name__ == "__main__":
    main()
