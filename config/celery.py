"""The Celery app; `celery -A config.celery` finds it as `app`."""

import os
import sys

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Autodiscovery looks for `<app>.tasks` modules and would stumble over our top-level package: name the module instead.
app = Celery("stepline", include=["tasks.worker"])
app.config_from_object("django.conf:settings", namespace="CELERY")

# Celery's support of Django closes each connection before and after each task, and making one costs more than most
# jobs. `tasks.worker` keeps the one that hints are worked on with, and closes those of other tasks as Celery would.
app.conf.update(CELERY_DB_REUSE_MAX=sys.maxsize // 2)

# The current app is per thread: without this, a task sent from a request's thread would go to Celery's default
# app, and so to an AMQP broker on localhost.
app.set_default()

__all__ = ["app"]
