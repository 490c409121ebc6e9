"""A stored file goes to its owner only, and never as a page of this site."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from processes.models import StoredFile
from processes.pages.downloads import BLOCK_BYTES, file_response
from processes.services.access import Caller
from processes.services.files import file_url, find_file, store_file
from processes.services.purging import Purged, purge_expired
from tests.processes.pages.browsing import main_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


def stored_for(caller: Caller, **options):
    return store_file(
        **{"content": b"<script>", "name": "page.html", "content_type": "text/html", **options}, caller=caller
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_owner_gets_the_file_with_headers_that_keep_it_harmless(owner: User) -> None:
    response = signed_in(owner).get(file_url(stored_for(Caller(user_id=owner.pk), name='a "b" é.html')))
    assert b"".join(response.streaming_content) == b"<script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox")
    response.close()


def test_everybody_else_sees_a_page_as_if_there_were_no_such_file(owner: User, client: Client) -> None:
    url = file_url(stored_for(Caller(user_id=owner.pk)))
    other = signed_in(User.objects.create_user("other"))
    staff = signed_in(User.objects.create_user("clerk", is_staff=True))
    for visitor in (client, other, staff):
        missing = visitor.get(f"/files/{uuid4()}/")
        refused = visitor.get(url)
        assert refused.status_code == missing.status_code == 404
        assert main_of(refused) == main_of(missing)


def test_staff_with_the_permission_get_every_file(owner: User) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_storedfile"))
    response = signed_in(clerk).get(file_url(stored_for(Caller(user_id=owner.pk))))
    assert response.status_code == 200
    response.close()


def test_the_session_of_somebody_not_signed_in_owns_its_files(client: Client) -> None:
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    url = file_url(stored_for(Caller(session_key=session.session_key)))
    response = client.get(url)
    assert response.status_code == 200
    response.close()
    assert Client().get(url).status_code == 404


def test_under_asgi_the_file_is_read_in_chunks(owner: User) -> None:
    async def received() -> list[bytes]:
        return [chunk async for chunk in response]

    size = 300_000
    info = stored_for(Caller(user_id=owner.pk), content=b"x" * size, content_type="text/csv")
    response = file_response(find_file(info))
    chunks = async_to_sync(received)()
    response.close()
    assert sum(map(len, chunks)) == size
    assert max(map(len, chunks)) <= BLOCK_BYTES
    assert response.headers["Content-Type"] == "text/csv"


# Parts, and what is there already.

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def get(owner: User) -> Callable[..., Any]:
    """Return a function that asks for a file of 1,024 bytes, and gives the answer with its body."""
    client, url = signed_in(owner), file_url(stored_for(Caller(user_id=owner.pk), content=CONTENT))

    def answer(method: str = "get", **headers: str) -> tuple[Any, bytes]:
        response = getattr(client, method)(url, headers=headers)
        body = b"".join(response.streaming_content) if response.streaming else response.content
        return response, body

    return answer


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, 1023),
        ("bytes=-24", 1000, 1023),
        ("bytes=-5000", 0, 1023),
        ("bytes=1023-1023", 1023, 1023),
        ("bytes=1000-99999", 1000, 1023),
        ("Bytes= 5-6 ", 5, 6),
    ],
)
def test_a_part_of_a_file_can_be_asked_for(get, asked: str, start: int, end: int) -> None:
    response, body = get(range=asked)
    assert response.status_code == 206
    assert body == CONTENT[start : end + 1]
    assert response.headers["Content-Range"] == f"bytes {start}-{end}/1024"
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(get, asked: str) -> None:
    response, body = get(range=asked)
    assert (response.status_code, body) == (416, b"")
    assert response.headers["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize(
    "asked",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=7-6", "bytes=0-1,5-6", "lines=1-2", "bytes=1--2",
        f"bytes={'9' * 30}-",
    ],
)  # fmt: skip
def test_what_is_no_single_range_gets_the_whole(get, asked: str) -> None:
    response, body = get(range=asked)
    assert (response.status_code, body) == (200, CONTENT)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Length"] == "1024"


def test_an_empty_file_has_no_parts(owner: User) -> None:
    url = file_url(stored_for(Caller(user_id=owner.pk), content=b""))
    client = signed_in(owner)
    whole = client.get(url)
    assert (whole.status_code, b"".join(whole.streaming_content)) == (200, b"")
    assert client.get(url, headers={"range": "bytes=0-"}).status_code == 416


def test_whoever_has_the_file_already_is_told_so(get) -> None:
    etag = get()[0].headers["ETag"]
    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        response, body = get(if_none_match=known)
        assert (response.status_code, body) == (304, b"")
        assert response.headers["ETag"] == etag
    assert get(if_none_match='"x"')[0].status_code == 200
    assert get(if_match='"x"')[0].status_code == 412
    assert get(if_modified_since=get()[0].headers["Last-Modified"])[0].status_code == 304


def test_a_part_is_sent_only_of_what_its_reader_has_the_rest_of(get) -> None:
    headers = get()[0].headers
    for same in (headers["ETag"], headers["Last-Modified"]):
        assert get(range="bytes=1-2", if_range=same)[0].status_code == 206
    for other in ('"x"', f"W/{headers['ETag']}", "Thu, 01 Jan 1970 00:00:00 GMT", "x", "*"):
        response, body = get(range="bytes=1-2", if_range=other)
        assert (response.status_code, body) == (200, CONTENT)


def test_the_head_of_a_file_is_told_without_its_body(get) -> None:
    whole, head = get()[0], get("head")
    assert head[1] == b""
    for response in (head[0], get("head", range="bytes=1-2")[0]):
        assert response.status_code == 200
        assert dict(response.headers) == dict(whole.headers)


def test_a_file_whose_content_is_gone_looks_like_one_that_never_was(owner: User) -> None:
    info = stored_for(Caller(user_id=owner.pk))
    default_storage.delete(find_file(info).file.name)
    client = signed_in(owner)
    gone, never = client.get(file_url(info)), client.get(f"/files/{uuid4()}/")
    assert (gone.status_code, main_of(gone)) == (404, main_of(never))


def test_a_file_that_is_still_arriving_can_not_be_downloaded(owner: User) -> None:
    info = stored_for(Caller(user_id=owner.pk))
    StoredFile.objects.update(is_complete=False)
    assert signed_in(owner).get(file_url(info)).status_code == 404


class Unbased(Storage):
    """A storage as others have it: without paths, lists and times."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def _open(self, name: str, mode: str) -> ContentFile:
        return ContentFile(self.held[name], name)

    def _save(self, name: str, content: Any) -> str:
        self.held[name] = b"".join(content.chunks())
        return name

    def exists(self, name: str) -> bool:
        return name in self.held

    def size(self, name: str) -> int:
        return len(self.held[name])

    def delete(self, name: str) -> None:
        self.held.pop(name, None)


def test_a_storage_without_paths_will_do(owner: User, settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{Unbased.__module__}.Unbased"}}
    url = file_url(stored_for(Caller(user_id=owner.pk), content=CONTENT))
    response = signed_in(owner).get(url, headers={"range": "bytes=10-19"})
    assert b"".join(response.streaming_content) == CONTENT[10:20]
    with transaction.atomic():
        StoredFile.objects.get().delete()
        stored_for(Caller(user_id=owner.pk))
    assert purge_expired() == Purged()


@pytest.mark.parametrize("ending", ["end", "gone", "closed"])
def test_whatever_ends_a_download_closes_the_file(owner: User, ending: str) -> None:
    async def receive() -> None:
        blocks = aiter(response)
        await anext(blocks)
        if ending == "gone":
            await blocks.aclose()
        elif ending == "end":
            assert [block async for block in blocks] == []

    response = file_response(find_file(stored_for(Caller(user_id=owner.pk))))
    async_to_sync(receive)()
    if ending == "closed":
        response.close()
    assert response._content.closed
