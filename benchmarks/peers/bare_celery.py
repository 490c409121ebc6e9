"""A Celery app without Django, results or anything else: `celery -A benchmarks.peers.bare_celery worker`."""

import os

from celery import Celery

from benchmarks.peers.quiet import leave_out_tasks
from benchmarks.stamps import append_stamp

BROKER_VARIABLE = "STEPLINE_BENCH_BROKER_URL"
QUEUE = "bare"

leave_out_tasks()
app = Celery("bare", set_as_current=False, fixups=[])
app.conf.update(
    broker_url=os.environ.get(BROKER_VARIABLE),
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="bare.noop", ignore_result=True)
def noop(file: str, key: str) -> None:
    """Do nothing but tell when."""
    append_stamp(file, key)


@app.task(name="bare.item", ignore_result=True)
def item(file: str, key: str) -> None:
    """Do nothing with an item; the last one of a batch, which names a file, tells when."""
    if file:
        append_stamp(file, key)
