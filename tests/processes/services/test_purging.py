"""What has expired is deleted, and nothing else."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.utils import timezone

from processes.models import DataNode, StoredFile
from processes.services.access import Caller
from processes.services.files import store_file
from processes.services.purging import BATCH, PURGE_JOB, Purged, purge_expired
from tasks.registry import jobs

pytestmark = pytest.mark.django_db(transaction=True)


def test_expired_data_nodes_go_and_others_stay() -> None:
    now = timezone.now()
    old = DataNode.objects.create(expires_at=now - timedelta(seconds=1))
    young = DataNode.objects.create(expires_at=now + timedelta(hours=1))
    kept = DataNode.objects.create(expires_at=None)
    assert purge_expired() == Purged(data_nodes=1)
    assert not DataNode.objects.filter(pk=old.pk).exists()
    assert set(DataNode.objects.values_list("pk", flat=True)) == {young.pk, kept.pk}


def test_an_expired_file_goes_with_its_content() -> None:
    info = store_file(content=b"a,b\n", name="a.csv", caller=Caller(session_key="s"))
    stored = StoredFile.objects.get(pk=info["id"])
    path = stored.file.name
    assert default_storage.exists(path)
    StoredFile.objects.filter(pk=stored.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired() == Purged(files=1)
    assert not default_storage.exists(path)
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("owned", [False, True])
def test_a_file_that_never_became_complete_goes_whatever_it_belongs_to(owned: bool) -> None:
    node = DataNode.objects.create(expires_at=None)
    store_file(content=b"a", name="a", caller=Caller(session_key="s"), belongs_to=node if owned else None)
    path = StoredFile.objects.get().file.name
    StoredFile.objects.update(is_complete=False, expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired() == Purged(files=1)
    assert not default_storage.exists(path)


def test_beat_enqueues_it_every_hour_and_every_schedule_names_a_job() -> None:
    schedules = {entry["args"][0]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert schedules[PURGE_JOB] == timedelta(hours=1)
    assert set(schedules) <= set(jobs.names())


def visit(*, hours: int) -> str:
    session = SessionStore()
    session.set_expiry(timedelta(hours=hours))
    session.create()
    return str(session.session_key)


def test_sessions_that_are_over_are_forgotten_and_others_stay() -> None:
    visit(hours=-1)
    current = visit(hours=1)
    assert purge_expired() == Purged(sessions=1)
    assert [session.pk for session in Session.objects.all()] == [current]


def test_more_than_a_batch_is_purged() -> None:
    past = timezone.now() - timedelta(seconds=1)
    count = BATCH + 5
    Session.objects.bulk_create(Session(pk=f"{n}", session_data="", expire_date=past) for n in range(count))
    DataNode.objects.bulk_create(DataNode(expires_at=past) for _ in range(count))
    assert purge_expired() == Purged(data_nodes=count, sessions=count)


@pytest.mark.parametrize("engine", ["signed_cookies", "cache", "file"])
def test_sessions_that_are_kept_elsewhere_are_left_to_their_engine(engine: str, settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    assert purge_expired() == Purged()
