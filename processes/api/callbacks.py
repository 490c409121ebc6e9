"""Callbacks over HTTP (docs/callbacks.md): the token is all the authority that there is.

No session is looked at and no cookie set, so there is nothing that a foreign page could borrow. A report is JSON, or a
form of several parts: the part `report` is that JSON then, and each file becomes a file info in its data.
"""

import uuid
from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IDEMPOTENCY_KEY, ApiView
from processes.domain.callbacks import REPORTS
from processes.domain.json_values import JSON, json_problems
from processes.errors import ProcessError
from processes.pages.errors import status_of
from processes.pages.uploads import declared_bytes, upload_limit
from processes.services.callback_tokens import callback_of_token
from processes.services.callbacks import MAX_DATA_DEPTH, query_callback, report_callback
from processes.services.errors import TooLargeError
from tasks.api.errors import problem_response
from tasks.domain.calls import check_key
from tasks.domain.json_text import UnreadableJson, read_json
from tasks.registry import Problem

__all__ = ["MAX_BYTES", "callback", "callback_by_header"]

#: The longest body that is taken.
MAX_BYTES: Final = 1024 * 1024
_KEY_HEADER: Final = "Idempotency-Key"
_QUERY = "query"
_KEYS = ("action", "data")
_REPORT = "report"


class ReportSerializer(serializers.Serializer):
    """Be a report of later work."""

    action = serializers.ChoiceField(choices=[*REPORTS, _QUERY])
    data = serializers.JSONField(required=False)


class FilesReportSerializer(serializers.Serializer):
    """Be a report with files, which become keys of its data."""

    report = serializers.CharField(help_text="The report as JSON.")


class StandingSerializer(serializers.Serializer):
    """Tell how a callback stands."""

    callbackStatus = serializers.CharField()  # noqa: N815 - as it is told
    callbackData = serializers.JSONField(required=False)  # noqa: N815


class CallbackView(ApiView):
    """A callback, to whoever has its token: in the address, or as a bearer token."""

    authentication_classes: ClassVar = []
    problem_statuses: ClassVar = {"GET": (404,), "POST": (404, 422, 503)}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, open to other sites: nothing is asked that a browser would tell by itself."""
        view: Any = super().as_view(**initkwargs)
        view.csrf_exempt = True
        return view

    @extend_schema(operation_id="callbacks_get", responses=StandingSerializer)
    @method_decorator(sensitive_variables("token"))
    def get(self, request: Request, token: str = "") -> Response:
        """Tell how the callback stands."""
        return Response(query_callback(callback_of_token(token or _bearer(request._request))).to_json())

    @extend_schema(
        operation_id="callbacks_report",
        request={"application/json": ReportSerializer, "multipart/form-data": FilesReportSerializer},
        parameters=[IDEMPOTENCY_KEY],
        responses=StandingSerializer,
    )
    @method_decorator(sensitive_variables("token"))
    def post(self, request: Request, token: str = "") -> Response:
        """Take a report: that the work has begun, how far it is, that it is done or has failed."""
        plain = request._request
        return Response(_report(plain, callback_of_token(token or _bearer(plain))))

    def handle_exception(self, exc: Exception) -> HttpResponseBase:
        """Tell what is wrong with a report, and nothing of what is behind it."""
        if isinstance(exc, ProcessError):
            return problem_response(Problem(exc.code, exc.message, status_of(exc)))
        response: HttpResponseBase = super().handle_exception(exc)
        return response

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let nobody pass the address on that it came from."""
        response.headers["Referrer-Policy"] = "no-referrer"
        return super().finalize_response(request, response, *args, **kwargs)


@extend_schema_view(
    get=extend_schema(operation_id="callbacks_get_by_header"),
    post=extend_schema(operation_id="callbacks_report_by_header"),
)
class CallbackByHeaderView(CallbackView):
    """A callback whose token comes as a bearer token, so that no log of addresses has it."""


callback = CallbackView.as_view()
callback_by_header = CallbackByHeaderView.as_view()


def _bearer(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _report(request: HttpRequest, target: uuid.UUID) -> dict[str, JSON]:
    # Whether there is such a callback comes first: the rest is told to those who know one.
    standing = query_callback(target)
    text, files = _parts(request)
    body = _parsed(text)
    action, data = body.get("action"), body.get("data")
    if files and not isinstance(data, dict | None):
        raise _bad('With files "data" is an object: each becomes a key of it.')
    if problems := json_problems(dict.fromkeys(files), limit=1):
        raise _bad(f'The name of a file\'s part becomes a key of "data". {problems[0].message}.')
    if files and data and (both := files.keys() & data.keys()):
        # As a key that comes twice: one of the two would be lost without a word.
        raise _bad(f'{_shown(min(both))} is a key of "data" and the name of a file\'s part: give one another name.')
    if action == _QUERY:
        return standing.to_json()
    if not isinstance(action, str) or action not in REPORTS:
        raise _bad(f'"action" is one of {", ".join([*REPORTS, _QUERY])}.')
    # PostgreSQL stores no NUL, which not every server refuses in headers.
    key = check_key(request.headers.get(_KEY_HEADER), place=_KEY_HEADER)
    key = f"http:{target}:{key}" if key else ""
    standing = report_callback(target, report=REPORTS[action], data=data, files=files, key=key)
    return {"callbackStatus": standing.status.value}


def _parts(request: HttpRequest) -> tuple[bytes, dict[str, "UploadedFile[bytes]"]]:
    """Return the JSON text of a report, and the files that came with it."""
    if request.content_type != "multipart/form-data":
        return _body(request), {}
    if declared_bytes(request) > upload_limit():
        # The server has received nothing of it.
        raise TooLargeError(f"A report with its files may have {upload_limit():,} bytes.")
    try:
        texts = request.POST.getlist(_REPORT)
        given = dict(request.FILES.lists())
    except RequestDataTooBig:
        raise _too_large() from None
    except (MultiPartParserError, SuspiciousOperation):
        raise _bad("These parts can't be read, or are too many.") from None
    if not texts:
        raise _bad(f'The part "{_REPORT}" is missing: {{"action": "complete", "data": {{}}}}.')
    if others := sorted(set(request.POST) - {_REPORT}):
        raise _bad(
            f'The part {_shown(others[0])} is neither "{_REPORT}" nor a file: '
            f'put it into "data" of the report, or send it with a filename.'
        )
    # Which of several is meant nobody can tell, and what isn't taken mustn't be answered as if it were.
    counts = [(_REPORT, len(texts)), *((name, len(several)) for name, several in given.items())]
    for name, count in counts:
        if count > 1:
            raise _bad(f"There are several parts {_shown(name)}: each has a name of its own.")
    files = {str(name): file for name, (file,) in given.items() if isinstance(file, UploadedFile)}
    return str(texts[0]).encode("utf-8", "surrogatepass"), files


def _body(request: HttpRequest) -> bytes:
    declared = declared_bytes(request)
    try:
        raw = b"" if declared > MAX_BYTES else request.read(MAX_BYTES + 1)
    except RequestDataTooBig:
        raw = b""
    if len(raw) > MAX_BYTES or (not raw and declared):
        raise _too_large()
    return raw


def _parsed(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise _too_large()
    try:
        body = read_json(raw, takes_constants=True)
    except UnreadableJson as error:
        raise _bad(f"This is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise _bad('Send a JSON object: {"action": "progress", "data": {}}.')
    for name in body:
        if name not in _KEYS:
            raise _bad(f"Unknown key {name[:50]!r}: a report has {' and '.join(_KEYS)}.")
    if problems := json_problems(body.get("data"), max_depth=MAX_DATA_DEPTH, limit=1):
        raise _bad(f'"data"{problems[0].path}: {problems[0].message}.')
    return body


def _shown(name: object) -> str:
    return repr(str(name)[:50])


def _too_large() -> TooLargeError:
    return TooLargeError(f"A report may have {MAX_BYTES:,} bytes.")


def _bad(message: str) -> ProcessError:
    return ProcessError(message, code="bad_request")
