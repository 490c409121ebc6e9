"""No server has to receive more of a request than this site takes, and the page still says what was wrong."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from pytest_django import Settings

from config.bodies import LimitedBodies

LIMIT = 1_000


@pytest.fixture(autouse=True)
def _limit(settings: Settings) -> None:
    settings.STEPLINE_UPLOAD_MAX_BYTES = LIMIT


class Client:
    """Send the parts of a body, and note how many of them were asked for."""

    def __init__(self, *parts: bytes, **headers: str) -> None:
        self.scope = {
            "type": "http", "method": "POST", "path": "/p/x/", "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        self.asked = 0
        #: Whether the client waits for the answer.
        self.stays = False
        self._events = self._tell(parts)

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        event = next(self._events)
        if event["type"] == "http.disconnect" and self.stays:
            await asyncio.Event().wait()
        return event

    @staticmethod
    def _tell(parts: tuple[bytes, ...]) -> Iterator[dict[str, Any]]:
        for number, part in enumerate(parts, start=1):
            yield {"type": "http.request", "body": part, "more_body": number < len(parts)}
        while True:
            yield {"type": "http.disconnect"}


async def seen(client: Client) -> tuple[bytes, dict[bytes, bytes], dict[str, Any]]:
    """Return the body and the headers that an application sees, and what it is told after the body."""
    found: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, event = b"", {"more_body": True}
        while event.get("more_body"):
            event = await receive()
            body += event["body"]
        found.extend((body, dict(scope["headers"]), await receive()))

    await LimitedBodies(application)(client.scope, client.receive, None)  # type: ignore[arg-type]
    return found[0], found[1], found[2]


async def test_a_body_that_is_small_enough_is_passed_on_part_by_part() -> None:
    client = Client(b"a" * 600, b"b" * 400, content_length="1000")
    body, headers, last = await seen(client)
    assert body == b"a" * 600 + b"b" * 400
    assert headers == {b"content-length": b"1000"}
    assert last == {"type": "http.disconnect"}


async def test_of_a_body_that_says_that_it_is_too_large_nothing_is_received_before_the_answer() -> None:
    asked = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        asked.append(client.asked)

    client = Client(b"a" * 2_000, content_length="2000")
    await LimitedBodies(application)(client.scope, client.receive, None)  # type: ignore[arg-type]
    assert asked == [0]


async def test_a_body_that_does_not_say_its_size_is_cut_where_it_is_too_large() -> None:
    client = Client(*[b"a" * 600] * 10, transfer_encoding="chunked")
    body, headers, last = await seen(client)
    assert body == b"a" * 600
    assert headers[b"content-length"] == b"1200"
    assert last == {"type": "http.disconnect"}, "the rest is swallowed"


async def test_the_headers_of_the_server_are_left_alone() -> None:
    client = Client(*[b"a" * 600] * 3)
    before = list(client.scope["headers"])
    await seen(client)
    assert client.scope["headers"] == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{"content_length": "5000"}, {"transfer_encoding": "chunked"}])
async def test_the_page_says_that_it_is_too_large(headers: dict[str, str]) -> None:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    client = Client(*[b"a" * 500] * 10, host="localhost", content_type="multipart/form-data; boundary=x", **headers)
    client.stays = True
    await LimitedBodies(ASGIHandler())(client.scope, client.receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 413
    assert b"larger than this site takes" in b"".join(event.get("body", b"") for event in sent)
