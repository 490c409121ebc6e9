"""The Celery tasks: the entry point of background work."""

import os
from typing import Final

from celery import Task, shared_task
from celery.beat import Service
from celery.signals import (
    beat_init,
    task_postrun,
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)
from django.db import InterfaceError, OperationalError, close_old_connections

from tasks.registry import jobs
from tasks.services.collector import keep_loaded
from tasks.services.connections import are_as_before, renew_connections
from tasks.services.dead_man import allow_exit
from tasks.services.draining import drain
from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.hints import EARLY, SCHEDULED_TASK, WORK_TASK
from tasks.services.roots import Owner
from tasks.services.scheduling import retire_entries, scheduled_entries
from tasks.services.work import work_on

#: A limit that a site sets for its own tasks (CELERY_TASK_TIME_LIMIT) isn't meant for jobs, which have theirs: it would
#: kill whatever job a hint happens to be at. Celery takes the site's for None and for 0; so this is ten years.
NO_LIMIT_SECONDS: Final = 315_360_000


@shared_task(
    name=WORK_TASK, ignore_result=True, bind=True, time_limit=NO_LIMIT_SECONDS, soft_time_limit=NO_LIMIT_SECONDS
)
def work(self: Task, queue: str) -> None:
    """Carry out what is due of `queue`, best first, if there is anything: the message is only a hint."""
    work_on(queue, early=bool(self.request.get(EARLY)))


@shared_task(
    name=SCHEDULED_TASK,
    bind=True,
    ignore_result=True,
    # Beat tells of each time once: it comes again where a worker dies over it, or the database is away.
    acks_late=True,
    reject_on_worker_lost=True,
    autoretry_for=(OperationalError, InterfaceError),
    max_retries=None,
    retry_backoff=True,
    retry_backoff_max=60,
)
def enqueue_scheduled(self: Task, function: str) -> None:
    """Enqueue a job because its schedule says so: Celery beat does no work itself."""
    spec = jobs.get(function)
    # With the defaults of its arguments, as they are in this release.
    arguments = spec.signature.to_json((), {})
    # A message that comes again enqueues nothing again.
    key = f"scheduled {self.request.id}" if self.request.id and spec.idempotency_key is None else None
    enqueue(function, arguments=arguments, input=arguments, owner=Owner(), idempotency_key=key)


@task_prerun.connect
@task_postrun.connect
def _close_connections(sender: Task, **_: object) -> None:
    """Give every task that isn't ours a connection of its own, as Celery does by itself unless it is told to keep it.

    A hint is worked on with the connection that is there: making one takes longer than most jobs. Where whatever has
    run before has left a transaction open, all that follows in this process would be lost in it.
    """
    if sender.request.is_eager:
        return
    if not are_as_before({}):
        renew_connections()
    elif sender.name != WORK_TASK:
        close_old_connections()


@beat_init.connect
def _schedule_jobs(sender: Service, **_: object) -> None:
    """Let beat enqueue the jobs that declare a schedule, and no more those that don't any longer."""
    entries = scheduled_entries()
    sender.scheduler.update_from_dict(entries)
    retire_entries(entries)


#: The worker's main process, from which those that work are forked.
_IMPORTED_BY = os.getpid()


@worker_process_init.connect
def _work_here(**_: object) -> None:
    """Take notice that this process works, and that whoever has started it starts another one after its end.

    A pool without processes of its own says the same of the worker's main process, which nobody would start again.
    """
    if os.getpid() != _IMPORTED_BY:
        allow_exit()
        keep_loaded()


@worker_shutting_down.connect
def _drain(**_: object) -> None:
    """Let what is worked on come to an end at its next checkpoint."""
    drain()


@worker_process_shutdown.connect
def _stop_threads(**_: object) -> None:
    """End this process's own threads, so that a worker that stops leaves nothing half-written."""
    stop_flusher()
    stop_heart()
