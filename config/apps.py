"""The Django app that carries the wiring's management commands."""

import logging

from django.apps import AppConfig

# Imported for their effect: the checks register themselves, and every process that runs Django must publish through our
# Celery app, not Celery's default.
from config import checks
from config.celery import app as celery_app
from config.redaction import ACCESS_LOGS, RedactTokens


class SteplineConfig(AppConfig):
    """Register `config` as an app and keep the Celery app at hand."""

    name = "config"
    verbose_name = "Stepline"
    celery_app = celery_app
    checks = checks

    def ready(self) -> None:
        """Keep tokens out of the access logs of whatever server runs the site."""
        for name in ACCESS_LOGS:
            logging.getLogger(name).addFilter(RedactTokens())
