"""Files keep their content and lose what is dangerous about their names."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import transaction
from django.utils import timezone

from processes.models import StoredFile
from processes.services.access import Caller
from processes.services.errors import FileMissingError, StorageError
from processes.services.file_contents import UNSETTLED, settle_contents
from processes.services.files import delete_file, extension_of, file_url, open_file, safe_name, store_file

CALLER = Caller(session_key="s" * 32)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("data.csv", "data.csv"),
        ("Bericht März.csv", "Bericht März.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\data.csv", "data.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie_ x.csv"),
        ("cod\u202eexe.csv", "codexe.csv"),
        ("", "file"),
        ("...", "file"),
        ("/", "file"),
        ("x" * 500 + ".csv", "x" * 146 + ".csv"),
        ("x" * 500, "x" * 150),
        ("a." + "x" * 500, "a." + "x" * 19),
        (".csv", "csv"),
        (" .. a.csv . ", "a.csv"),
        (".", "file"),
        ("..", "file"),
        ("../..", "file"),
        ("a/", "file"),
        ("\0", "file"),
        ("a\0.csv", "a.csv"),
        ("\u202e\u2066\u200f", "file"),
        ("a\u00a0b\u2028c.csv", "a b c.csv"),
        ("a\u0308.csv", "ä.csv"),
        ("a\ud800.csv", "a.csv"),
        ("a.csv:hidden", "a.csv_hidden"),
        ('what?<is>|"this"*.csv', "what__is___this__.csv"),
        ("CON", "_CON"),
        ("nul.csv", "_nul.csv"),
        ("Com1 .tar.gz", "_Com1 .tar.gz"),
        ("aux.", "_aux"),
        ("console.csv", "console.csv"),
        ("data.con", "data.con"),
    ],
)
def test_names_are_made_safe(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize(("name", "extension"), [("a.CSV", "csv"), ("a.tar.gz", "gz"), ("a", ""), (".hidden", "")])
def test_the_extension_is_the_last_suffix_in_lower_case(name: str, extension: str) -> None:
    assert extension_of(name) == extension


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content",
    [b"a,b\n", io.BytesIO(b"a,b\n"), SimpleUploadedFile("x", b"a,b\n")],
    ids=["bytes", "stream", "upload"],
)
def test_content_comes_back_as_it_was_stored(content) -> None:
    info = store_file(content=content, name="a.csv", content_type="text/csv", caller=CALLER)
    assert (info["size"], info["extension"]) == (4, "csv")
    assert file_url(info) == f"/files/{info['id']}/"
    for given in (info, info["id"]):
        with open_file(given) as file:
            assert file.read() == b"a,b\n"


@pytest.mark.parametrize("name", ["con" + " " * 200 + "x", "a" * 200 + ".nul", "." * 300 + "é" * 300])
def test_a_safe_name_is_safe_once_more(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@pytest.mark.django_db
def test_a_temporary_file_is_moved_and_not_copied() -> None:
    upload = TemporaryUploadedFile("a.csv", "text/csv", 4, None)
    upload.write(b"a,b\n")
    upload.seek(0)
    before = Path(upload.temporary_file_path()).stat().st_ino
    info = store_file(content=upload, name="a.csv", caller=CALLER)
    upload.close()
    stored = StoredFile.objects.get(pk=info["id"])
    assert Path(stored.file.path).stat().st_ino == before
    assert (info["size"], stored.size) == (4, 4)


@pytest.mark.django_db
def test_the_place_of_a_file_does_not_bear_its_name() -> None:
    store_file(content=b"x", name="invoice.html", caller=CALLER)
    assert "invoice" not in StoredFile.objects.get().file.name


@pytest.mark.django_db
@pytest.mark.parametrize("declared", ["", "nonsense", "text/html\r\nX: y", "a/" + "b" * 200])
def test_a_content_type_that_is_none_becomes_plain_bytes(declared: str) -> None:
    info = store_file(content=b"x", name="a", content_type=declared, caller=CALLER)
    assert info["content_type"] == "application/octet-stream"


@pytest.mark.django_db
@pytest.mark.parametrize("info", [{}, {"id": None}, {"id": "x"}, {"id": "0" * 32}, "x", "0" * 32])
def test_what_names_no_file_is_not_found(info) -> None:
    with pytest.raises(FileMissingError):
        open_file(info)


@pytest.mark.django_db
def test_with_a_caller_only_their_own_files_are_opened() -> None:
    info = store_file(content=b"x", name="a", caller=CALLER)
    open_file(info, caller=CALLER).close()
    with pytest.raises(FileMissingError):
        open_file(info, caller=Caller(session_key="t" * 32))


@pytest.mark.django_db
def test_a_row_without_content_is_a_missing_file() -> None:
    info = store_file(content=b"x", name="a", caller=CALLER)
    default_storage.delete(StoredFile.objects.get().file.name)
    with pytest.raises(FileMissingError):
        open_file(info)


@pytest.mark.django_db
def test_deleting_takes_the_content_away_once_it_is_committed(django_capture_on_commit_callbacks) -> None:
    info = store_file(content=b"x", name="a", caller=CALLER)
    path = StoredFile.objects.get().file.name
    with django_capture_on_commit_callbacks(execute=True):
        delete_file(info)
        assert default_storage.exists(path)
    assert not default_storage.exists(path)
    delete_file(info)


def contents() -> set[Path]:
    return {path for path in Path(default_storage.path("processes")).rglob("*") if path.is_file()}


def notes() -> list[str]:
    return default_storage.listdir(UNSETTLED)[1]


def never(what: str, error: Exception) -> None:
    raise error


class FullDisk(io.BytesIO):
    def read(self, *_) -> bytes:
        raise OSError(28, "No space left on device")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["alone", "in a transaction"])
def test_a_full_disk_is_told_and_leaves_nothing(within: Any) -> None:
    before = contents()
    with within():
        with pytest.raises(StorageError, match="no room left"):
            store_file(content=FullDisk(b"x"), name="a", caller=CALLER)
        assert not StoredFile.objects.exists()
    assert contents() == before


class Broken(io.BytesIO):
    """Break in the middle, as a generator of rows may."""

    def read(self, *arguments: Any) -> bytes:
        if self.tell():
            raise ZeroDivisionError
        return super().read(10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["alone", "in a transaction"])
def test_content_that_breaks_in_the_middle_leaves_nothing_and_raises_its_own_error(within: Any) -> None:
    before = contents()
    with within(), pytest.raises(ZeroDivisionError):
        store_file(content=Broken(b"x" * 100_000), name="a", caller=CALLER)
    assert not StoredFile.objects.exists()
    assert contents() == before


class Looking(io.BytesIO):
    """Look at the row while the content is arriving."""

    def read(self, *arguments: Any) -> bytes:
        stored = StoredFile.objects.get()
        assert stored.expires_at is not None
        assert stored.expires_at < timezone.now() + timedelta(hours=25)
        with pytest.raises(FileMissingError):
            open_file(stored.pk, caller=CALLER)
        return super().read(*arguments)


@pytest.mark.django_db(transaction=True)
def test_until_all_of_it_is_there_a_file_can_not_be_read() -> None:
    info = store_file(content=Looking(b"a,b\n"), name="a.csv", caller=CALLER)
    with open_file(info, caller=CALLER) as file:
        assert file.read() == b"a,b\n"


class Deleting(io.BytesIO):
    """Delete the row while the content is arriving."""

    def read(self, *arguments: Any) -> bytes:
        StoredFile.objects.all().delete()
        return super().read(*arguments)


@pytest.mark.django_db(transaction=True)
def test_a_file_whose_owner_is_deleted_while_it_arrives_is_refused_and_leaves_nothing() -> None:
    before = contents()
    with pytest.raises(StorageError):
        store_file(content=Deleting(b"a,b\n"), name="a.csv", caller=CALLER)
    assert contents() == before


@pytest.mark.django_db(transaction=True)
def test_where_the_row_is_rolled_back_the_content_goes_too() -> None:
    before = contents()
    with transaction.atomic():
        info = store_file(content=b"x", name="a", caller=CALLER)
        open_file(info, caller=CALLER).close()
        transaction.set_rollback(True)
    assert contents() == before


@contextmanager
def rolled_back_block() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def rolled_back_by_hand() -> Iterator[None]:
    point = transaction.savepoint()
    yield
    transaction.savepoint_rollback(point)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rolled_back", [rolled_back_block, rolled_back_by_hand])
def test_a_savepoint_that_is_rolled_back_takes_only_its_own_files_along(rolled_back: Any) -> None:
    old = store_file(content=b"old", name="a", caller=CALLER)
    before = contents()
    with transaction.atomic():
        kept = store_file(content=b"kept", name="a", caller=CALLER)
        with rolled_back():
            store_file(content=b"gone", name="a", caller=CALLER)
            delete_file(old)
            delete_file(kept)
    for info, content in ((old, b"old"), (kept, b"kept")):
        with open_file(info, caller=CALLER) as file:
            assert file.read() == content
    assert len(contents() - before) == 1
    assert notes() == []


@pytest.mark.django_db(transaction=True)
def test_what_is_stored_and_deleted_in_one_transaction_is_gone() -> None:
    before = contents()
    with transaction.atomic():
        delete_file(store_file(content=b"x", name="a", caller=CALLER))
    assert contents() == before


@pytest.mark.django_db(transaction=True)
def test_a_storage_that_can_not_delete_keeps_nobody_from_deleting_and_is_asked_again(monkeypatch) -> None:
    info = store_file(content=b"x", name="a", caller=CALLER)
    path = StoredFile.objects.get().file.name
    delete = default_storage.delete

    def fail(name: str) -> None:
        if name == path:
            raise OSError("away")
        delete(name)

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", fail)
        delete_file(info)
    assert not StoredFile.objects.exists()
    assert default_storage.exists(path)
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    (note,) = notes()
    os.utime(default_storage.path(f"{UNSETTLED}/{note}"), (yesterday, yesterday))
    assert settle_contents(passed_over=never) == 1
    assert not default_storage.exists(path)
    assert notes() == []


@pytest.mark.django_db(transaction=True)
def test_a_note_that_was_cut_short_is_thrown_away() -> None:
    name = default_storage.save(f"{UNSETTLED}/{'0' * 32}", ContentFile(b"0000"))
    yesterday = (timezone.now() - timedelta(hours=25)).timestamp()
    os.utime(default_storage.path(name), (yesterday, yesterday))
    assert settle_contents(passed_over=never) == 0
    assert notes() == []
