"""Django middleware: what a request reports belongs to its client, and ends with it."""

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from functools import partial
from time import monotonic

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from tasks.services.request_trees import (
    client_of,
    client_of_async,
    close_request,
    enter_request,
    follow_request,
    leave_request,
    scope_of,
)
from tasks.services.trees import WAIT_SECONDS, wait_for
from tasks.tracking import TrackedNode, current_node, tracking

#: The header in which a client gives its request an id, a UUID of its own making, to follow it by.
HEADER = "X-Task-Request"
_META = "HTTP_X_TASK_REQUEST"

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class RequestTaskMiddleware:
    """Follow what a request reports, where its client wants to, and end what it has started as it ends.

    Put it behind the middleware that signs users in. A request without the header that starts no task costs a look at
    its headers. A header that is no UUID is passed over: progress is a courtesy, and no reason to refuse a request.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Respond | RespondAsync) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request."""
        return self._respond_async(request) if self._is_async else self._respond(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Take note that the view has raised, whatever answer becomes of it."""
        scope = scope_of(request)
        if scope is not None:
            scope.note_error(exception)

    def _respond(self, request: HttpRequest) -> HttpResponseBase:
        token = enter_request(request)
        try:
            request_id = _request_id(request) if _META in request.META else None
            client = None if request_id is None else client_of(request)
            if request_id is None or client is None:
                return self._answer(request)
            scope = follow_request(request, request_id, owner=client)
            with tracking(scope.root):
                return self._answer(request)
        finally:
            leave_request(token)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = self.get_response(request)
            assert isinstance(response, HttpResponseBase)
        except BaseException as error:
            _end_by(request, error)
            raise
        scope = scope_of(request)
        if scope is not None:
            # The answer may tell their ids, and its client looks for them at once.
            wait_for(*(tree.begun for tree in scope.take_begun()))
        _end_with(response, request)
        return response

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        token = enter_request(request)
        try:
            request_id = _request_id(request) if _META in request.META else None
            client = None if request_id is None else await client_of_async(request)
            if request_id is None or client is None:
                return await self._answer_async(request)
            scope = follow_request(request, request_id, owner=client)
            with tracking(scope.root):
                return await self._answer_async(request)
        finally:
            leave_request(token)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            answer = self.get_response(request)
            assert isinstance(answer, Awaitable)
            response: HttpResponseBase = await answer
            scope = scope_of(request)
            if scope is not None:
                until = monotonic() + WAIT_SECONDS
                for tree in scope.take_begun():
                    await tree.begun.wait_async(max(0.0, until - monotonic()))
        except BaseException as error:
            _end_by(request, error)
            raise
        _end_with(response, request)
        return response


def _request_id(request: HttpRequest) -> uuid.UUID | None:
    text = request.META[_META]
    try:
        # The usual form only, of the several that Python reads.
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _end_by(request: HttpRequest, error: BaseException) -> None:
    scope = close_request(request)
    if scope is None:
        return
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        scope.abandon()
    else:
        scope.note_error(error)
        scope.fail()


def _end_by_status(request: HttpRequest, response: HttpResponseBase) -> None:
    scope = close_request(request)
    if scope is not None:
        scope.end_by_status(response.status_code)


def _abandon(request: HttpRequest) -> None:
    scope = close_request(request)
    if scope is not None:
        scope.abandon()


def _end_with(response: HttpResponseBase, request: HttpRequest) -> None:
    """End what the request has begun with its answer: at once, or when a stream is over."""
    if not isinstance(response, StreamingHttpResponse) or _reports_nothing(response, request):
        _end_by_status(request, response)
        return
    content = response.streaming_content
    if isinstance(content, AsyncIterable):
        response.streaming_content = _streamed_async(content, response, request, current_node())
    else:
        response.streaming_content = _streamed(content, response, request, copy_context())
    # A stream that nobody begins to read, or that is left where it can't notice, ends with its response.
    response._resource_closers.append(partial(_abandon, request))  # type: ignore[attr-defined]


def _reports_nothing(response: StreamingHttpResponse, request: HttpRequest) -> bool:
    """Tell whether nothing will report while it is sent.

    A file is left as it is, since a server may send it by itself; and so is a feed, of which a server has many open.
    """
    is_plain = getattr(response, "file_to_stream", None) is not None or getattr(response, "is_feed", False)
    return scope_of(request) is None and is_plain


def _streamed(
    content: Iterable[bytes], response: StreamingHttpResponse, request: HttpRequest, context: Context
) -> Iterator[bytes]:
    iterator = iter(content)
    nothing = object()
    try:
        # What the stream reports goes where the view's reports go, whoever reads the stream.
        while (chunk := context.run(next, iterator, nothing)) is not nothing:
            yield chunk  # type: ignore[misc]
    except BaseException as error:
        _end_by(request, error)
        raise
    _end_by_status(request, response)


async def _streamed_async(
    content: AsyncIterable[bytes], response: StreamingHttpResponse, request: HttpRequest, node: TrackedNode
) -> AsyncIterator[bytes]:
    iterator = aiter(content)
    nothing = object()
    try:
        while True:
            # The stream and its reader share a context, so each has its own node while it is at work.
            token = enter_request(request)
            try:
                with tracking(node):
                    chunk = await anext(iterator, nothing)
                    node = current_node()
            finally:
                leave_request(token)
            if chunk is nothing:
                break
            yield chunk  # type: ignore[misc]
    except BaseException as error:
        _end_by(request, error)
        raise
    _end_by_status(request, response)
