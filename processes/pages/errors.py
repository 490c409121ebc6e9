"""Turn errors into pages: the one place that maps the codes of `processes` to HTTP.

What is missing and what is forbidden gives the same page. A stack trace never reaches a page; what a script raised is
shown to staff only, and logged.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import (
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.multipartparser import MultiPartParserError
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse

from processes.errors import FailedError, ProcessError
from processes.services.errors import SignInRequiredError, TooLargeError
from tasks.errors import TasksError

logger = logging.getLogger(__name__)

#: What the parsing of a request may raise when the request is at fault.
BAD_REQUEST = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent, MultiPartParserError, SuspiciousOperation)


@dataclass(frozen=True, slots=True)
class _Page:
    status: int
    title: str
    #: Replaces the error's own message, where that isn't written for those who see the page.
    text: str = ""
    #: Whether staff see the error's own message below that text.
    told_to_staff: bool = False


_NOTHING_HERE = _Page(404, "There is nothing here", "The address is wrong, or what it leads to isn't there for you.")
_FAILED = _Page(
    500, "A step has failed", "Nothing that you entered before is lost. Try again, or tell those who run it."
)

#: A process that fails on purpose says why in words for people, whatever code it gives.
_ON_PURPOSE = _Page(422, "This didn't work")
_NOT_SET_UP = _Page(
    500,
    "This process isn't set up completely",
    "Nothing that you entered before is lost. Please tell those who run this site: they find the reason in its log.",
    told_to_staff=True,
)
_ELSEWHERE = "Another system didn't do its part"
_MAIL = "The mail could not be sent"

_PAGES: Mapping[str, _Page] = {
    "not_found": _NOTHING_HERE,
    "template_not_found": _NOTHING_HERE,
    "instance_not_found": _NOTHING_HERE,
    "not_published": _NOTHING_HERE,
    "file_not_found": _NOTHING_HERE,
    "data_node_not_found": _Page(
        404,
        "This link or form is no longer valid",
        "What it belongs to has expired, or isn't there for you. Please start again.",
    ),
    "bad_request": _Page(400, "The request can't be read"),
    "placeholder": _Page(400, "Something is missing in this request"),
    "conflict": _Page(409, "This step was already submitted"),
    "stale_data": _Page(409, "This was changed meanwhile"),
    "form_gone": _Page(409, "This process has changed"),
    "entry_refused": _Page(405, "This step can't be opened by a link"),
    "too_large": _Page(413, "That is too large"),
    "storage": _Page(503, "The file could not be stored"),
    "action_limit": _Page(500, "This process doesn't come to an end"),
    "form_in_background": _Page(500, "A form can't be shown here"),
    "cancelled": _Page(409, "This was cancelled"),
    "authority": _Page(403, "This may not be done here any more"),
    "not_allowed": _Page(403, "You may not do this"),
    "no_owner": _NOT_SET_UP,
    "no_credentials": _NOT_SET_UP,
    "unsafe_target": _NOT_SET_UP,
    "connection_missing": _NOT_SET_UP,
    "connection_not_bound": _NOT_SET_UP,
    "secret_unreadable": _NOT_SET_UP,
    "outbound_failed": _Page(502, _ELSEWHERE),
    "outbound_timeout": _Page(502, _ELSEWHERE),
    "outbound_status": _Page(502, _ELSEWHERE),
    "outbound_too_large": _Page(502, _ELSEWHERE),
    # It tells the whole address, and how this site is protected.
    "outbound_refused": _Page(
        502,
        "A request to another system was refused",
        "This site doesn't send requests there. Please tell those who run it.",
        told_to_staff=True,
    ),
    "mail_failed": _Page(502, _MAIL),
    "mail_refused": _Page(502, _MAIL),
}


def status_of(error: ProcessError | TasksError) -> int:
    """Return the HTTP status of an error."""
    return _page_of(error).status


def error_response(request: HttpRequest, error: ProcessError | TasksError, *, begin: str = "") -> HttpResponse:
    """Return the page that says what went wrong and how to go on; `begin` is where the process begins, if one runs."""
    if isinstance(error, SignInRequiredError):
        return _to_login(request)
    page = _page_of(error)
    if page.status >= 500:
        logger.error("Process %s failed: [%s] %s", begin or "-", error.code, error.message, exc_info=error)
    context = {
        "title": page.title,
        "text": page.text or error.message,
        "details": _details(request, error, page),
        "links": _links(error, begin),
    }
    response = HttpResponse(render_to_string("processes/error.html", context, request), status=page.status)
    if page.status == 405:
        response.headers["Allow"] = "POST"
    return response


def bad_request_response(request: HttpRequest, error: Exception, *, begin: str = "") -> HttpResponse:
    """Return the page for a request that could not be read: too large, too many fields, malformed."""
    return error_response(request, _as_process_error(error), begin=begin)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler400."""
    return bad_request_response(request, exception or SuspiciousOperation())


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler403."""
    return _plain(request, 403, "You may not do this", "Sign in with an account that may, or go back.")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler404."""
    return _plain(request, 404, _NOTHING_HERE.title, _NOTHING_HERE.text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for Django's handler500, with a template that needs neither the database nor the session."""
    try:
        body = str(render_to_string("processes/server_error.html"))
    except Exception:  # noqa: BLE001 - whatever broke may have broken templates too
        body = "The server has failed. Please try again."
    return HttpResponse(body, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer for Django's CSRF_FAILURE_VIEW."""
    text = "The form was not sent from a page of this site that is still valid. Go back, reload it, and send it again."
    return _plain(request, 403, "This form can't be accepted", text)


def _page_of(error: ProcessError | TasksError) -> _Page:
    return _ON_PURPOSE if isinstance(error, FailedError) else _PAGES.get(error.code, _FAILED)


def _as_process_error(error: Exception) -> ProcessError:
    if isinstance(error, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return TooLargeError(
            f"The fields of the form hold more than {filesizeformat(limit)}. Shorten what you entered."
        )
    if isinstance(error, TooManyFieldsSent):
        return TooLargeError("The form has more fields than are taken.")
    if isinstance(error, TooManyFilesSent):
        return TooLargeError(f"At most {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files are taken at once.")
    return ProcessError("The request is incomplete or malformed. Reload the page, and try again.", code="bad_request")


def _details(request: HttpRequest, error: ProcessError | TasksError, page: _Page) -> list[str]:
    if page is not _FAILED and not page.told_to_staff:
        return []
    if page is _FAILED and isinstance(error, ProcessError) and error.permanent and error.kind != "script_error":
        return [error.message]
    user = getattr(request, "user", None)
    if user is None or not getattr(user, "is_staff", False):
        return []
    where = f"In the action “{error.action}”: " if isinstance(error, ProcessError) and error.action else ""
    return [f"{where}{error.message}"]


def _links(error: ProcessError | TasksError, begin: str) -> list[dict[str, str]]:
    links: list[dict[str, str]] = []
    if error.code == "conflict":
        links.extend(_ways_on(error, begin))
    if begin and error.code not in ("template_not_found", "instance_not_found", "not_published"):
        links.append({"url": begin, "text": "Start again"})
    links.append({"url": reverse("processes:home"), "text": "All processes"})
    return links


def _ways_on(error: ProcessError | TasksError, begin: str) -> list[dict[str, str]]:
    fields = error.fields
    if fields.get("continued_in"):
        url = reverse("processes:progress", kwargs={"root_id": fields["continued_in"]})
        return [{"url": url, "text": "See how the work is going"}]
    if fields.get("step") and begin:
        query = urlencode({"form": fields["step"], "data": fields["reference"]})
        return [{"url": f"{begin}?{query}", "text": "See this step as it stands now"}]
    return []


def _plain(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    context = {"title": title, "text": text, "details": [], "links": _links(ProcessError(code="plain"), "")}
    return HttpResponse(render_to_string("processes/error.html", context, request), status=status)


def _to_login(request: HttpRequest) -> HttpResponseRedirect:
    # A form that was posted can't be repeated after signing in; its process can be opened again.
    return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else request.path)
