"""The Django app that carries the wiring's management commands."""

from django.apps import AppConfig

# Imported for their effect: the checks register themselves, and every process that runs Django must publish through our
# Celery app, not Celery's default.
from config import checks
from config.celery import app as celery_app


class SteplineConfig(AppConfig):
    """Register `config` as an app and keep the Celery app at hand."""

    name = "config"
    verbose_name = "Stepline"
    celery_app = celery_app
    checks = checks
