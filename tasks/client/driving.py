"""Carrying out the steps of a flow: blocking, or in an event loop. Only this file talks to the network."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing
from typing import Any, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

from tasks.client.exchange import EVENTS_TYPE, Answer, Request
from tasks.client.flow import Broken, Emit, Event, Flow, Open, Send, Sleep, Step

__all__ = ["AsyncWire", "Wire", "complete", "complete_async", "iterate", "iterate_async"]

R = TypeVar("R")

#: A stream says every 15 seconds that it is still there; one that misses three of these is broken.
STREAM_SILENCE_SECONDS = 50.0
#: Nothing was sent: no connection came about.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Wire:
    """Carry out steps, blocking; closing it closes its stream."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream = ExitStack()
        self._events: Iterator[ServerSentEvent] = iter(())

    def carry_out(self, step: Step) -> Any:
        """Return what has come of a step; raises Broken."""
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        try:
            if isinstance(step, Send):
                return _answer(self._http.send(_built(self._http, step.request)))
            if isinstance(step, Open):
                return self._open(step.request)
            return _event(next(self._events, None))
        except httpx.RequestError as error:
            raise _broken(error) from error

    def close(self) -> None:
        """Close the open stream, if there is one."""
        self._stream.close()
        self._events = iter(())

    def _open(self, request: Request) -> Answer:
        self.close()
        response = self._http.send(_built(self._http, request, streams=True), stream=True)
        self._stream.callback(response.close)
        if not (answer := _head(response)).is_events:
            response.read()
            self.close()
            return _answer(response)
        self._events = EventSource(response).iter_sse()
        return answer


class AsyncWire:
    """Carry out steps in an event loop; closing it closes its stream."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream = AsyncExitStack()
        self._events: AsyncGenerator[ServerSentEvent, None] | None = None

    async def carry_out(self, step: Step) -> Any:
        """Return what has come of a step; raises Broken."""
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
            return None
        try:
            if isinstance(step, Send):
                return _answer(await self._http.send(_built(self._http, step.request)))
            if isinstance(step, Open):
                return await self._open(step.request)
            return _event(None if self._events is None else await anext(self._events, None))
        except httpx.RequestError as error:
            raise _broken(error) from error

    async def aclose(self) -> None:
        """Close the open stream, if there is one."""
        self._events = None
        await self._stream.aclose()

    async def _open(self, request: Request) -> Answer:
        await self.aclose()
        response = await self._http.send(_built(self._http, request, streams=True), stream=True)
        self._stream.push_async_callback(response.aclose)
        if not (answer := _head(response)).is_events:
            await response.aread()
            await self.aclose()
            return _answer(response)
        self._events = EventSource(response).aiter_sse()
        self._stream.push_async_callback(self._events.aclose)
        return answer


def iterate(flow: Flow[Any], wire: Wire) -> Generator[Any, None, None]:
    """Yield what a flow emits."""
    try:
        for step in _steps(flow, wire):
            yield step.value
    finally:
        flow.close()
        wire.close()


def complete(flow: Flow[R], wire: Wire) -> R:
    """Carry out a flow and return its result; what it emits nobody gets."""
    steps = _steps(flow, wire)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: R = end.value
        return result
    finally:
        flow.close()
        wire.close()


async def iterate_async(flow: Flow[Any], wire: AsyncWire) -> AsyncGenerator[Any, None]:
    """Yield what a flow emits."""
    try:
        async with aclosing(_steps_async(flow, wire, [])) as steps:
            async for step in steps:
                yield step.value
    finally:
        flow.close()
        await wire.aclose()


async def complete_async(flow: Flow[R], wire: AsyncWire) -> R:
    """Carry out a flow and return its result; what it emits nobody gets."""
    result: list[R] = []
    try:
        async for _ in _steps_async(flow, wire, result):
            pass
    finally:
        flow.close()
        await wire.aclose()
    return result[0]


def _steps(flow: Flow[R], wire: Wire) -> Generator[Emit[Any], None, R]:
    """Carry out every step but those that hand something out."""
    reply: Any = None
    broken: Broken | None = None
    while True:
        try:
            step = flow.send(reply) if broken is None else flow.throw(broken)
        except StopIteration as end:
            result: R = end.value
            return result
        reply, broken = None, None
        if isinstance(step, Emit):
            yield step
            continue
        try:
            reply = wire.carry_out(step)
        except Broken as error:
            broken = error


async def _steps_async(flow: Flow[R], wire: AsyncWire, result: list[R]) -> AsyncGenerator[Emit[Any], None]:
    """Carry out every step but those that hand something out; an asynchronous generator can return nothing itself."""
    reply: Any = None
    broken: Broken | None = None
    while True:
        try:
            step = flow.send(reply) if broken is None else flow.throw(broken)
        except StopIteration as end:
            result.append(end.value)
            return
        reply, broken = None, None
        if isinstance(step, Emit):
            yield step
            continue
        try:
            reply = await wire.carry_out(step)
        except Broken as error:
            broken = error


def _built(http: httpx.Client | httpx.AsyncClient, request: Request, *, streams: bool = False) -> httpx.Request:
    headers = {"Accept": EVENTS_TYPE if streams else "application/json"}
    if request.key:
        headers["Idempotency-Key"] = request.key
    timeout: Any = httpx.USE_CLIENT_DEFAULT
    if streams:
        headers["Cache-Control"] = "no-store"
        timeout = httpx.Timeout(http.timeout.connect, read=STREAM_SILENCE_SECONDS)
    body = None if request.method == "GET" else request.body if request.body is not None else {}
    return http.build_request(
        request.method, request.path, params=dict(request.query), json=body, headers=headers, timeout=timeout
    )


def _head(response: httpx.Response) -> Answer:
    return Answer(status=response.status_code, headers=_headers(response))


def _answer(response: httpx.Response) -> Answer:
    return Answer(status=response.status_code, headers=_headers(response), body=response.content)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _event(event: ServerSentEvent | None) -> Event | None:
    return None if event is None else Event(event.event, event.data)


def _broken(error: httpx.RequestError) -> Broken:
    # Some say nothing but what they are.
    told = str(error) or type(error).__name__
    return Broken(told, was_sent=not isinstance(error, _UNSENT))
