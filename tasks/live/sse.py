"""Server-sent events: the updates of one task on one HTTP response."""

from collections.abc import AsyncIterator, Sequence

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from tasks.domain.sequencer import Item
from tasks.errors import TasksError
from tasks.live.event_stream import EventStream, give_thread_back
from tasks.live.follower import Follower
from tasks.live.queries import flag, number

#: Proxies and browsers take a silent connection for a dead one.
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"
#: How long a browser waits before it connects again.
PREAMBLE = b"retry: 2000\n\n"


def requested_position(request: HttpRequest) -> int | None:
    """Return the number after which the client wants updates, or None where it names none; raises BadRequest.

    A browser that reconnects sends the id of the last event it had in `Last-Event-ID`, which is then more recent than
    the query string it began with.
    """
    text = request.headers.get("Last-Event-ID") or request.GET.get("since")
    return number(text) if text else None


def wants_snapshot(request: HttpRequest) -> bool:
    """Tell whether the stream begins with a snapshot: asked for, and not a reconnection that can go on."""
    return flag(request, "snapshot") and "Last-Event-ID" not in request.headers


async def stream_response(follower: Follower, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> HttpResponseBase:
    """Return the response that carries everything `follower` gets, until the task's end or the client's going.

    Where the client has everything and nothing will follow, that is 204: at this answer browsers stop to reconnect.
    """
    # The first messages are at hand or are not; a moment is enough to tell an ended log from a quiet one.
    try:
        first = await follower.next(timeout_seconds=0)
    except BaseException:
        follower.close()
        raise
    if not first and follower.ended:
        follower.close()
        return HttpResponse(status=204)
    return EventStream(_events(follower, first, heartbeat_seconds), is_feed=True)


async def _events(follower: Follower, first: list[Item], heartbeat_seconds: float) -> AsyncIterator[bytes]:
    give_thread_back()
    try:
        yield PREAMBLE + encode_items(first)
        while not follower.ended:
            items = await follower.next(timeout_seconds=heartbeat_seconds)
            if items:
                yield encode_items(items)
            elif not follower.ended:
                yield HEARTBEAT
    except TasksError:
        # The task is gone, or theirs no more: the stream ends, and whoever connects again is told so.
        return
    finally:
        follower.close()


def encode_items(items: Sequence[Item]) -> bytes:
    """Return messages as events; nothing for none."""
    # Encoded JSON has no line breaks, so one data line holds it.
    return "".join(f"id: {item.seq}\ndata: {item.text}\n\n" for item in items).encode()
