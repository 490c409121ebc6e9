"""Of a file no more is kept than a form of the process takes, and the form says how large it was."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import resolve
from pytest_django import Settings

from processes.models import StoredFile
from processes.pages.uploads import LimitingUploadHandler, OversizedFile
from processes.services.errors import TooLargeError
from tests.processes.pages.browsing import send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

KIB = 1024


def field(name: str = "file", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": "file", **options}


def upload(size: int, name: str = "a.bin") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"x" * size)


def received(path: str, **files: SimpleUploadedFile) -> Any:
    """Return the files of a request as the page there would see them."""
    request = RequestFactory().post(path, files)
    request.resolver_match = resolve(path)
    return request.FILES


def test_a_file_that_is_too_large_is_told_by_its_form_and_not_stored(client: Client) -> None:
    publish_process("ask", [form("ask", "show", field(max_bytes=10 * KIB)), page("show", "kept")])
    response = send_form(client, client.get("/p/ask/"), file=upload(300 * KIB))
    assert response.status_code == 422
    assert "300.0" in response.content.decode()
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize("size", [10 * KIB + 1, 300 * KIB])
def test_nothing_is_kept_of_a_file_that_no_form_takes(size: int) -> None:
    publish_process("ask", [form("ask", "show", field(max_bytes=10 * KIB)), page("show", "kept")])
    file = received("/p/ask/", file=upload(size))["file"]
    assert isinstance(file, OversizedFile)
    assert file
    assert (file.size, file.name) == (size, "a.bin")
    for reads in (file.read, lambda: list(file.chunks())):
        with pytest.raises(TooLargeError):
            reads()


@pytest.mark.parametrize("size", [0, 1, 10 * KIB, 300 * KIB])
def test_a_file_that_a_form_takes_arrives_whole(size: int) -> None:
    publish_process("ask", [form("ask", "show", field(max_bytes=300 * KIB)), page("show", "kept")])
    files = received("/p/ask/", file=upload(size), other=upload(400 * KIB))
    assert files["file"].read() == b"x" * size
    assert files["other"].size == 400 * KIB, "what no form has a limit for is the form's business"
    for file in files.values():
        file.close()


def test_of_several_forms_the_most_generous_counts() -> None:
    publish_process("inner", [form("ask", "show", field(max_bytes=40 * KIB))])
    publish_process(
        "ask",
        [
            form("first", "second", field(max_bytes=10 * KIB), field("open", max_bytes=KIB)),
            form("second", "show", field(max_bytes=20 * KIB), field("open")),
            {"name": "call", "script": "it"},
            page("show", "kept"),
        ],
        bindings={"it": {"process": "inner"}},
    )
    files = received("/p/ask/", file=upload(35 * KIB), open=upload(35 * KIB))
    assert not any(isinstance(file, OversizedFile) for file in files.values())
    assert isinstance(received("/p/ask/", file=upload(45 * KIB))["file"], OversizedFile)


def test_one_file_that_is_too_large_leaves_the_others_alone() -> None:
    publish_process("ask", [form("ask", "show", field(max_bytes=10 * KIB)), page("show", "kept")])
    request = RequestFactory().post("/p/ask/", {"file": [upload(5), upload(20 * KIB), upload(7)]})
    request.resolver_match = resolve("/p/ask/")
    assert [file.size for file in request.FILES.getlist("file")] == [5, 20 * KIB, 7]
    assert [isinstance(file, OversizedFile) for file in request.FILES.getlist("file")] == [False, True, False]


@pytest.mark.parametrize("path", ["/p/nothing-here/", "/instances/00000000-0000-7000-8000-000000000000/", "/"])
def test_pages_without_a_process_limit_nothing(path: str) -> None:
    assert received(path, file=upload(20 * KIB))["file"].size == 20 * KIB


def test_without_a_request_nothing_is_limited() -> None:
    handler = LimitingUploadHandler()
    handler.new_file("file", "a", "text/plain", None)
    assert handler.receive_data_chunk(b"x", 0) == b"x"
    assert handler.file_complete(1) is None


def test_the_handler_is_part_of_the_settings(settings: Settings) -> None:
    assert settings.FILE_UPLOAD_HANDLERS[0] == "processes.pages.uploads.LimitingUploadHandler"
