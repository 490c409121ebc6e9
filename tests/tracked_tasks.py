"""Celery tasks as a team would have them, tracked: `celery -A tests.tracked_tasks worker`.

Only their base is Stepline's. What happens in one is told through files, since its tests look from another process.
"""

import os
import signal
import time
from datetime import date
from pathlib import Path

from celery import group, shared_task
from celery.exceptions import Ignore, Reject
from django.db import transaction
from django.utils import translation

from config.celery import app

app.conf.include = [*app.conf.include, "tests.tracked_tasks"]

celery = app


def _tracked():
    # The worker imports this module before Django is set up, to find the app in it.
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from tasks.celery_tasks import TrackedTask

    return TrackedTask


TrackedTask = _tracked()


@shared_task(base=TrackedTask)
def add(*numbers: object) -> int:
    """Add numbers, and lists of them."""
    return sum(sum(number) if isinstance(number, list) else int(str(number)) for number in numbers)


@shared_task(base=TrackedTask, tracked_title="Building the house")
def build(floors: int) -> dict[str, int]:
    """Report in every way."""
    from tasks import output, progress, set_meta, step, subtask

    progress(total=floors, message="bricks")
    set_meta({"street": "Main"})
    for floor in range(floors):
        with subtask(f"Floor {floor}"):
            output("laid")
        step()
    return {"floors": floors}


@shared_task(base=TrackedTask)
def order(name: str) -> None:
    """Enqueue a declared job."""
    from tasks.registry import jobs
    from tasks.registry.declaration import DeclaredJob

    spec = jobs.get(name)
    DeclaredJob(spec.function, spec).enqueue()


@shared_task(base=TrackedTask)
def fail(text: str = "a secret") -> None:
    """Fail with a text that not everybody should read."""
    raise ValueError(text)


@shared_task(base=TrackedTask, throws=(KeyError,))
def fail_as_expected() -> None:
    """Fail in a way that the task declares."""
    raise KeyError("no such house")


@shared_task(base=TrackedTask, bind=True, max_retries=3)
def retry_once(self: TrackedTask, *, countdown: float = 0.0) -> str:
    """Fail the first time."""
    from tasks import subtask

    with subtask(f"Try {self.request.retries}"):
        if self.request.retries == 0:
            raise self.retry(exc=ConnectionError("no road"), countdown=countdown)
    return "there"


@shared_task(base=TrackedTask, bind=True)
def retry_inside_a_transaction(self: TrackedTask) -> str:
    """Give up, the first time, what is about to be written."""
    from django.db import transaction

    with transaction.atomic():
        if self.request.retries == 0:
            raise self.retry(countdown=0.3)
    return "there"


@shared_task(base=TrackedTask, autoretry_for=(Exception,), max_retries=2, default_retry_delay=0)
def retry_always() -> None:
    """Fail each time."""
    raise OSError("no road")


@shared_task(base=TrackedTask, bind=True, autoretry_for=(Exception,), default_retry_delay=0)
def stop_when_asked(self: TrackedTask, file: str) -> None:
    """Work until it is asked to stop."""
    Path(file).write_text("running")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        self.check_cancelled()
        time.sleep(0.05)


@shared_task(base=TrackedTask, cancel_terminates=True)
def never_ask(file: str) -> None:
    """Work on whatever is asked."""
    Path(file).write_text("running")
    time.sleep(30)


@shared_task(base=TrackedTask, acks_late=True, reject_on_worker_lost=True)
def die_once(file: str) -> str:
    """Kill its own process the first time."""
    from tasks import subtask

    with subtask("Digging"):
        if not Path(file).exists():
            Path(file).write_text("died")
            _await_flush()
            os.kill(os.getpid(), signal.SIGKILL)
    return "deep"


@shared_task(base=TrackedTask)
def die() -> None:
    """Kill its own process, and never come again."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(base=TrackedTask, soft_time_limit=0.5)
def overrun() -> None:
    """Take longer than it may, and be told."""
    time.sleep(30)


@shared_task(base=TrackedTask, time_limit=0.5)
def hang() -> None:
    """Take longer than it may, and be ended."""
    time.sleep(30)


@shared_task(base=TrackedTask)
def ignore() -> None:
    """End without a result, as tasks do that have told it themselves."""
    raise Ignore


@shared_task(base=TrackedTask)
def reject(*, requeue: bool) -> None:
    """Give the message back."""
    raise Reject("not now", requeue=requeue)


@shared_task(base=TrackedTask, bind=True)
def replace_by_sum(self: TrackedTask) -> None:
    """Let another task go on."""
    raise self.replace(add.s(1, 2))


@shared_task(base=TrackedTask)
def start_others() -> None:
    """Send another task from inside."""
    add.delay(1, 1)


@shared_task(base=TrackedTask)
def return_odd_things() -> object:
    """Return what is no JSON, but what Celery's own JSON takes."""
    return date(2026, 11, 28)


@shared_task(base=TrackedTask)
def return_the_unstorable() -> object:
    """Return what no result backend takes."""
    return {1, 2, 3}


@shared_task(base=TrackedTask)
def count_down(number: int) -> int:
    """Call itself as a function, and report before and after."""
    from tasks import output

    output(f"down to {number}")
    below = count_down(number - 1) if number else 0
    output(f"up from {number}")
    return below + 1


@shared_task(base=TrackedTask, bind=True)
def replace_by_chain(self: TrackedTask, *, fails: bool = False, queue: str | None = None) -> None:
    """Let a chain go on."""
    first = fail.si() if fails else add.si(1, 1)
    raise self.replace(first.set(queue=queue) | add.s(1))


@shared_task(base=TrackedTask, bind=True)
def replace_by_group(self: TrackedTask, *, fails: bool = False) -> None:
    """Let a group go on."""
    raise self.replace(group(add.si(1, 1), fail.si() if fails else add.si(2, 2)))


@shared_task(base=TrackedTask, acks_late=True)
def give_back(*, requeue: bool) -> None:
    """Give a message back that hasn't been acknowledged yet."""
    raise Reject("not now", requeue=requeue)


@shared_task
def add_untracked(*numbers: int) -> int:
    """Add numbers, seen by nobody."""
    return sum(numbers)


@shared_task(base=TrackedTask, bind=True)
def replace_by_untracked(self: TrackedTask) -> None:
    """Let a task go on that nobody sees."""
    raise self.replace(add_untracked.s(1, 2))


@shared_task
def fail_untracked() -> None:
    """Fail, seen by nobody."""
    raise ValueError("a secret")


def _await_flush() -> None:
    """Wait until the database shows the node that was just started."""
    from tasks.models import Node

    until = time.monotonic() + 10
    while not Node.objects.exists() and time.monotonic() < until:
        time.sleep(0.02)


@shared_task(base=TrackedTask)
def leave_open() -> str:
    """Leave a transaction open, and another language behind."""
    transaction.atomic().__enter__()
    translation.activate("de")
    return "left"
