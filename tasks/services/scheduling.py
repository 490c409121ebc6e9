"""The schedules that jobs declare, as Celery beat takes them."""

from collections.abc import Container
from datetime import timedelta
from typing import TypedDict

from celery.schedules import crontab
from celery.schedules import schedule as interval
from django.apps import apps

from tasks.domain.schedule import Cron, Schedule
from tasks.registry import jobs
from tasks.services.hints import SCHEDULED_TASK

__all__ = ["Entry", "celery_schedule", "entry_name", "retire_entries", "scheduled_entries"]


class Entry(TypedDict):
    """Be one entry of Celery's `beat_schedule`."""

    task: str
    schedule: crontab | interval
    args: tuple[str]


def entry_name(function: str) -> str:
    """Return the name of a job's entry: what the admin shows, and how it is found again."""
    return f"job: {function}"


def scheduled_entries() -> dict[str, Entry]:
    """Return the entries of all jobs that declare a schedule."""
    return {
        entry_name(name): {"task": SCHEDULED_TASK, "schedule": celery_schedule(spec.schedule), "args": (name,)}
        for name, spec in jobs.specs().items()
        if spec.schedule is not None
    }


def retire_entries(declared: Container[str]) -> int:
    """Disable the entries of jobs that declare no schedule any more, and return how many.

    They bear a note, by which those that are declared again are enabled again; what an operator has disabled stays so.
    Only where beat keeps its schedule in the database (django-celery-beat): any other one knows what was declared now.
    """
    if not apps.is_installed("django_celery_beat"):
        return 0
    rows = apps.get_model("django_celery_beat", "PeriodicTask")._default_manager
    mine = rows.filter(task=SCHEDULED_TASK, name__startswith=entry_name(""))
    gone = [entry for entry in mine if entry.enabled and entry.name not in declared]
    back = [entry for entry in mine if entry.description == _RETIRED and entry.name in declared]
    for entry in (*gone, *back):
        entry.enabled = entry in back
        entry.description = "" if entry in back else _RETIRED
        # Saving tells beat that its schedule has changed.
        entry.save(update_fields=["enabled", "description"])
    return len(gone)


_RETIRED = "No job declares this schedule any more."


def celery_schedule(schedule: Schedule) -> crontab | interval:
    """Return a schedule as Celery has it; raises one of Celery's errors where it can't be read."""
    if isinstance(schedule, timedelta):
        return interval(run_every=schedule)
    assert isinstance(schedule, Cron)
    return crontab(
        minute=schedule.minute,
        hour=schedule.hour,
        day_of_month=schedule.day_of_month,
        month_of_year=schedule.month_of_year,
        day_of_week=schedule.day_of_week,
    )
