"""Jobs on a schedule."""

from datetime import timedelta
from typing import Any

import pytest
from celery.schedules import crontab
from django.core.checks import run_checks
from django.db import OperationalError
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from config.celery import app
from tasks import worker
from tasks.models import Job
from tasks.registry import JobContext
from tasks.services.enqueuing import enqueue
from tasks.services.scheduling import entry_name, retire_entries, scheduled_entries
from tasks.worker import enqueue_scheduled

pytestmark = pytest.mark.django_db(transaction=True)


def nightly(context: JobContext, day: str = "today") -> None: ...


def test_a_declared_schedule_is_an_entry_of_beat(kit: Any) -> None:
    at_night = kit.declare(nightly, schedule="30 3 * * 1-5")
    often = kit.declare(nightly, schedule=timedelta(minutes=5))
    entries = scheduled_entries()
    assert entries[entry_name(at_night.name)]["schedule"] == crontab("30", "3", day_of_week="1-5")
    assert entries[entry_name(often.name)]["schedule"].seconds == 300
    assert entries[entry_name(often.name)]["args"] == (often.name,)


def test_the_real_scheduler_takes_them_over_and_lets_go_of_those_that_are_gone(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *")
    gone = PeriodicTask.objects.create(
        name=entry_name("test.gone"),
        task="tasks.enqueue_scheduled",
        interval=_every_hour(),
        args='["test.gone"]',
    )
    scheduler = DatabaseScheduler(app=app, lazy=True)
    scheduler.update_from_dict(scheduled_entries())
    assert retire_entries(scheduled_entries()) == 1
    row = PeriodicTask.objects.get(name=entry_name(declared.name))
    assert (row.task, row.args, row.crontab.hour, row.enabled) == (
        "tasks.enqueue_scheduled",
        f'["{declared.name}"]',
        "3",
        True,
    )
    gone.refresh_from_db()
    assert not gone.enabled


def _every_hour() -> Any:
    from django_celery_beat.models import IntervalSchedule

    return IntervalSchedule.objects.create(every=1, period="hours")


def test_a_schedule_that_is_declared_again_comes_back(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *")
    scheduler = DatabaseScheduler(app=app, lazy=True)
    entries = scheduled_entries()
    scheduler.update_from_dict(entries)
    retire_entries({})
    row = PeriodicTask.objects.get(name=entry_name(declared.name))
    assert (row.enabled, bool(row.description)) == (False, True)
    scheduler.update_from_dict(entries)
    retire_entries(entries)
    row.refresh_from_db()
    assert (row.enabled, row.description) == (True, "")


def test_what_an_operator_has_switched_off_stays_off(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *")
    scheduler = DatabaseScheduler(app=app, lazy=True)
    scheduler.update_from_dict(scheduled_entries())
    PeriodicTask.objects.update(enabled=False)
    scheduler.update_from_dict(scheduled_entries())
    retire_entries(scheduled_entries())
    assert not PeriodicTask.objects.get(name=entry_name(declared.name)).enabled


def test_beat_s_message_enqueues_the_job_and_does_no_work(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *")
    enqueue_scheduled(declared.name)
    job = Job.objects.get()
    assert (job.function, job.status, job.arguments) == (declared.name, "pending", {"day": "today"})


def test_a_message_of_beat_s_that_comes_twice_enqueues_once_and_the_next_one_again(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *")
    for message in ("first", "first", "second"):
        enqueue_scheduled.apply([declared.name], task_id=message, throw=True)
    assert Job.objects.count() == 2


def test_a_scheduled_job_keeps_the_idempotency_key_that_it_declares(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="30 3 * * *", idempotency_key="of {day}")
    for message in ("first", "second"):
        enqueue_scheduled.apply([declared.name], task_id=message, throw=True)
    assert Job.objects.get().idempotency_key == "of today"


def test_beat_s_message_comes_again_where_the_database_is_away(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    absences = [OperationalError("the database is away"), OperationalError("it is away still")]

    def sometimes(*args: Any, **options: Any) -> Job:
        if absences:
            raise absences.pop()
        return enqueue(*args, **options)

    declared = kit.declare(nightly, schedule="30 3 * * *")
    monkeypatch.setattr(worker, "enqueue", sometimes)
    enqueue_scheduled.apply([declared.name], task_id="first")
    assert (Job.objects.get().function, absences) == (declared.name, [])


def test_a_schedule_that_beat_could_not_read_is_an_error_of_the_system_check(kit: Any) -> None:
    declared = kit.declare(nightly, schedule="61 25 * * *")
    [problem] = [error for error in run_checks() if error.id == "tasks.E001"]
    assert declared.name in problem.msg


@pytest.mark.parametrize(
    ("path", "said"), [("nowhere.at_all", "can't be imported"), ("tasks.services.work.HINT_SECONDS", "can't be called")]
)
def test_middleware_that_is_not_there_is_an_error_of_the_system_check(settings: Any, path: str, said: str) -> None:
    settings.STEPLINE_JOB_MIDDLEWARE = [path]
    [problem] = [error for error in run_checks() if error.id == "tasks.E002"]
    assert said in problem.msg
