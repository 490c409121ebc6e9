"""Streams with silence in them, and calls with progress, read by two libraries of others."""

import asyncio

import httpx
import pytest

from tasks.live.sse import stream_response
from tests.tasks.live.readers import READERS, decoded


def response_of(body: bytes) -> httpx.Response:
    """Return a response that arrives byte by byte."""
    return httpx.Response(
        200,
        headers={"content-type": "text/event-stream; charset=utf-8"},
        content=(body[at : at + 1] for at in range(len(body))),
    )


@pytest.fixture
async def parts(log, visitor, start_hub) -> list[bytes]:
    """Return the parts of a stream whose updates have heartbeats in between."""
    response = await stream_response(await start_hub().follow(log.root_id, visitor=visitor), heartbeat_seconds=0.01)
    found: list[bytes] = []
    silent = asyncio.Event()

    async def read() -> None:
        async for part in response:
            found.append(part)
            if part.startswith(b":"):
                silent.set()

    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        for count, ends in ((1, False), (2, False), (1, True)):
            silent.clear()
            await silent.wait()
            await log.write_and_tell(count, ends=ends)
        await reading
    return found


@pytest.mark.parametrize("library", READERS)
async def test_heartbeats_are_no_events_and_bytes_may_come_one_by_one(library, parts, log):
    assert sum(part.startswith(b":") for part in parts) >= 3
    events = decoded(READERS[library](response_of(b"".join(parts))))
    assert [(event_id, update["seq"]) for event_id, update in events] == [(str(seq), seq) for seq in range(1, 5)]
    assert events[-1][1]["type"] == "taskEnd"


@pytest.mark.parametrize("library", READERS)
def test_data_of_several_lines_is_one_text(library):
    """What proxies and servers of others may make of a stream: other line breaks, data on several lines."""
    lines = [
        "retry: 2000",
        "",
        "id: 1",
        'data: {"text":',
        'data: "one"}',
        "",
        ": still here",
        "",
        "id: 2",
        "data:{}",
        "",
        "",
    ]
    body = "\r\n".join(lines).encode()
    assert decoded(READERS[library](response_of(body))) == [("1", {"text": "one"}), ("2", {})]
