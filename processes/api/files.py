"""Files over HTTP: what is known of one, its content, and storing one (docs/files.md)."""

import uuid
from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiView, FileView
from processes.api.bodies import bad_request
from processes.models import StoredFile
from processes.pages.callers import caller_of_request
from processes.pages.downloads import file_response
from processes.pages.process import check_size
from processes.pages.visible_files import visible_file
from processes.services.files import file_info, find_file, store_file
from tasks.api.base import signed_in

__all__ = ["FileContent", "FileDetail", "FileUpload"]

_BYTES, _ANY = "application/octet-stream", "*/*"


class FileInfoSerializer(serializers.Serializer):
    """Be a file info, as data of processes have it, with more of the file."""

    type = serializers.ChoiceField(choices=["FILE_INFO"])
    id = serializers.UUIDField()
    name = serializers.CharField()
    size = serializers.IntegerField(help_text="In bytes.")
    content_type = serializers.CharField()
    extension = serializers.CharField()
    content_url = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when it is kept at least; null where it belongs to something that stays."
    )


class UploadSerializer(serializers.Serializer):
    """Be a file that is sent."""

    file = serializers.FileField()


class FileUpload(ApiView):
    """The storing of files."""

    parser_classes: ClassVar[Any] = [MultiPartParser]
    problem_statuses: ClassVar = {"POST": (503,)}

    @extend_schema(
        operation_id="files_upload",
        request={"multipart/form-data": UploadSerializer},
        responses={201: OpenApiResponse(FileInfoSerializer, "What data name it by; it is kept 30 days by itself.")},
    )
    def post(self, request: Request) -> Response:
        """Store a file of the caller's: the part `file`. It belongs to whatever data that name it are saved for."""
        signed_in(request)
        plain = request._request
        check_size(plain, reads=True)
        sent = request.FILES.get("file") if hasattr(request, "FILES") else None
        if not isinstance(sent, UploadedFile) or len(request.FILES) != 1:
            raise bad_request('Send one file, as the part "file" of multipart/form-data.')
        info = store_file(
            content=sent,
            name=sent.name or "",
            content_type=sent.content_type or _BYTES,
            caller=caller_of_request(plain),
        )
        stored = find_file(info)
        address = reverse("processes-api:file", kwargs={"file_id": stored.pk})
        return Response(_told(stored), status=201, headers={"Location": address})


class FileDetail(ApiView):
    """What is known of a file."""

    @extend_schema(operation_id="files_get", responses=FileInfoSerializer)
    def get(self, request: Request, file_id: uuid.UUID) -> Response:
        """Return the info of a file that the caller may have."""
        return Response(_told(visible_file(request._request, file_id)))


class FileContent(FileView):
    """The content of a file."""

    @extend_schema(
        operation_id="files_content",
        responses={
            (200, _ANY): OpenApiTypes.BINARY,
            (206, _ANY): OpenApiResponse(OpenApiTypes.BINARY, "The part that `Range` asks for."),
        },
    )
    def get(self, request: Request, file_id: uuid.UUID) -> HttpResponseBase:
        """Return the content, whole or the part that is asked for; it never changes, as its ETag says."""
        plain = request._request
        return file_response(visible_file(plain, file_id), request=plain)


def _told(stored: StoredFile) -> dict[str, Any]:
    return {
        **file_info(stored),
        "content_url": reverse("processes-api:file-content", kwargs={"file_id": stored.pk}),
        "created_at": stored.created_at.isoformat(),
        "expires_at": None if stored.expires_at is None else stored.expires_at.isoformat(),
    }
