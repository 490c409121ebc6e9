"""One task over HTTP: its state, its updates, its cancellation."""

import uuid

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tasks.api.errors import error_response
from tasks.domain.bounds import MESSAGE_CHARS, storable_text
from tasks.domain.calls import parse_arguments
from tasks.errors import BadRequest, TasksError
from tasks.live import current_hub
from tasks.live.queries import requested_types
from tasks.live.sse import requested_position, stream_response, wants_snapshot
from tasks.live.visitor import visitor_of
from tasks.services.access import find_root, owns, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.reading import read_snapshot
from tasks.services.stalls import read_stall


@require_GET
@never_cache
def task(request: HttpRequest, task_id: uuid.UUID) -> HttpResponseBase:
    """Return the snapshot of a task, and `stall` where something keeps it from going on (docs/feed.md)."""
    viewer = viewer_of(user=request.user, session=request.session)
    try:
        root = find_root(viewer, task_id)
        snapshot = read_snapshot(root.pk)
    except TasksError as error:
        return error_response(error)
    value = snapshot.to_json(is_owner=owns(viewer, root))
    stall = read_stall(root.pk)
    if stall is not None:
        value["stall"] = stall.to_json()
    return JsonResponse(value)


@require_GET
@non_atomic_requests
async def updates(request: HttpRequest, task_id: uuid.UUID) -> HttpResponseBase:
    """Stream the updates of a task as server-sent events, until its end."""
    visitor = visitor_of(request)
    try:
        follower = await current_hub().follow(
            task_id,
            visitor=visitor,
            since=requested_position(request),
            snapshot=wants_snapshot(request),
            types=requested_types(request),
        )
        return await stream_response(follower)
    except TasksError as error:
        return error_response(error)


@require_POST
def cancel(request: HttpRequest, task_id: uuid.UUID) -> HttpResponseBase:
    """Ask for a task's cancellation: 202 with the status, 404, or 409 where it has ended or isn't theirs to cancel.

    `{"reason": "…"}` says why.
    """
    viewer = viewer_of(user=request.user, session=request.session)
    try:
        status = request_cancel(root_id=task_id, viewer=viewer, reason=_requested_reason(request))
    except TasksError as error:
        return error_response(error)
    return JsonResponse({"taskId": str(task_id), "status": status.value}, status=202)


def _requested_reason(request: HttpRequest) -> str:
    # Pages ask with a form, or without a word.
    if request.content_type != "application/json":
        return ""
    reason = parse_arguments(request.body).get("reason") or ""
    if not isinstance(reason, str) or len(reason) > MESSAGE_CHARS:
        raise BadRequest(f'"reason" is a text of at most {MESSAGE_CHARS} characters.')
    return storable_text(reason)
