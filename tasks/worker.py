"""The Celery tasks: the entry point of background work."""

from celery import shared_task
from celery.signals import worker_process_shutdown

from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.hints import SCHEDULED_TASK, WORK_TASK
from tasks.services.roots import Owner
from tasks.services.work import work_off


@shared_task(name=WORK_TASK, ignore_result=True)
def work(queue: str) -> None:
    """Carry out the best due job of `queue`, if there is one: the message is only a hint."""
    work_off(queue)


@shared_task(name=SCHEDULED_TASK, ignore_result=True)
def enqueue_scheduled(function: str) -> None:
    """Enqueue a job because its schedule says so: Celery beat does no work itself."""
    enqueue(function, owner=Owner())


@worker_process_shutdown.connect
def _stop_threads(**_: object) -> None:
    """End this process's own threads, so that a worker that stops leaves nothing half-written."""
    stop_flusher()
    stop_heart()
