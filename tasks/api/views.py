"""One task over HTTP: its state, its tree, its output, its updates, its cancellation."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.api.base import ApiView, JsonRenderer
from tasks.api.errors import error_response, problem_response
from tasks.api.methods import takes
from tasks.api.streamed import StreamedText
from tasks.domain.bounds import MESSAGE_CHARS, storable_text
from tasks.domain.calls import parse_arguments
from tasks.domain.tree import TreeNode
from tasks.domain.updates import UpdateType, is_terminal
from tasks.errors import BadRequest, TaskNotFound, TasksError
from tasks.live import current_hub
from tasks.live.event_stream import only_headers
from tasks.live.queries import OF_UPDATES, check_names, requested_types
from tasks.live.sse import requested_position, stream_response, wants_snapshot
from tasks.live.visitor import visitor_of
from tasks.registry import Problem
from tasks.services.access import find_root, owns, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.reading import READ_LIMIT, read_heads, read_snapshot, read_updates
from tasks.services.replay import iter_updates
from tasks.services.stalls import read_stall

__all__ = ["CancelSerializer", "TaskCancellation", "TaskDetail", "TaskOutput", "TaskTree", "reason_in", "updates"]

_TEXT_TYPE, _EVENTS_TYPE, _JSON_TYPE = "text/plain", "text/event-stream", "application/json"


class TextRenderer(BaseRenderer):
    """Let plain text be asked for; a view that streams writes it itself."""

    media_type = _TEXT_TYPE
    format = "txt"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Write a text."""
        return str(data).encode()


class NodeSerializer(serializers.Serializer):
    """Describe a node of a tree, with what is below it."""

    id = serializers.CharField()
    type = serializers.CharField()
    title = serializers.CharField()
    alias = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    percent = serializers.FloatField(allow_null=True, help_text="How far it is, 0 to 100; null where nothing is known.")
    current = serializers.FloatField(allow_null=True)
    total = serializers.FloatField(allow_null=True)
    message = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    meta = serializers.JSONField()

    def get_fields(self) -> Any:
        """Add the children, which are described as this is."""
        return {**super().get_fields(), "children": serializers.ListField(child=serializers.DictField())}


class TreeSerializer(serializers.Serializer):
    """Describe a tree as of one update."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField(help_text="The number of the last update that it holds.")
    status = serializers.CharField()
    tree = NodeSerializer()


class CancelSerializer(serializers.Serializer):
    """Say why something is to end."""

    reason = serializers.CharField(max_length=MESSAGE_CHARS, required=False, help_text="What its followers are told.")


class TaskDetail(ApiView):
    """A task as the feed tells of it."""

    @extend_schema(
        operation_id="tasks_get",
        responses=OpenApiResponse(OpenApiTypes.OBJECT, "The snapshot, and `stall` where something keeps it."),
    )
    def get(self, request: Request, task_id: uuid.UUID) -> HttpResponseBase:
        """Return the snapshot of a task, and `stall` where something keeps it from going on (docs/feed.md)."""
        viewer = viewer_of(user=request.user, session=request.session)
        root = find_root(viewer, task_id)
        value = read_snapshot(root.pk).to_json(is_owner=owns(viewer, root))
        stall = read_stall(root.pk)
        if stall is not None:
            value["stall"] = stall.to_json()
        return JsonResponse(value)


class TaskTree(ApiView):
    """A task as a tree of nodes, with how far each of them is."""

    @extend_schema(
        operation_id="tasks_tree",
        responses=TreeSerializer,
        parameters=[
            OpenApiParameter("depth", int, description="How many levels below the root are told; all without.")
        ],
    )
    def get(self, request: Request, task_id: uuid.UUID) -> Response:
        """Return the nodes of a task, without their output."""
        depth = _depth(request)
        snapshot = read_snapshot(_seen(request, task_id))
        tree = _node(snapshot.tree, depth)
        return Response({"id": str(task_id), "seq": snapshot.seq, "status": snapshot.status, "tree": tree})


class TaskOutput(ApiView):
    """What a task has put out."""

    renderer_classes: ClassVar = (TextRenderer, JsonRenderer)

    @extend_schema(
        operation_id="tasks_output",
        responses={(200, _TEXT_TYPE): OpenApiTypes.STR},
        parameters=[OpenApiParameter("node", OpenApiTypes.UUID, description="Of this node only.")],
    )
    def get(self, request: Request, task_id: uuid.UUID) -> HttpResponseBase:
        """Return the text that a task has put out so far, as it came; of what is kept no more, the end of it."""
        node = request.query_params.get("node")
        pieces = _output(_seen(request, task_id), node=None if node is None else _uuid(node))
        return StreamedText(pieces, content_type="text/plain; charset=utf-8")


class TaskCancellation(ApiView):
    """The end of a task, asked for."""

    @extend_schema(
        operation_id="tasks_cancel",
        request=CancelSerializer,
        responses={202: OpenApiResponse(OpenApiTypes.OBJECT, "`taskId` and `status`.")},
    )
    def post(self, request: Request, task_id: uuid.UUID) -> Response:
        """Ask for a task's end: 202 with the status, 404, or 409 where it has ended or isn't theirs to cancel."""
        viewer = viewer_of(user=request.user, session=request.session)
        status = request_cancel(root_id=task_id, viewer=viewer, reason=reason_in(request))
        return Response({"taskId": str(task_id), "status": status.value}, status=202)


@takes("GET", "HEAD")
@non_atomic_requests
async def updates(request: HttpRequest, task_id: uuid.UUID) -> HttpResponseBase:
    """Stream the updates of a task as server-sent events, until its end; or return a page of its log as JSON."""
    visitor = visitor_of(request)
    wanted = request.get_preferred_type([_EVENTS_TYPE, _JSON_TYPE])
    try:
        check_names(request.GET, known=OF_UPDATES)
        if wanted is None:
            return problem_response(
                Problem("not_acceptable", f"Ask for {_EVENTS_TYPE} or {_JSON_TYPE} in Accept.", 406)
            )
        if wanted == _JSON_TYPE:
            since = requested_position(request) or 0
            page = JsonResponse(await sync_to_async(_log_page)(request, task_id, since=since))
            return _varies(page, "private, no-store")
        follower = await current_hub().follow(
            task_id,
            visitor=visitor,
            since=requested_position(request),
            snapshot=wants_snapshot(request),
            types=requested_types(request),
        )
        if request.method == "HEAD":
            follower.close()
            return _varies(only_headers())
        return _varies(await stream_response(follower))
    except TasksError as error:
        return error_response(error)


def _varies(response: HttpResponseBase, cache_control: str = "") -> HttpResponseBase:
    """Return an answer that says what it depends on, and who may keep it."""
    patch_vary_headers(response, ["Accept", "Cookie"])
    if cache_control:
        response.headers["Cache-Control"] = cache_control
    return response


def _log_page(request: HttpRequest, task_id: uuid.UUID, *, since: int) -> dict[str, Any]:
    """Return the updates behind number `since`, and behind which to go on; null where the log has ended."""
    root_id = _seen(request, task_id)
    found = [json.loads(body) for _seq, body in read_updates(root_id, after=since, limit=READ_LIMIT)]
    wanted = requested_types(request)
    if found:
        last, has_ended, incomplete = found[-1]["seq"], is_terminal(found[-1]), found[0]["seq"] != since + 1
    else:
        last, has_ended, incomplete = _without_updates(root_id, since)
    # What the log doesn't reach back to, or forward to, is in the snapshot.
    told = found if wanted is None else [one for one in found if one["type"] in wanted or is_terminal(one)]
    return {"updates": told, "next": None if has_ended else last, "incomplete": incomplete}


def _without_updates(root_id: uuid.UUID, since: int) -> tuple[int, bool, bool]:
    """Return where the log is, whether it has ended there, and whether that isn't where the client is.

    It may be ahead of the log, which was brought back from a backup; or the log is kept no more.
    """
    head = read_heads([root_id]).get(root_id)
    if head is None:
        raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
    if head.last_seq == since:
        return since, head.closed, False
    kept = head.last_seq > since and bool(read_updates(root_id, after=since, limit=1))
    # What has come since the log was read is in the next page.
    return (since, False, False) if kept else (head.last_seq, head.closed, True)


def _seen(request: Any, task_id: uuid.UUID) -> uuid.UUID:
    """Return the id of a task that the caller may see; raises TaskNotFound."""
    root_id: uuid.UUID = find_root(viewer_of(user=request.user, session=request.session), task_id).pk
    return root_id


def _node(node: TreeNode, depth: int | None) -> dict[str, Any]:
    below = () if depth == 0 else node.children
    return {
        "id": node.id,
        "type": node.type,
        "title": node.title,
        "alias": node.alias,
        "status": node.status.value,
        "percent": node.percent,
        "current": node.current,
        "total": node.total,
        "message": node.message,
        "error": node.error,
        "meta": node.meta,
        "children": [_node(child, None if depth is None else depth - 1) for child in below],
    }


def _output(root_id: uuid.UUID, *, node: uuid.UUID | None) -> Iterator[str]:
    wanted = None if node is None else str(node)
    for update in iter_updates(root_id):
        if update["type"] == "snapshot":
            yield from (one.output for one in TreeNode.from_json(update["task"]).walk() if wanted in (None, one.id))
        elif update["type"] == UpdateType.NODE_OUTPUT and wanted in (None, update["node"]["id"]):
            yield update["text"]


def _depth(request: Request) -> int | None:
    text = request.query_params.get("depth")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise BadRequest(_('"depth" is a number from 0 on.'))
    return int(text)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise TaskNotFound(_("There is no such node.")) from None


def reason_in(request: Request) -> str:
    """Return why a task is to end; a form, or nothing at all, says nothing of it. Raises BadRequest."""
    if request.content_type != _JSON_TYPE:
        return ""
    sent = parse_arguments(request._request.body)
    if unknown := sorted(sent.keys() - {"reason"}):
        raise BadRequest(f'There is no "{unknown[0][:50]}" here; known is reason.')
    reason = sent.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MESSAGE_CHARS:
        raise BadRequest(f'"reason" is a text of at most {MESSAGE_CHARS} characters.')
    return storable_text(reason)
