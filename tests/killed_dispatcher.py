"""A dispatcher that is killed at a chosen point while it does its duties: `python -m tests.killed_dispatcher`.

It reads one number a line. For each it forks a dispatcher that acts on what is due, or, with `spread` before the
number, spreads what was published, with `escalate` takes up what isn't done in time, and kills itself with SIGKILL at
that point; points are counted as those of `tests.killed_worker` are. It answers `killed`, or `survived` where it was
done before the point was reached.
"""

import os
import sys

from tests.killed_worker import Killer


def _act_and_die(point: int, *, kind: str) -> None:
    from django.db import connection

    from processes.services.escalating import escalate_due
    from processes.services.firing import fire_due
    from processes.services.topics import spreading

    # Several batches, with few subscribers.
    spreading.BATCH = 2  # type: ignore[misc]
    Killer(point).count_on(connection)
    {"": fire_due, "spread": spreading.spread_messages, "escalate": escalate_due}[kind](limit=10)


def main() -> None:
    """Serve the numbers on standard input."""
    import django

    django.setup()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            kind, _, number = line.strip().rpartition(" ")
            _act_and_die(int(number), kind=kind)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "survived", flush=True)


if __name__ == "__main__":
    main()
