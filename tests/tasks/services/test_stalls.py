"""What the database knows of a task that doesn't go on, in two queries at most and in the reader's words."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from pytest_django import Settings

from tasks.domain.outcomes import Parked
from tasks.domain.retry import RetryPolicy
from tasks.models import Job, TaskRoot, Update
from tasks.services.cancelling import cancel
from tasks.services.claims import claim
from tasks.services.losses import release_expired
from tasks.services.roots import Owner, create_root
from tasks.services.stalls import ToldStall, read_stall, thresholds
from tasks.services.work import work_off

pytestmark = pytest.mark.django_db(transaction=True)


def stall_of(root_id: uuid.UUID) -> ToldStall | None:
    with CaptureQueriesContext(connection) as queries:
        stall = read_stall(root_id)
    assert len(queries) <= 2
    return stall


def code_of(job: Job) -> str | None:
    stall = stall_of(job.root_id)
    return None if stall is None else stall.code


def age(job: Job, **seconds: float) -> None:
    """Move times of a job into the past; `told` is that of its last update."""
    told = seconds.pop("told", None)
    now = timezone.now()
    # SQLite's clock ticks in milliseconds, and would lie behind a time that is finer.
    now = now.replace(microsecond=now.microsecond // 1_000 * 1_000)
    if seconds:
        Job.objects.filter(pk=job.pk).update(**{k: now - timedelta(seconds=v) for k, v in seconds.items()})
    if told is not None:
        last = Update.objects.filter(root_id=job.pk).latest("seq")
        then = (now - timedelta(seconds=told)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head, _, rest = last.body.partition('"timestamp":"')
        Update.objects.filter(root_id=job.pk, seq=last.seq).update(body=f'{head}"timestamp":"{then}"{rest[24:]}')


def test_work_that_nobody_takes(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    assert code_of(job) is None
    age(job, due_at=75)
    stall = stall_of(job.pk)
    assert stall is not None
    assert (stall.code, stall.facts["queue"]) == ("no_worker", "default")
    assert stall.facts["seconds"] in (75, 76)
    assert stall.text.startswith("No worker has been free for 7")
    work_off("default")
    assert code_of(job) is None


def test_a_worker_that_falls_silent_is_lost_or_goes_on(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    claim(queue="default", worker="w")
    assert code_of(job) is None
    age(job, told=90)
    assert code_of(job) == "silent"
    age(job, lease_until=5)
    assert code_of(job) == "worker_lost"
    release_expired()
    assert code_of(job) is None, "it is taken up by another"


def test_an_attempt_that_is_to_come(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(context: object) -> None:
        raise ValueError

    job = kit.enqueue(fail, retry=RetryPolicy(attempts=3, backoff="fixed", delay_seconds=270, jitter=0))
    work_off("default")
    stall = stall_of(job.pk)
    assert stall is not None
    assert (stall.code, stall.facts["attempt"], stall.facts["attempts"]) == ("retry", 1, 3)
    assert stall.text == "The last attempt failed. The work is tried again by itself in 4 minutes."


def test_a_wish_to_stop_that_nobody_hears(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    claim(queue="default", worker="w")
    cancel(root_id=job.pk, reason="enough")
    assert code_of(job) is None
    age(job, cancel_requested_at=11)
    assert code_of(job) == "cancel_pending"


def test_what_waits_for_something_outside_does_not_stall(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: Parked())
    work_off("default")
    age(job, due_at=9_999, told=9_999)
    assert code_of(job) is None


def test_an_indicator_whose_work_does_not_begin() -> None:
    root = create_root(title="Import", owner=Owner(), lease=timedelta(minutes=10))
    other = create_root(title="By hand", owner=Owner())
    for each in (root, other):
        age(Job(root=each), told=31)
    stall = stall_of(root.pk)
    assert stall is not None
    assert stall.code == "not_begun"
    assert stall_of(other.pk) is None, "nobody has promised it a job"


def test_a_tree_with_a_writer_waits_for_no_job() -> None:
    root = create_root(title="Import", owner=Owner(), lease=timedelta(minutes=10))
    TaskRoot.objects.filter(pk=root.pk).update(started_at=timezone.now())
    age(Job(root=root), told=31)
    assert stall_of(root.pk) is None


def test_what_has_ended_or_is_not_there_does_not_stall(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    work_off("default")
    assert stall_of(job.pk) is None
    assert stall_of(uuid.uuid4()) is None


def test_the_times_are_settings(kit, settings: Settings) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    age(job, due_at=4)
    assert code_of(job) is None
    settings.STEPLINE_STALL_NO_WORKER_SECONDS = 2
    assert thresholds().no_worker_seconds == 2
    assert code_of(job) == "no_worker"


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "1 second"), (75, "75 seconds"), (150, "2 minutes"), (7_300, "2 hours")]
)
def test_a_time_is_told_in_its_largest_unit(kit, settings: Settings, seconds: int, told: str) -> None:  # type: ignore[no-untyped-def]
    settings.STEPLINE_STALL_NO_WORKER_SECONDS = 0
    job = kit.enqueue(lambda context: None)
    age(job, due_at=seconds + 0.2)
    stall = stall_of(job.pk)
    assert stall is not None
    assert f"for {told}." in stall.text


def test_the_api_tells_it_to_the_owner(kit) -> None:  # type: ignore[no-untyped-def]
    user = User.objects.create_user("ada")
    job = kit.enqueue(lambda context: None)
    TaskRoot.objects.update(owner=user)
    client = Client()
    client.force_login(user)
    assert "stall" not in client.get(f"/api/tasks/{job.pk}/").json()
    age(job, due_at=75)
    stall = client.get(f"/api/tasks/{job.pk}/").json()["stall"]
    assert (stall["code"], stall["facts"]["queue"]) == ("no_worker", "default")
    assert stall["text"].startswith("No worker has been free")
    assert Client().get(f"/api/tasks/{job.pk}/").status_code == 404


def test_it_is_told_in_the_language_of_the_request(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    age(job, due_at=75)
    with translation.override("de"):
        stall = stall_of(job.pk)
        expected = translation.gettext(
            "No worker has been free for %(time)s. The work begins by itself as soon as one is; you may leave this "
            "page and come back."
        )
    assert stall is not None
    assert stall.text.partition(" ")[0] == expected.partition(" ")[0]
