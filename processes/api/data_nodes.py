"""Persisted process data over HTTP, for whom they are bound to (docs/data_nodes.md)."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiView
from processes.models import DataNode
from processes.pages.callers import caller_of_request
from processes.services.data_nodes import not_found, owned_nodes
from processes.services.drafts import discard_draft
from tasks.api.etags import etag_of, tagged

__all__ = ["DataNodeDetail"]


class DataNodeSerializer(serializers.Serializer):
    """Be the data of a process between two steps."""

    reference = serializers.CharField()
    process = serializers.CharField(allow_null=True)
    instance = serializers.UUIDField(allow_null=True)
    step = serializers.CharField(help_text="The action that showed the last form.")
    revision = serializers.IntegerField(help_text="It rises with each step that is sent.")
    data = serializers.DictField(help_text="Without what the process keeps to itself: keys that begin with _.")
    entered = serializers.DictField(help_text="What was typed and not sent yet, by form.")
    drafted_at = serializers.DateTimeField(allow_null=True, help_text="Since when it is kept as a draft.")
    continued_in = serializers.UUIDField(allow_null=True, help_text="The run that has taken it over.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class DataNodeDetail(ApiView):
    """Persisted data."""

    problem_statuses: ClassVar = {"GET": (404,), "DELETE": (404,)}

    @extend_schema(operation_id="data_nodes_get", responses=DataNodeSerializer)
    def get(self, request: Request, reference: str) -> Any:
        """Return the caller's own data; for everybody else there are none."""
        node = owned_nodes(caller_of_request(request._request), reference).select_related("template").first()
        if node is None:
            raise not_found()
        # Revision and time change with each write.
        tag = etag_of("data-node", node.pk, node.revision, node.updated_at.isoformat(), node.expires_at)
        return tagged(request, tag, _told(node))

    @extend_schema(operation_id="data_nodes_delete", responses={204: None})
    def delete(self, request: Request, reference: str) -> Response:
        """Throw a draft of the caller's away, with its files."""
        discard_draft(caller_of_request(request._request), reference)
        return Response(status=204)


def _told(node: DataNode) -> dict[str, Any]:
    return {
        "reference": node.reference,
        "process": None if node.template is None else node.template.slug,
        "instance": None if node.instance_id is None else str(node.instance_id),
        "step": node.step,
        "revision": node.revision,
        # What followers of a run aren't told either.
        "data": {key: value for key, value in node.data.items() if not key.startswith("_")},
        "entered": node.entered,
        "drafted_at": None if node.drafted_at is None else node.drafted_at.isoformat(),
        "continued_in": None if node.continued_in is None else str(node.continued_in),
        "created_at": node.created_at.isoformat(),
        "updated_at": node.updated_at.isoformat(),
        "expires_at": None if node.expires_at is None else node.expires_at.isoformat(),
    }
