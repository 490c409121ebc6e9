"""The script `wait`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.errors import DefinitionError
from processes.models import Checkpoint, Run
from processes.scripts.waiting import WaitConfig
from processes.services.checkpoints import newest_checkpoint
from tasks.models import Job, Node
from tasks.services.dispatch import tick
from tasks.services.jobs import wake_due
from tests.processes.services.conftest import kit
from tests.processes.services.test_advance import shape

__all__ = ["kit"]

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)

DUE = [
    # (config, due)
    ({"duration": 90}, "2026-11-27T08:01:30+00:00"),
    ({"duration": "PT8H"}, "2026-11-27T16:00:00+00:00"),
    ({"duration": "P1W"}, "2026-12-04T08:00:00+00:00"),
    ({"until": "2026-12-01T09:00:00+01:00"}, "2026-12-01T08:00:00+00:00"),
    ({"until": "2026-12-01", "time_zone": "Europe/Berlin"}, "2026-11-30T23:00:00+00:00"),
    ({"cron": "0 9 * * *", "time_zone": "Europe/Berlin"}, "2026-11-28T08:00:00+00:00"),
]


@pytest.mark.parametrize(("config", "due"), DUE)
def test_it_waits_for_a_time_span_a_moment_or_a_line_of_crontab(config: dict[str, Any], due: str) -> None:
    assert WaitConfig.model_validate(config).due(now=NOW) == datetime.fromisoformat(due)


REFUSED = [
    {},
    {"duration": 1, "cron": "* * * * *"},
    {"duration": "soon"},
    {"until": "tomorrow"},
    {"cron": "nine"},
    {"cron": "0 0 31 2 *"},
    {"duration": 1, "time_zone": "Berlin"},
    {"seconds": 3},
]


@pytest.mark.django_db
@pytest.mark.parametrize("config", REFUSED)
def test_a_config_that_says_nothing_clear_is_refused_when_it_is_saved(kit: Any, config: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as caught:
        kit.template({"name": "pause", "script": "wait", "config": config})
    assert caught.value.problems[0].path.startswith("/0/config")


def test_a_run_waits_without_a_worker_and_goes_on_when_its_time_has_come(kit: Any) -> None:
    run_id = kit.start(
        {"name": "pause", "script": "wait", "config": {"duration": "PT1H"}},
        {"name": "after", "script": kit.note("after")},
    )
    assert kit.work() == 1
    run, job = kit.run(run_id), Job.objects.get()
    assert (run.status, job.status, job.worker) == ("waiting", "waiting", "")
    assert run.waiting_for == {"code": "timer", "until": job.wake_at.isoformat()}
    assert timedelta(minutes=59) < job.wake_at - timezone.now() <= timedelta(hours=1)
    assert shape(run_id) == [("Pause", "waiting")]
    assert not Node.objects.get().message, "a code is no word for people"
    assert (wake_due(), kit.work()) == (0, 0)
    make_due(run_id)
    assert tick().woken == 1
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["after"])
    assert shape(run_id) == [("Pause", "completed"), ("After", "completed")]


def make_due(run_id: object) -> None:
    """Let an hour pass."""
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.filter(pk=run_id).update(wake_at=past)
    stands = newest_checkpoint(run_id)
    stands.cursor["parked"]["until"] = past.isoformat()
    Checkpoint.objects.filter(pk=stands.pk).update(cursor=stands.cursor)


def test_what_is_past_is_not_waited_for(kit: Any) -> None:
    run_id = kit.start({"name": "pause", "script": "wait", "config": {"until": "2020-01-01"}})
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_the_time_may_come_from_data(kit: Any) -> None:
    run_id = kit.start(
        {"name": "choose", "script": "set_data", "config": {"values": {"days": "P2D"}}},
        {"name": "pause", "script": "wait", "config": {"duration": "%{data:days}"}},
    )
    kit.work()
    job = Job.objects.get(pk=run_id)
    assert timedelta(days=1) < job.wake_at - timezone.now() <= timedelta(days=2)


@pytest.mark.parametrize("days", ["P200Y", "-P1D", "soon"])
def test_a_time_that_nobody_can_wait_for_fails_the_action(kit: Any, days: str) -> None:
    run_id = kit.start(
        {"name": "choose", "script": "set_data", "config": {"values": {"days": days}}},
        {"name": "pause", "script": "wait", "config": {"duration": "%{data:days}"}},
    )
    kit.work()
    assert kit.run(run_id).error["code"] == "config"


def test_many_timers_that_are_due_at_once_are_all_woken(kit: Any) -> None:
    template = kit.template({"name": "pause", "script": "wait", "config": {"duration": "PT1H"}})
    runs = [kit.start(template=template) for _ in range(12)]
    kit.work()
    for run_id in runs:
        make_due(run_id)
    assert [wake_due(limit=5) for _ in range(4)] == [5, 5, 2, 0]
    kit.work()
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}
