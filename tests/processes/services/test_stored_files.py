"""Files keep their content and lose what is dangerous about their names."""

import io

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from processes.models import StoredFile
from processes.services.access import Caller
from processes.services.errors import FileMissingError, StorageError
from processes.services.files import delete_file, extension_of, file_url, open_file, safe_name, store_file

CALLER = Caller(session_key="s" * 32)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("data.csv", "data.csv"),
        ("Bericht März.csv", "Bericht März.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\data.csv", "data.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("cod\u202eexe.csv", "codexe.csv"),
        ("", "file"),
        ("...", "file"),
        ("/", "file"),
        ("x" * 500 + ".csv", "x" * 146 + ".csv"),
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


class FullDisk(io.BytesIO):
    def read(self, *_) -> bytes:
        raise OSError(28, "No space left on device")


@pytest.mark.django_db
def test_a_full_disk_is_told_and_leaves_nothing() -> None:
    with pytest.raises(StorageError, match="no room left"):
        store_file(content=FullDisk(b"x"), name="a", caller=CALLER)
    assert not StoredFile.objects.exists()
