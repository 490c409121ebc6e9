"""The Celery tasks: the entry point of background work."""

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from tasks.services.dead_man import allow_exit
from tasks.services.draining import drain
from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.hints import SCHEDULED_TASK, WORK_TASK
from tasks.services.roots import Owner
from tasks.services.work import work_on


@shared_task(name=WORK_TASK, ignore_result=True)
def work(queue: str) -> None:
    """Carry out what is due of `queue`, best first, if there is anything: the message is only a hint."""
    work_on(queue)


@shared_task(name=SCHEDULED_TASK, ignore_result=True)
def enqueue_scheduled(function: str) -> None:
    """Enqueue a job because its schedule says so: Celery beat does no work itself."""
    enqueue(function, owner=Owner())


@worker_process_init.connect
def _work_here(**_: object) -> None:
    """Take notice that this process works, and that whoever has started it starts another one after its end."""
    allow_exit()


@worker_shutting_down.connect
def _drain(**_: object) -> None:
    """Let what is worked on come to an end at its next checkpoint."""
    drain()


@worker_process_shutdown.connect
def _stop_threads(**_: object) -> None:
    """End this process's own threads, so that a worker that stops leaves nothing half-written."""
    stop_flusher()
    stop_heart()
