"""Functions called by name over HTTP: one, several at once, or one whose progress is streamed (docs/rpc.md)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from tasks.api.errors import problem_response
from tasks.api.methods import takes
from tasks.domain.calls import Call, CallKind, check_key, parse_arguments, parse_batch, stages
from tasks.domain.jsonvalue import JSON, dumps, storable_dumps
from tasks.errors import TaskNotFound
from tasks.live import current_hub
from tasks.live.calls import FollowedCall, made_here, made_now
from tasks.live.event_stream import EventStream
from tasks.live.problems import problem_of
from tasks.live.sse import HEARTBEAT, HEARTBEAT_SECONDS, encode_items
from tasks.live.visitor import visitor_of
from tasks.registry import Problem
from tasks.services.call_threads import in_own_thread
from tasks.services.functions import PreparedCall, RequestContext, prepare_call
from tasks.services.request_trees import client_of_async, scope_of_call

__all__ = ["batch", "call"]

KEY_HEADER = "Idempotency-Key"
JSON_TYPE, EVENTS_TYPE = "application/json", "text/event-stream"
#: Queries of one batch that are made side by side.
_SIDE_BY_SIDE = 8
#: Says to a client that the stream is there, before anything has happened.
_OPENED = b": here\n\n"

R = TypeVar("R")
Run = Callable[[Callable[[], Any]], Awaitable[Any]]


@takes("POST")
@non_atomic_requests
@never_cache
async def call(request: HttpRequest, name: str) -> HttpResponseBase:
    """Call a function: its bare result, or with `Accept: text/event-stream` what it reports, and then its result."""
    wanted = request.get_preferred_type([JSON_TYPE, EVENTS_TYPE])
    if wanted is None:
        return _not_acceptable(f"{JSON_TYPE} or {EVENTS_TYPE}")
    try:
        key = check_key(request.headers.get(KEY_HEADER), place=KEY_HEADER)
        asked = Call(name, parse_arguments(request.body), key)
        context = await _context_of(request)
        if wanted == EVENTS_TYPE:
            return await _stream(context, asked)
        return HttpResponse(storable_dumps(await _made(context, asked)), content_type=JSON_TYPE)
    except Exception as error:  # noqa: BLE001 - whatever a function raises
        return problem_response(problem_of(error, name=name))


@takes("POST")
@non_atomic_requests
@never_cache
async def batch(request: HttpRequest) -> HttpResponseBase:
    """Make several calls: the answers in their order, each by itself; one that fails stops no other."""
    if request.get_preferred_type([JSON_TYPE]) is None:
        return _not_acceptable(JSON_TYPE)
    try:
        calls = parse_batch(request.body)
        context = await _context_of(request)
        answers = await _answers(context, calls)
    except Exception as error:  # noqa: BLE001 - whatever a function raises
        return problem_response(problem_of(error, name="batch"))
    return HttpResponse(f"[{','.join(answers)}]", content_type=JSON_TYPE)


async def _made(context: RequestContext, asked: Call) -> JSON:
    """Make a call in the request's own thread; what is asynchronous, here."""

    def begin() -> tuple[PreparedCall, JSON]:
        # Both in one go: each way between threads takes as long as a short function.
        prepared = prepare_call(context, asked)
        return prepared, None if prepared.function.is_async else made_now(prepared)

    prepared, result = await _in_request_thread(begin)
    return await made_here(prepared) if prepared.function.is_async else result


async def _answers(context: RequestContext, calls: Sequence[Call]) -> list[str]:
    """Return the answers of a batch as JSON texts: one that can't be written is a failure of that call alone."""

    def prepare() -> list[PreparedCall | Problem]:
        return [_prepared(context, asked) for asked in calls]

    prepared = await _in_request_thread(prepare)
    room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def answer(one: PreparedCall | Problem, *, run: Run) -> str:
        if isinstance(one, Problem):
            return dumps({"ok": False, "error": one.to_json()})
        try:
            async with room:
                made = await (made_here(one) if one.function.is_async else run(partial(made_now, one)))
            return f'{{"ok":true,"data":{storable_dumps(made)}}}'
        except Exception as error:  # noqa: BLE001 - whatever a function raises
            return dumps({"ok": False, "error": problem_of(error, name=one.function.name).to_json()})

    answers: list[str] = []
    for stage in stages([CallKind.QUERY if isinstance(one, Problem) else one.function.kind for one in prepared]):
        # One alone keeps to the request's own thread, and its connection.
        run = _in_request_thread if len(stage) == 1 else in_own_thread
        answers += await asyncio.gather(*(answer(prepared[index], run=run) for index in stage))
    return answers


def _prepared(context: RequestContext, asked: Call) -> PreparedCall | Problem:
    try:
        return prepare_call(context, asked)
    except Exception as error:  # noqa: BLE001 - whatever a function raises
        return problem_of(error, name=asked.name)


async def _stream(context: RequestContext, asked: Call) -> HttpResponseBase:
    """Make a call whose answer is a stream; what is wrong with it before it begins has a status of its own."""
    request = context.request
    prepared = await _in_request_thread(partial(prepare_call, context, asked))
    # The request may have a tree already: its client has named it.
    scope = scope_of_call(request, uuid.uuid4(), owner=context.owner)
    followed = FollowedCall(prepared, request=request, scope=scope)
    response = EventStream(_events(followed, context, name=asked.name))
    # A stream that nobody begins to read, or that is left where it can't notice, ends with its response.
    response._resource_closers.append(followed.abandon_soon)  # type: ignore[attr-defined]
    return response


async def _events(followed: FollowedCall, context: RequestContext, *, name: str) -> AsyncIterator[bytes]:
    # Not before somebody reads: who hasn't signed in has their session by now.
    visitor = visitor_of(context.request)
    try:
        yield _OPENED
        async for items in followed.updates(hub=current_hub(), visitor=visitor, pulse_seconds=HEARTBEAT_SECONDS):
            yield encode_items(items) or HEARTBEAT
        yield await _last_event(followed, name=name)
    except TaskNotFound:
        # They have signed out: whoever calls again is told so.
        return
    finally:
        followed.abandon()


async def _last_event(followed: FollowedCall, *, name: str) -> bytes:
    try:
        return _event("result", storable_dumps(await followed.result()))
    except Exception as error:  # noqa: BLE001 - whatever a function raises
        return _event("error", dumps(problem_of(error, name=name).to_json()))


def _event(kind: str, text: str) -> bytes:
    return f"event: {kind}\ndata: {text}\n\n".encode()


async def _context_of(request: HttpRequest) -> RequestContext:
    # Reads the session too, so that nothing that follows reads it in the event loop.
    await client_of_async(request)
    return RequestContext(request, await request.auser())


async def _in_request_thread(function: Callable[[], R]) -> R:
    return await sync_to_async(function, thread_sensitive=True)()


def _not_acceptable(offered: str) -> HttpResponse:
    return problem_response(Problem("not_acceptable", f"This answers with {offered}; ask for it in Accept.", 406))
