"""A stream holds nothing that Django keeps for a request: neither its thread nor a connection."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.test import RequestFactory

from tasks.live.event_stream import EventStream, give_thread_back
from tests.tasks.live.streams import until


async def test_the_thread_of_the_request_ends_and_closes_its_connection(transactional_db):
    def use() -> tuple[threading.Thread, BaseDatabaseWrapper]:
        connection.ensure_connection()
        return threading.current_thread(), connections[connection.alias]

    async with ThreadSensitiveContext():
        thread, used = await sync_to_async(use)()
        assert thread.is_alive()

        give_thread_back()

        await until(lambda: not thread.is_alive())
        assert used.connection is None
        # Whatever comes later has a thread again, with a connection of its own.
        later, other = await sync_to_async(use)()
        assert later is not thread
        assert other is not used
        give_thread_back()
    await until(lambda: not later.is_alive())
    assert other.connection is None


async def test_what_is_at_work_in_the_thread_is_finished_first():
    begun, may_end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert may_end.wait(10)
        return "done"

    async with ThreadSensitiveContext():
        task = asyncio.create_task(sync_to_async(work)())
        await until(begun.is_set)
        give_thread_back()
        may_end.set()
        assert await task == "done"


async def test_a_thread_that_is_the_servers_own_stays():
    with ThreadPoolExecutor(max_workers=1) as executor:
        async with ThreadSensitiveContext(executor=executor):
            thread = await sync_to_async(threading.current_thread)()
            give_thread_back()
            assert await sync_to_async(threading.current_thread)() is thread


async def test_without_a_thread_there_is_nothing_to_give_back():
    give_thread_back()
    async with ThreadSensitiveContext():
        give_thread_back()


async def test_middleware_may_put_something_in_front():
    """As Django's GZipMiddleware does."""

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"

    async def marked(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for part in parts:
            yield b": marked\n" + part

    response = EventStream(events())
    response.streaming_content = marked(response.streaming_content)

    assert [part async for part in response] == [b": marked\ndata: 1\n\n"]


async def test_a_stream_is_not_compressed_event_by_event():
    """Most clients unpack the first of them alone, and wait for ever."""

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    async def answer(_request: HttpRequest) -> HttpResponseBase:
        return EventStream(events())

    request = RequestFactory().get("/", headers={"accept-encoding": "gzip"})
    response = await GZipMiddleware(answer)(request)

    assert response.headers["Content-Encoding"] == "identity"
    assert [part async for part in response] == [b"data: 1\n\n", b"data: 2\n\n"]
