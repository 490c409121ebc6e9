"""What can't be purged stands in nobody's way: it is named, passed over, and everything else goes."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Model, ProtectedError
from django.db.models.signals import pre_delete
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from config.celery import app as celery
from processes.models import DataNode, Grant, StoredFile
from processes.services import purging
from processes.services.access import Caller
from processes.services.data_nodes import create_data_node
from processes.services.file_contents import UNSETTLED
from processes.services.file_ownership import adopt_files
from processes.services.files import store_file
from processes.services.purging import OLDER_PURGE_JOBS, PURGE_JOB, Purged, purge_expired
from tasks.models import Job, TaskRoot
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner
from tasks.services.work import work_off

pytestmark = pytest.mark.django_db(transaction=True)

ANN = Caller(session_key="a" * 32)

Refuse = Callable[..., None]


def past() -> Any:
    return timezone.now() - timedelta(seconds=1)


def expired_nodes(count: int) -> list[DataNode]:
    return [DataNode.objects.create(expires_at=past()) for _ in range(count)]


def one_of_each() -> None:
    """Let one of each kind expire."""
    expired_nodes(1)
    store_file(content=b"a,b\n", name="a.csv", caller=ANN)
    StoredFile.objects.update(expires_at=past())
    leave_content()
    Grant.objects.create(user=User.objects.create_user("ann"), execution="one", expires_at=past())
    Session.objects.create(pk="over", session_data="", expire_date=past())


def leave_note(text: bytes, name: str = "0" * 32) -> str:
    note = default_storage.save(f"{UNSETTLED}/{name}", ContentFile(text))
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    os.utime(default_storage.path(note), (yesterday, yesterday))
    return note


def leave_content(number: int = 1) -> tuple[str, str]:
    """Leave a content without a row, and its note, as a process does that is killed in a transaction."""
    file_id = f"{number:032x}"
    path = default_storage.save(f"processes/2026/01/01/{file_id}", ContentFile(b"x"))
    return path, leave_note(f"{file_id}\n{path}\n".encode(), file_id)


@pytest.fixture(autouse=True)
def no_contents() -> Iterator[None]:
    """Begin and end without notes: each test has its own."""
    yield
    if default_storage.exists(UNSETTLED):
        for name in default_storage.listdir(UNSETTLED)[1]:
            default_storage.delete(f"{UNSETTLED}/{name}")


@pytest.fixture
def refuse() -> Iterator[Refuse]:
    """Let the deletion of rows fail, each time, with an error."""
    receivers: list[tuple[type[Model], Any]] = []

    def begin(*rows: Model, error: Exception) -> None:
        model, keys = type(rows[0]), {row.pk for row in rows}

        def receiver(instance: Model, **_: Any) -> None:
            if instance.pk in keys:
                raise error

        pre_delete.connect(receiver, sender=model, weak=False)
        receivers.append((model, receiver))

    yield begin
    for model, receiver in receivers:
        pre_delete.disconnect(receiver, sender=model)


ERRORS = [ProtectedError("It is protected.", set()), DatabaseError("broken"), OperationalError("locked"), ValueError()]


# Rows.


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_row_that_can_not_be_deleted_is_named_and_all_others_go(refuse: Refuse, error: Exception) -> None:
    nodes = expired_nodes(5)
    refuse(nodes[2], error=error)
    for others in (4, 0):
        purged = purge_expired()
        assert purged.data_nodes == others
        assert [text.partition(":")[0] for text in purged.passed_over] == [f"data node {nodes[2].pk}"]
        assert type(error).__name__ in purged.passed_over[0]
        assert list(DataNode.objects.all()) == [nodes[2]]


def test_more_rows_than_a_batch_that_can_not_be_deleted_keep_no_later_one(
    refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 3)
    nodes = expired_nodes(9)
    DataNode.objects.update(expires_at=past())
    refuse(*nodes[:7], error=DatabaseError("broken"))
    purged = purge_expired()
    assert (purged.data_nodes, len(purged.passed_over)) == (2, 7)
    assert set(DataNode.objects.all()) == set(nodes[:7])


def test_what_was_done_before_a_row_failed_is_rolled_back_with_it_alone(refuse: Refuse) -> None:
    nodes = expired_nodes(2)
    infos = [store_file(content=b"a", name="a", caller=ANN, belongs_to=node) for node in nodes]
    refuse(StoredFile.objects.get(pk=infos[0]["id"]), error=DatabaseError("broken"))
    assert purge_expired().data_nodes == 1
    kept = StoredFile.objects.get()
    assert (kept.node, default_storage.exists(kept.file.name)) == (nodes[0], True)


# Duties.


def without(**changes: int) -> Purged:
    return Purged(**{"data_nodes": 1, "files": 1, "contents": 1, "grants": 1, "sessions": 1, **changes})


def told(purged: Purged) -> tuple[Purged, list[str]]:
    """Part the counts from the names of what was passed over."""
    names = [text.partition(":")[0] for text in purged.passed_over]
    return replace(purged, passed_over=()), names


def test_everything_that_has_expired_goes() -> None:
    one_of_each()
    assert purge_expired() == without()


@pytest.mark.parametrize(
    ("model", "count", "name"),
    [(DataNode, "data_nodes", "data node"), (StoredFile, "files", "stored file"), (Grant, "grants", "grant")],
)
def test_a_duty_in_which_something_fails_leaves_the_others_alone(
    refuse: Refuse, model: Any, count: str, name: str
) -> None:
    one_of_each()
    row = model.objects.get()
    refuse(row, error=DatabaseError("broken"))
    assert told(purge_expired()) == (without(**{count: 0}), [f"{name} {row.pk}"])


def test_sessions_that_can_not_be_purged_at_all_are_told(settings: Any) -> None:
    one_of_each()
    settings.SESSION_ENGINE = "no.such.engine"
    assert told(purge_expired()) == (without(sessions=0), ["sessions"])


def test_a_storage_that_can_not_list_its_notes_leaves_the_other_duties_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one_of_each()

    def fail(path: str) -> Any:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "listdir", fail)
        assert told(purge_expired()) == (without(contents=0), ["contents without a row"])
    assert purge_expired() == Purged(contents=1), "it is tried again"


# Notes.


def failing_at(function: Any, *places: str, error: Exception) -> Any:
    def called(name: str, *arguments: Any, **options: Any) -> Any:
        if name in places:
            raise error
        return function(name, *arguments, **options)

    return called


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O"), RuntimeError("away")])
@pytest.mark.parametrize("ask", ["open", "get_modified_time"])
def test_a_note_that_can_not_be_read_is_named_and_all_others_are_settled(
    monkeypatch: pytest.MonkeyPatch, ask: str, error: Exception
) -> None:
    left = [leave_content(number) for number in (1, 2, 3)]
    failing = failing_at(getattr(default_storage, ask), left[1][1], error=error)
    with monkeypatch.context() as patched:
        patched.setattr(default_storage, ask, failing)
        assert told(purge_expired()) == (Purged(contents=2), [f"the note {left[1][1]}"])
    assert [default_storage.exists(path) for path, _ in left] == [False, True, False]
    assert purge_expired() == Purged(contents=1), "it is tried again"


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"", b"0000", b"not an id\nprocesses/x\n", b"1\n2\n3\n4\n"])
def test_a_note_that_says_nothing_is_thrown_away_and_others_are_settled(text: bytes) -> None:
    note = leave_note(text)
    path, _ = leave_content()
    assert purge_expired() == Purged(contents=1)
    assert not default_storage.exists(note)
    assert not default_storage.exists(path)


def test_a_content_that_can_not_be_deleted_is_named_and_keeps_its_note(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [leave_content(number) for number in (1, 2)]
    failing = failing_at(default_storage.delete, left[0][0], error=OSError("away"))
    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", failing)
        assert told(purge_expired()) == (Purged(contents=1), [f"the content {left[0][0]}"])
    assert default_storage.exists(left[0][1])
    assert purge_expired() == Purged(contents=1)


def test_a_note_that_names_a_place_outside_of_the_storage_deletes_nothing_there() -> None:
    leave_note(f"{'1' * 32}\n../../outside\n".encode())
    path, _ = leave_content()
    assert told(purge_expired()) == (Purged(contents=1), ["the content ../../outside"])
    assert not default_storage.exists(path)


# What is in use.


@contextmanager
def in_an_open_transaction(do: Callable[[], Any]) -> Iterator[None]:
    """Let another connection have done something, and commit it at the end."""
    done, may_commit, errors = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            with transaction.atomic():
                do()
                done.set()
                may_commit.wait(10)
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    done.wait(10)
    yield
    may_commit.set()
    thread.join()
    assert errors == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_what_can_not_be_cleared_away_keeps_nobody_from_keeping_data(refuse: Refuse, error: Exception) -> None:
    (stuck,) = expired_nodes(1)
    refuse(stuck, error=error)
    node = create_data_node(caller=ANN, data={"a": 1})
    assert set(DataNode.objects.all()) == {stuck, node}


needs_row_locks = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")


def prolong(node: DataNode) -> None:
    DataNode.objects.filter(pk=node.pk).update(expires_at=timezone.now() + timedelta(hours=1))


@needs_row_locks
def test_a_node_that_is_being_prolonged_is_passed_by_and_stays() -> None:
    node, other = expired_nodes(2)
    with in_an_open_transaction(partial(prolong, node)):
        assert purge_expired() == Purged(data_nodes=1)
    assert purge_expired() == Purged()
    assert list(DataNode.objects.all()) == [node]
    assert other != node


@needs_row_locks
def test_a_node_that_is_being_prolonged_is_not_cleared_away() -> None:
    node, other = expired_nodes(2)
    with in_an_open_transaction(partial(prolong, node)):
        new = create_data_node(caller=ANN, data={})
    assert set(DataNode.objects.all()) == {node, new}
    assert other != node


@needs_row_locks
def test_a_file_that_is_being_adopted_is_passed_by_and_stays() -> None:
    info = store_file(content=b"a,b\n", name="a.csv", caller=ANN)
    StoredFile.objects.update(expires_at=past())
    node = DataNode.objects.create(expires_at=None)
    with in_an_open_transaction(lambda: adopt_files([dict(info)], caller=ANN, owner=node)):
        assert purge_expired() == Purged()
    assert purge_expired() == Purged()
    kept = StoredFile.objects.get()
    assert (kept.node, default_storage.exists(kept.file.name)) == (node, True)


# The job.


def end_of(name: str) -> tuple[Job, TaskRoot]:
    job = enqueue(name, owner=Owner())
    assert work_off("default")
    job.refresh_from_db()
    return job, TaskRoot.objects.get(pk=job.pk)


@pytest.mark.parametrize("name", [PURGE_JOB, *OLDER_PURGE_JOBS])
def test_the_job_tells_what_was_deleted(name: str) -> None:
    one_of_each()
    job, root = end_of(name)
    assert (job.status, root.status) == ("completed", "completed")
    deleted = {
        "data_nodes": 1, "files": 1, "contents": 1, "callbacks": 0, "grants": 1, "sessions": 1, "firings": 0,
        "deliveries": 0, "messages": 0,
    }  # fmt: skip
    assert root.result == deleted


def test_the_job_fails_where_something_could_not_be_deleted_and_tells_what_and_all_else(refuse: Refuse) -> None:
    one_of_each()
    node = DataNode.objects.get()
    refuse(node, error=DatabaseError("broken"))
    job, root = end_of(PURGE_JOB)
    assert (job.status, root.status) == ("failed", "failed")
    told = f"data node {node.pk}: DatabaseError: broken"
    assert root.error == f"1 could not be deleted: {told}"
    assert job.error["passed_over"] == [told]
    deleted = {
        "data_nodes": 0, "files": 1, "contents": 1, "callbacks": 0, "grants": 1, "sessions": 1, "firings": 0,
        "deliveries": 0, "messages": 0,
    }  # fmt: skip
    assert job.error["deleted"] == deleted


def test_the_job_names_some_of_many_and_tells_how_many_there_are(refuse: Refuse) -> None:
    nodes = expired_nodes(25)
    refuse(*nodes, error=DatabaseError("broken"))
    job, root = end_of(PURGE_JOB)
    assert len(job.error["passed_over"]) == 20
    assert root.error.startswith(f"25 could not be deleted: data node {nodes[0].pk}: DatabaseError: broken; data node ")


def test_beat_schedules_the_present_job_where_an_older_release_has_scheduled_its_own(settings: Any) -> None:
    (name,) = settings.CELERY_BEAT_SCHEDULE

    def start_beat(job: str) -> PeriodicTask:
        celery.conf.beat_schedule = {name: {**settings.CELERY_BEAT_SCHEDULE[name], "args": (job,)}}
        DatabaseScheduler(app=celery, lazy=True).setup_schedule()
        return PeriodicTask.objects.get(name=name)

    started_with = celery.conf.beat_schedule
    try:
        for older in OLDER_PURGE_JOBS:
            start_beat(older)
        PeriodicTask.objects.filter(name=name).update(enabled=False)
        row = start_beat(*settings.CELERY_BEAT_SCHEDULE[name]["args"])
    finally:
        celery.conf.beat_schedule = started_with
    assert row.args == f'["{PURGE_JOB}"]'
    assert not row.enabled, "what an operator has switched off stays off"
