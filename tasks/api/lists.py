"""Many tasks over HTTP: lists, and streams of several tasks or lists."""

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache

from tasks.api.errors import error_response
from tasks.api.methods import takes
from tasks.domain.json_text import UnreadableJson, json_characters
from tasks.domain.listing import WINDOW
from tasks.errors import BadRequest, TaskNotFound, TasksError
from tasks.live import current_hub
from tasks.live.event_stream import only_headers
from tasks.live.events import events_response
from tasks.live.lines import LINE_TYPE, line_of, send_to_line
from tasks.live.list_follower import Shown, list_text
from tasks.live.protocol import (
    Unavailable,
    parse_label,
    parse_object,
    parse_subscribe,
    parse_target,
)
from tasks.live.queries import (
    OF_EVENTS,
    OF_LIST,
    check_names,
    requested_count,
    requested_filter,
    requested_scope,
    requested_subscriptions,
)
from tasks.live.visitor import visitor_of
from tasks.services.access import viewer_of
from tasks.services.lists import read_list


@takes("GET", "HEAD")
@never_cache
def tasks(request: HttpRequest) -> HttpResponseBase:
    """Return a list of tasks, newest first (docs/feed.md)."""
    viewer = viewer_of(user=request.user, session=request.session)
    try:
        check_names(request.GET, known=OF_LIST)
        scope = requested_scope(request)
        count = requested_count(request, most=WINDOW)
        found = read_list(viewer, scope, requested_filter(request), count=count)
    except TasksError as error:
        return error_response(error)
    text = list_text(viewer, scope, map(Shown, found), is_snapshot=True)
    return HttpResponse(text, content_type="application/json")


@takes("GET", "HEAD")
@non_atomic_requests
async def events(request: HttpRequest) -> HttpResponseBase:
    """Stream the updates of many tasks, and lists, as server-sent events."""
    visitor = visitor_of(request)
    try:
        check_names(request.GET, known=OF_EVENTS)
        answer = events_response(
            current_hub(),
            visitor=visitor,
            requests=requested_subscriptions(request),
            last_event_id=request.headers.get("Last-Event-ID", ""),
        )
        # What is not begun needs no end.
        return only_headers() if request.method == "HEAD" and answer.streaming else answer
    except TasksError as error:
        return error_response(error)


@takes("POST")
@non_atomic_requests
async def subscribe_job(request: HttpRequest) -> HttpResponseBase:
    """Add to what an open stream follows: 202, and the stream tells how it went; 404 where it isn't the caller's."""
    return await _ask_line(request, action="subscribe")


@takes("POST")
@non_atomic_requests
async def unsubscribe_job(request: HttpRequest) -> HttpResponseBase:
    """Take away from what an open stream follows: 202, and the stream tells of it."""
    return await _ask_line(request, action="unsubscribe")


async def _ask_line(request: HttpRequest, *, action: str) -> HttpResponseBase:
    hub = current_hub()
    try:
        asked = parse_object(_text_of(request))
        target = parse_target(asked)
        label = parse_label(asked)
        if action == "subscribe":
            # All that can be known here: whether the task is there, and theirs, the stream tells.
            parse_subscribe(asked)
        viewer = await hub.viewer(visitor_of(request))
        line = line_of(asked.pop("connectionId", None), viewer)
        if line is None:
            raise TaskNotFound("There is no such connection, or it isn't yours.")
        message = {"type": LINE_TYPE, "line": line, "action": action, "request": asked}
        if not hub.take_line_message(message):
            try:
                await send_to_line(line, message)
            except Exception:  # noqa: BLE001 - each layer has errors of its own
                raise Unavailable from None
    except TasksError as error:
        return error_response(error)
    answer = {**target.to_json(), **({} if label is None else {"clientSubId": label})}
    return JsonResponse(answer, status=202)


def _text_of(request: HttpRequest) -> str:
    try:
        return json_characters(request.body)
    except UnreadableJson as error:
        raise BadRequest(f"This is not JSON: {error}.") from None
