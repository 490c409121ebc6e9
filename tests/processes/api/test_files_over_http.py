"""Files over HTTP: stored for their sender, told and sent to whom the pages send them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from processes.models import StoredFile
from processes.services.access import Caller
from processes.services.files import store_file
from tests.processes.api.api_kit import by_token, person, send, signed_in
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db

ROWS = b"name\nann\n"


@pytest.fixture
def ann() -> User:
    return person("ann", staff=False)


def upload(client: Client, content: bytes = ROWS, name: str = "rows.csv", **more: Any) -> Any:
    return client.post("/api/files/", {"file": SimpleUploadedFile(name, content, "text/csv"), **more})


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def status(client: Client, address: str) -> int:
    answer = client.get(address)
    answer.getvalue()
    return int(answer.status_code)


def test_a_file_is_stored_told_and_sent_back(ann: User) -> None:
    client = signed_in(ann)
    made = upload(client)
    stored = StoredFile.objects.get()
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/files/{stored.pk}/")
    told = client.get(made.headers["Location"]).json()
    assert told == made.json()
    assert {key: told[key] for key in ("type", "id", "name", "size", "content_type", "extension")} == {
        "type": "FILE_INFO", "id": str(stored.pk), "name": "rows.csv", "size": len(ROWS), "content_type": "text/csv",
        "extension": "csv",
    }  # fmt: skip
    assert stored.owner == ann
    assert told["expires_at"] is not None
    sent = client.get(told["content_url"], headers={"Accept": "text/csv"})
    assert (sent.status_code, body(sent)) == (200, ROWS)
    assert sent.headers["Content-Disposition"] == 'attachment; filename="rows.csv"'
    part = client.get(told["content_url"], headers={"Range": "bytes=5-"})
    assert (part.status_code, body(part)) == (206, ROWS[5:])
    assert client.get(told["content_url"], headers={"If-None-Match": sent.headers["ETag"]}).status_code == 304


def test_it_goes_with_the_data_that_name_it(ann: User) -> None:
    leave_type()
    client = signed_in(ann)
    info = upload(client).json()
    named = {key: info[key] for key in ("type", "id", "name", "size", "content_type", "extension")}
    made = send(client, "instances/", {"type": "leave", "data": {"days": 1, "paper": named}})
    assert made.status_code == 201
    stored = StoredFile.objects.get()
    assert (str(stored.instance_id), stored.expires_at) == (made.json()["id"], None)


def test_a_file_is_there_for_whom_it_is_on_the_pages(ann: User) -> None:
    type, boss = leave_type(), member("boss", "clerks")
    instance = leave(type, ann, status="handed in")
    caller = Caller(user_id=ann.pk)
    own = store_file(content=b"x", name="own.txt", caller=caller)["id"]
    held = store_file(content=b"x", name="held.txt", caller=caller, belongs_to=instance)["id"]
    reached = {
        "owner": signed_in(ann), "clerk": signed_in(boss), "other": signed_in(person("bob", staff=False)),
        "staff": signed_in(person("pat")), "viewer": signed_in(person("vic", "view_storedfile")), "nobody": Client(),
    }  # fmt: skip
    for path in ("", "content/"):
        found = {
            name: [status(client, f"/api/files/{key}/{path}") for key in (own, held)]
            for name, client in reached.items()
        }
        assert found == {
            "owner": [200, 200], "clerk": [404, 200], "other": [404, 404], "staff": [404, 404],
            "viewer": [200, 200], "nobody": [404, 404],
        }  # fmt: skip
    missing = reached["other"].get("/api/files/00000000-0000-0000-0000-000000000000/")
    assert reached["other"].get(f"/api/files/{own}/").content == missing.content


def test_only_who_has_signed_in_stores_files(ann: User) -> None:
    assert upload(Client()).status_code == 401
    assert upload(by_token(ann, "files:write")).status_code == 201
    assert upload(by_token(ann, "files:read")).status_code == 403
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(ann)
    assert upload(guarded).status_code == 403
    assert StoredFile.objects.count() == 1


def test_what_is_no_file_is_refused(ann: User) -> None:
    client = signed_in(ann)
    assert client.post("/api/files/", {"file": "text"}).status_code == 400
    assert upload(client, other=SimpleUploadedFile("b", b"b")).status_code == 400
    assert send(client, "files/", {"file": "x"}).status_code == 415
    broken = client.post("/api/files/", b"--x\r\nbroken", content_type="multipart/form-data; boundary=y")
    assert broken.status_code == 400
    assert not StoredFile.objects.exists()


def test_more_than_this_site_takes_is_refused(ann: User, settings: Settings) -> None:
    settings.STEPLINE_UPLOAD_MAX_BYTES = 1_000
    answer = upload(signed_in(ann), b"x" * 2_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not StoredFile.objects.exists()
