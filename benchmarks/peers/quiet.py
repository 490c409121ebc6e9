"""Celery without its two lines a task, which our settings leave out too: writing them takes time."""

import logging


def leave_out_tasks() -> None:
    """Keep Celery from logging that a task has come and that it went well."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
