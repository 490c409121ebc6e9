"""Callbacks over HTTP (docs/callbacks.md): the token is all the authority that there is.

No session is looked at and no cookie set, so there is nothing that a foreign page could borrow. A report is JSON, or a
form of several parts: the part `report` is that JSON then, and each file becomes a file info in its data.
"""

import json
import uuid
from functools import wraps
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from processes.domain.callbacks import REPORTS
from processes.domain.json_values import JSON, json_problems, nests_absurdly
from processes.errors import ProcessError
from processes.pages.errors import status_of
from processes.pages.uploads import upload_limit
from processes.services.callback_tokens import callback_of_token
from processes.services.callbacks import MAX_DATA_DEPTH, query_callback, report_callback
from processes.services.errors import TooLargeError
from tasks.api.errors import problem_response
from tasks.registry import Problem

__all__ = ["MAX_BYTES", "callback"]

#: The longest body that is taken.
MAX_BYTES: Final = 1024 * 1024
_KEY_CHARS = 100
_QUERY = "query"
_KEYS = ("action", "data")
_REPORT = "report"


def _private(view: Any) -> Any:
    """Let nobody keep an answer, or pass the address on that it came from."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return answer


@csrf_exempt
@_private
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def callback(request: HttpRequest, token: str = "") -> HttpResponse:
    """Take a report (POST), or tell how the callback stands (GET); the token may come as a bearer token instead."""
    try:
        target = callback_of_token(token or _bearer(request))
        if request.method == "POST":
            return JsonResponse(_report(request, target))
        return JsonResponse(query_callback(target).to_json())
    except ProcessError as error:
        return problem_response(Problem(error.code, error.message, status_of(error)))


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
    if action == _QUERY:
        return standing.to_json()
    if not isinstance(action, str) or action not in REPORTS:
        raise _bad(f'"action" is one of {", ".join([*REPORTS, _QUERY])}.')
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > _KEY_CHARS:
        raise _bad(f"Idempotency-Key has at most {_KEY_CHARS} characters.")
    key = f"http:{target}:{key}" if key else ""
    standing = report_callback(target, report=REPORTS[action], data=data, files=files, key=key)
    return {"callbackStatus": standing.status.value}


def _parts(request: HttpRequest) -> tuple[bytes, dict[str, "UploadedFile[bytes]"]]:
    """Return the JSON text of a report, and the files that came with it."""
    if request.content_type != "multipart/form-data":
        return _body(request), {}
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared[:20]) > upload_limit():
        # The server has received nothing of it.
        raise TooLargeError(f"A report with its files may have {upload_limit():,} bytes.")
    try:
        text = request.POST.get(_REPORT)
        files = {str(name): file for name, file in request.FILES.items() if isinstance(file, UploadedFile)}
    except RequestDataTooBig:
        raise _too_large() from None
    except (MultiPartParserError, SuspiciousOperation):
        raise _bad("These parts can't be read, or are too many.") from None
    if not isinstance(text, str):
        raise _bad(f'The part "{_REPORT}" is missing: {{"action": "complete", "data": {{}}}}.')
    return text.encode("utf-8", "surrogatepass"), files


def _body(request: HttpRequest) -> bytes:
    declared = request.META.get("CONTENT_LENGTH") or "0"
    try:
        raw = b"" if declared.isdigit() and int(declared[:20]) > MAX_BYTES else request.read(MAX_BYTES + 1)
    except RequestDataTooBig:
        raw = b""
    if len(raw) > MAX_BYTES or (not raw and declared != "0"):
        raise _too_large()
    return raw


def _parsed(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise _too_large()
    try:
        text = raw.decode()
        if nests_absurdly(text):
            raise _bad("This nests too deep.")
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad("This is not JSON.") from None
    if not isinstance(body, dict):
        raise _bad('Send a JSON object: {"action": "progress", "data": {}}.')
    for name in body:
        if name not in _KEYS:
            raise _bad(f"Unknown key {name[:50]!r}: a report has {' and '.join(_KEYS)}.")
    if problems := json_problems(body.get("data"), max_depth=MAX_DATA_DEPTH, limit=1):
        raise _bad(f'"data"{problems[0].path}: {problems[0].message}.')
    return body


def _too_large() -> TooLargeError:
    return TooLargeError(f"A report may have {MAX_BYTES:,} bytes.")


def _bad(message: str) -> ProcessError:
    return ProcessError(message, code="bad_request")
