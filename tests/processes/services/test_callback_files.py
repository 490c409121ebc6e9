"""Files in what is reported: copied for the callback, and deleted with it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from processes.errors import NotJsonError
from processes.models import Callback, FileHolder, InboxItem, StoredFile
from processes.services.access import Caller
from processes.services.callback_files import MOST_FILES
from processes.services.callbacks import query_callback
from processes.services.errors import CallbackFileError
from processes.services.files import FileInfo, open_file, store_file
from processes.services.purging import purge_expired
from tasks.errors import KeyReused
from tests.processes.callback_kit import CallbackKit

#: Whoever the runs of these tests work for.
OWNER = Caller(session_key="s")


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    return CallbackKit(kit)


def file(content: bytes = b"a,b\n", caller: Caller = OWNER) -> FileInfo:
    return store_file(content=content, name="a.csv", content_type="text/csv", caller=caller)


def begin(calls: CallbackKit, **config: Any) -> None:
    calls.begin(calls.anchor(next={"progress": "seen", "complete": "seen"}, **config), calls.call(), calls.see("seen"))


def delete(info: FileInfo) -> None:
    StoredFile.objects.get(pk=info["id"]).delete()


def let_retention_pass() -> None:
    Callback.objects.update(purge_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("stores", [True, False])
def test_a_reported_file_is_copied_and_outlives_the_one_that_was_named(
    kit: Any, calls: CallbackKit, stores: bool
) -> None:
    begin(calls, callbackStoreResponse=stores)
    named = file()
    calls.report("complete", {"files": [{"table": dict(named)}]})
    delete(named)
    kit.work()
    ((_, told),) = calls.seen
    copy = told["files"][0]["table"]
    assert copy["id"] != named["id"]
    assert {**copy, "id": ""} == {**named, "id": ""}
    with open_file(copy, caller=OWNER) as content:
        assert content.read() == b"a,b\n"
    assert StoredFile.objects.get(pk=copy["id"]).callback == calls.callback()
    if stores:
        assert query_callback(calls.callback().pk).data == told


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_no_file_is_stored_under_a_name_that_data_cannot_hold(calls: CallbackKit, name: str) -> None:
    begin(calls)
    with pytest.raises(NotJsonError):
        calls.report("complete", {"n": 1}, files={name: SimpleUploadedFile("a.txt", b"a")})
    assert not StoredFile.objects.exists()
    assert calls.callback().status == "created"


def sent(name: str = "a.txt", content: bytes = b"a", part: str = "slip") -> dict[str, Any]:
    return {part: SimpleUploadedFile(name, content)}


@pytest.mark.parametrize("size", [1, 5_000_000])
def test_files_that_are_sent_again_under_a_key_are_known_and_stored_whole_once(calls: CallbackKit, size: int) -> None:
    begin(calls, callbackStoreResponse=True)
    content = b"a" * size
    for _ in range(2):
        calls.report("progress", {"n": 1}, files=sent(content=content), key="k")
    stored = StoredFile.objects.get()
    with open_file(str(stored.pk), caller=OWNER) as opened:
        assert opened.read() == content


@pytest.mark.parametrize("other", [{"content": b"b"}, {"name": "b.txt"}, {"part": "bill"}, None], ids=str)
def test_other_files_under_a_key_that_was_used_are_refused_and_not_stored(
    calls: CallbackKit, other: dict[str, Any] | None
) -> None:
    begin(calls)
    calls.report("progress", {"n": 1}, files=sent(), key="k")
    with pytest.raises(KeyReused):
        calls.report("progress", {"n": 1}, files=None if other is None else sent(**other), key="k")
    assert StoredFile.objects.count() == 1


def test_a_report_that_names_a_file_is_known_again_by_its_key(calls: CallbackKit) -> None:
    begin(calls)
    named = dict(file())
    for _ in range(2):
        assert calls.report("complete", {"slip": named}, key="k").status == "completed"
    assert InboxItem.objects.count() == 1


def test_a_copy_is_deleted_with_its_callback_when_the_retention_is_over(kit: Any, calls: CallbackKit) -> None:
    begin(calls, callbackStoreResponse=True)
    named = file()
    calls.report("complete", dict(named))
    kit.work()
    copy = StoredFile.objects.get(callback__isnull=False)
    assert default_storage.exists(copy.file.name)
    assert purge_expired().callbacks == 0
    let_retention_pass()
    assert purge_expired().callbacks == 1
    assert not Callback.objects.exists()
    assert not default_storage.exists(copy.file.name)
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [StoredFile.objects.get(pk=named["id"]).pk]


def test_a_file_that_the_runs_data_names_outlives_the_callback_and_goes_with_the_run(
    kit: Any, calls: CallbackKit
) -> None:
    keep = {"name": "keep", "script": "set_data", "config": {"values": {"report": "%{attr:callbackData}"}},
            "next": False}  # fmt: skip
    run_id = calls.begin(calls.anchor(next={"complete": "keep"}), calls.call(), keep)
    named = file()
    calls.report("complete", dict(named))
    kit.work()
    kept = kit.data(run_id)["report"]
    assert FileHolder.objects.get().run_id == run_id
    let_retention_pass()
    assert purge_expired().callbacks == 1
    with open_file(kept, caller=OWNER) as content:
        assert content.read() == b"a,b\n"
    assert StoredFile.objects.get(pk=kept["id"]).run_id == run_id
    kit.run(run_id).root.delete()
    assert not StoredFile.objects.filter(pk=kept["id"]).exists()


def test_a_file_that_is_reported_again_is_copied_once(kit: Any, calls: CallbackKit) -> None:
    begin(calls, callbackStoreResponse=True)
    named = dict(file())
    calls.report("progress", {"one": named, "two": named})
    stored = query_callback(calls.callback().pk).data
    assert stored["one"] == stored["two"]
    calls.report("progress", {"again": named, "own": stored["one"]})
    again = query_callback(calls.callback().pk).data
    assert again["again"] == again["own"] == stored["one"]
    assert StoredFile.objects.filter(callback__isnull=False).count() == 1


def test_a_file_of_somebody_else_can_not_be_reported(kit: Any, calls: CallbackKit) -> None:
    begin(calls)
    theirs = file(caller=Caller(user_id=User.objects.create_user("other").pk))
    for named in (dict(theirs), {"type": "FILE_INFO", "id": "no id"}, {"type": "FILE_INFO", "id": {"x": 1}}):
        with pytest.raises(CallbackFileError):
            calls.report("complete", [named])
    assert calls.callback().status == "created"
    assert not InboxItem.objects.exists()
    assert not StoredFile.objects.filter(callback__isnull=False).exists()


def test_what_a_script_reports_is_read_with_the_rights_of_its_run_and_belongs_to_the_anchors(
    kit: Any, calls: CallbackKit
) -> None:
    begin(calls)
    worker = User.objects.create_user("worker")
    theirs = dict(file(caller=Caller(user_id=worker.pk)))
    config = {"callbackAction": "complete", "callbackToken": calls.tokens[0], "callbackData": theirs}
    run_id = calls.begin({"name": "send", "script": "callback", "config": config}, user=worker)
    assert kit.run(run_id).error is None
    copy = StoredFile.objects.get(callback__isnull=False)
    assert (copy.owner_id, copy.session_key) == (None, "s")


def test_a_report_names_no_more_than_so_many_files(kit: Any, calls: CallbackKit) -> None:
    begin(calls)
    first = dict(file())
    many = [first] + [{**first, "id": str(info["id"])} for info in (file() for _ in range(MOST_FILES))]
    with pytest.raises(CallbackFileError, match="100 files"):
        calls.report("complete", many)


def test_a_callback_is_kept_until_its_run_has_taken_the_message(kit: Any, calls: CallbackKit) -> None:
    begin(calls)
    calls.report("complete", dict(file()))
    let_retention_pass()
    assert purge_expired().callbacks == 0
    kit.work()
    assert purge_expired().callbacks == 1


def test_a_callback_of_a_run_that_took_no_more_messages_goes_too(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(calls.anchor("first", next={"prepare": "second"}),
                         calls.anchor("second", next={"progress": "bad"}), calls.call(),
                         {"name": "bad", "script": "fail"})  # fmt: skip
    calls.report("progress")
    calls.report("complete")
    kit.work()
    assert kit.run(run_id).status == "failed"
    assert InboxItem.objects.filter(taken_at=None).exists()
    let_retention_pass()
    assert purge_expired().callbacks == 2


def test_a_callback_whose_time_was_up_unnoticed_is_ended_by_the_purge_and_purged_later(
    kit: Any, calls: CallbackKit
) -> None:
    begin(calls, callbackRetention="PT0S")
    Callback.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired().callbacks == 0, "the run is yet to hear of it"
    assert calls.callback().status == "timeout"
    kit.work()
    assert purge_expired().callbacks == 1


def test_an_open_callback_is_never_purged(kit: Any, calls: CallbackKit) -> None:
    begin(calls, callbackTimeout="P30D")
    assert purge_expired().callbacks == 0
    assert calls.callback().purge_at is None


def test_the_copies_of_an_open_callback_go_with_its_run(kit: Any, calls: CallbackKit) -> None:
    begin(calls, callbackStoreResponse=True)
    calls.report("progress", dict(file()))
    copy = StoredFile.objects.get(callback__isnull=False)
    calls.callback().run.root.delete()
    assert not StoredFile.objects.filter(pk=copy.pk).exists()
    assert not default_storage.exists(copy.file.name)
