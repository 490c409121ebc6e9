"""A Celery app in Django that stores results: `celery -A benchmarks.peers.celery_results worker`.

The worker's DJANGO_SETTINGS_MODULE is `SETTINGS`. Who only sends may run on other settings. Celery closes the database
connection after each task, whatever CONN_MAX_AGE says; few know the setting that keeps it.
"""

import os
import sys

from celery import Celery, chain
from celery.canvas import Signature

from benchmarks.peers.quiet import leave_out_tasks
from benchmarks.stamps import append_stamp

SETTINGS = "benchmarks.peers.results_settings"
#: Set to anything, the worker keeps its connection, as ours does.
KEEP_VARIABLE = "STEPLINE_BENCH_KEEP_CONNECTIONS"

leave_out_tasks()
app = Celery("results", set_as_current=False)
app.config_from_object(SETTINGS, namespace="CELERY")
if KEEP_VARIABLE in os.environ:
    app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize // 2)


@app.task(name="results.noop")
def noop(file: str, key: str) -> None:
    """Do nothing but tell when; that it is done is stored as its result."""
    append_stamp(file, key)


@app.task(name="results.pass")
def pass_on() -> None:
    """Do nothing; that it is done is stored as its result."""


def chain_of(length: int, file: str, key: str, *, queue: str) -> Signature:
    """Return a chain of so many tasks, the last of which tells when."""
    tasks = [*(pass_on.si() for _ in range(length - 1)), noop.si(file, key)]
    return chain(*(task.set(queue=queue) for task in tasks))
