"""What `manage.py check` says of the jobs and their settings."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from tasks.registry import jobs
from tasks.services.scheduling import celery_schedule

__all__ = ["check_job_middleware", "check_schedules"]


@register()
def check_schedules(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Find schedules that Celery beat couldn't read: they would never come."""
    problems: list[CheckMessage] = []
    for name, spec in sorted(jobs.specs().items()):
        if spec.schedule is None:
            continue
        try:
            celery_schedule(spec.schedule)
        except Exception as error:  # noqa: BLE001 - Celery has several of its own
            problems.append(
                Error(
                    f"The schedule of job {name!r} can't be read: {error}",
                    hint="Five fields as in crontab: minute, hour, day of month, month, day of week.",
                    id="tasks.E001",
                )
            )
    return problems


@register()
def check_job_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Find middleware that isn't there: every job would fail."""
    problems: list[CheckMessage] = []
    for path in getattr(settings, "STEPLINE_JOB_MIDDLEWARE", ()):
        try:
            found = import_string(path)
        except ImportError as error:
            problems.append(
                Error(
                    f"STEPLINE_JOB_MIDDLEWARE: {path!r} can't be imported: {error}",
                    hint="Name a function by its dotted path.",
                    id="tasks.E002",
                )
            )
            continue
        if not callable(found):
            problems.append(Error(f"STEPLINE_JOB_MIDDLEWARE: {path!r} can't be called.", id="tasks.E002"))
    return problems
