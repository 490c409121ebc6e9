"""Turn errors into pages: the one place that maps the codes of `processes` to HTTP.

What is missing and what is forbidden gives the same page. A stack trace never reaches a page; what a script raised is
shown to staff only, and logged.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
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
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from processes.errors import FailedError, ProcessError
from processes.services.errors import ConflictError, FormClosedError, SignInRequiredError, TooLargeError
from tasks.api.addresses import api_area
from tasks.api.errors import problem_response
from tasks.errors import TasksError
from tasks.registry import Problem

logger = logging.getLogger(__name__)

#: What the parsing of a request may raise when the request is at fault.
BAD_REQUEST = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent, MultiPartParserError, SuspiciousOperation)


@dataclass(frozen=True, slots=True)
class _Page:
    status: int
    #: Both are translated when they are shown.
    title: Any
    #: Replaces the error's own message, where that isn't written for those who see the page.
    text: Any = ""
    #: Whether staff see the error's own message below that text.
    told_to_staff: bool = False


_NOTHING_HERE = _Page(
    404, _("There is nothing here"), _("The address is wrong, or what it leads to isn't there for you.")
)
_FAILED = _Page(
    500, _("A step has failed"), _("Nothing that you entered before is lost. Try again, or tell those who run it.")
)

#: A process that fails on purpose says why in words for people, whatever code it gives.
_ON_PURPOSE = _Page(422, _("This didn't work"))
_DRAFTED = _Page(409, _("This was saved in another window"))
_NOT_SET_UP = _Page(
    500,
    _("This process isn't set up completely"),
    _("Nothing that you entered before is lost. Please tell those who run this site: they find the reason in its log."),
    told_to_staff=True,
)
_ELSEWHERE = _("Another system didn't do its part")
_MAIL = _("The mail could not be sent")

_PAGES: Mapping[str, _Page] = {
    "not_found": _NOTHING_HERE,
    "template_not_found": _NOTHING_HERE,
    "instance_not_found": _NOTHING_HERE,
    "not_published": _NOTHING_HERE,
    "file_not_found": _NOTHING_HERE,
    "data_node_not_found": _Page(
        404,
        _("This link or form is no longer valid"),
        _("What it belongs to has expired, or isn't there for you. Please start again."),
    ),
    "bad_back": _NOT_SET_UP,
    "bad_response": _NOT_SET_UP,
    "bad_request": _Page(400, _("The request can't be read")),
    "placeholder": _Page(400, _("Something is missing in this request")),
    "conflict": _Page(409, _("This step was already submitted")),
    "stale_data": _Page(409, _("This was changed meanwhile")),
    "form_gone": _Page(409, _("This process has changed")),
    "entry_refused": _Page(405, _("This step can't be opened by a link")),
    "too_large": _Page(413, _("That is too large")),
    "callback_not_found": _NOTHING_HERE,
    "callback_conflict": _Page(409, _("This has come to an end already")),
    "callback_file": _Page(422, _("A file can't be passed on")),
    "topic": _Page(400, _("The request can't be read")),
    "message_key": _Page(400, _("The request can't be read")),
    "message_conflict": _Page(409, _("Something else was published under this key")),
    "storage": _Page(503, _("The file could not be stored")),
    "action_limit": _Page(500, _("This process doesn't come to an end")),
    "form_not_found": _NOTHING_HERE,
    "form_invalid": _Page(422, _("Something in the form needs another look.")),
    "form_closed": _Page(409, _("This form isn't waited for any more")),
    "not_controllable": _Page(409, _("This can't be done with this run")),
    "not_repeatable": _Page(409, _("This can't be tried again")),
    "not_watchable": _Page(409, _("No mail can be sent to you")),
    "hook_not_found": _NOTHING_HERE,
    "hook_busy": _Page(429, _("That is too much at once")),
    "hook_idle": _Page(503, _("This can't be started now")),
    "not_assignable": _Page(409, _("This can't be assigned like that")),
    "not_offered": _Page(403, _("This can't be done now")),
    "wrong_status": _Page(409, _("This was changed meanwhile")),
    "trigger_refused": _Page(403, _("You may not do this")),
    "cancelled": _Page(409, _("This was cancelled")),
    "authority": _Page(403, _("This may not be done here any more")),
    "not_allowed": _Page(403, _("You may not do this")),
    "no_instance": _Page(
        409,
        _("This can't be started by itself"),
        _("It belongs to something that is there already: open that, and choose there what is to be done."),
        told_to_staff=True,
    ),
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
        _("A request to another system was refused"),
        _("This site doesn't send requests there. Please tell those who run it."),
        told_to_staff=True,
    ),
    "mail_failed": _Page(502, _MAIL),
    "mail_refused": _Page(502, _MAIL),
}

#: What only editors of templates are told, by the API: no page of a process is about these.
_AUTHORING: Mapping[str, int] = {
    "definition": 422,
    "publish_refused": 422,
    "lending_refused": 403,
    "binding_refused": 403,
    "slug_taken": 409,
    "stale_draft": 409,
    "draft_in_the_way": 409,
    "template_in_use": 409,
    "version_not_found": 404,
}


def status_of(error: ProcessError | TasksError) -> int:
    """Return the HTTP status of an error."""
    return _AUTHORING.get(error.code) or _page_of(error).status


def error_response(
    request: HttpRequest,
    error: ProcessError | TasksError,
    *,
    begin: str = "",
    back: str = "",
    step_title: str = "",
    unsaved: Sequence[tuple[str, str]] = (),
    ways: Sequence[tuple[str, str]] = (),
) -> HttpResponse:
    """Return the page that says what went wrong and how to go on.

    `begin` is where the process begins, if one runs, and `back` where the form is shown again that was sent. After a
    conflict, `step_title` is the title of the form at which the data stands, and `unsaved` what was entered and not
    taken, as pairs of label and text. `ways` are addresses, with what their links say, that lead on.
    """
    if isinstance(error, SignInRequiredError):
        return _to_login(request)
    page = _page_of(error)
    if page.status >= 500:
        logger.error("Process %s failed: [%s] %s", begin or "-", error.code, error.message, exc_info=error)
    context = {
        "title": page.title,
        "text": page.text or error.message,
        "history": _history(error, step_title),
        "details": _details(request, error, page),
        "unsaved": unsaved,
        "links": [*({"url": url, "text": text} for url, text in ways), *_links(error, begin, back)],
    }
    response = HttpResponse(render_to_string("processes/error.html", context, request), status=page.status)
    if error.code == "entry_refused" and page.status == 405:
        response.headers["Allow"] = "POST"
    return response


def bad_request_response(request: HttpRequest, error: Exception, *, begin: str = "") -> HttpResponse:
    """Return the page for a request that could not be read: too large, too many fields, malformed."""
    return error_response(request, bad_request_error(error), begin=begin)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler400."""
    return bad_request_response(request, exception or SuspiciousOperation())


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler403."""
    return _plain(
        request, 403, gettext("You may not do this"), gettext("Sign in with an account that may, or go back.")
    )


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer for Django's handler404."""
    return _plain(request, 404, str(_NOTHING_HERE.title), str(_NOTHING_HERE.text))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for Django's handler500, with a template that needs neither the database nor the session."""
    try:
        body = str(render_to_string("processes/server_error.html"))
    except Exception:  # noqa: BLE001 - whatever broke may have broken templates too
        body = "The server has failed. Please try again."
    return HttpResponse(body, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer for Django's CSRF_FAILURE_VIEW: to programs, with what they can do about it."""
    if api_area(request) is not None:
        told = gettext("Send the CSRF token of a page of this site in X-CSRFToken, or an API token.")
        return problem_response(Problem("csrf_failed", told, 403))
    text = gettext(
        "The form was not sent from a page of this site that is still valid. Go back, reload it, and send it again."
    )
    return _plain(request, 403, gettext("This form can't be accepted"), text)


def _page_of(error: ProcessError | TasksError) -> _Page:
    if isinstance(error, FailedError):
        status = error.fields.get("status")
        if isinstance(status, int) and 400 <= status <= 599:
            return replace(_ON_PURPOSE, status=status)
        return _ON_PURPOSE
    if isinstance(error, ConflictError) and error.fields.get("drafted"):
        return _DRAFTED
    return _PAGES.get(error.code, _FAILED)


def bad_request_error(error: Exception) -> ProcessError:
    """Return what Django says of a request that could not be read as an error of ours."""
    if isinstance(error, RequestDataTooBig):
        limit = filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        text = gettext("The fields of the form hold more than %(limit)s. Shorten what you entered.")
        return TooLargeError(text % {"limit": limit})
    if isinstance(error, TooManyFieldsSent):
        return TooLargeError(gettext("The form has more fields than are taken."))
    if isinstance(error, TooManyFilesSent):
        text = gettext("At most %(limit)s files are taken at once.")
        return TooLargeError(text % {"limit": settings.DATA_UPLOAD_MAX_NUMBER_FILES})
    text = gettext("The request is incomplete or malformed. Reload the page, and try again.")
    return ProcessError(text, code="bad_request")


def _history(error: ProcessError | TasksError, step_title: str) -> list[str]:
    """Tell when a step was sent that is sent once more, and what has become of it."""
    if not isinstance(error, ConflictError | FormClosedError):
        return []
    told = []
    if error.fields.get("at"):
        at = timezone.localtime(datetime.fromisoformat(error.fields["at"]))
        when = {"time": date_format(at, "TIME_FORMAT"), "date": date_format(at, "DATE_FORMAT")}
        is_today = at.date() == timezone.localdate()
        told.append(
            (gettext("That was at %(time)s today.") if is_today else gettext("That was at %(time)s on %(date)s."))
            % when
        )
    if step_title and not error.fields.get("continued_in"):
        told.append(gettext("It now stands at the step “%(step)s”.") % {"step": step_title})
    return told


def _details(request: HttpRequest, error: ProcessError | TasksError, page: _Page) -> list[str]:
    if page is not _FAILED and not page.told_to_staff:
        return []
    if page is _FAILED and isinstance(error, ProcessError) and error.permanent and error.kind != "script_error":
        return [error.message]
    user = getattr(request, "user", None)
    if user is None or not getattr(user, "is_staff", False):
        return []
    if isinstance(error, ProcessError) and error.action:
        return [gettext("In the action “%(action)s”: %(text)s") % {"action": error.action, "text": error.message}]
    return [error.message]


def _links(error: ProcessError | TasksError, begin: str, back: str = "") -> list[dict[str, str]]:
    links: list[dict[str, str]] = []
    if isinstance(error, ConflictError):
        links.extend(_ways_on(error, begin))
    elif back:
        links.append({"url": back, "text": gettext("Back to what you entered")})
    if begin and error.code not in ("template_not_found", "instance_not_found", "not_published"):
        links.append({"url": begin, "text": gettext("Start again")})
    links.append({"url": reverse("processes:home"), "text": gettext("All processes")})
    return links


def _ways_on(error: ConflictError, begin: str) -> list[dict[str, str]]:
    fields = error.fields
    if fields.get("instance"):
        url = reverse("processes:instance", kwargs={"instance_id": fields["instance"]})
        return [{"url": url, "text": gettext("See what it has become")}]
    if fields.get("continued_in"):
        url = reverse("processes:progress", kwargs={"root_id": fields["continued_in"]})
        return [{"url": url, "text": gettext("See how the work is going")}]
    if fields.get("step") and begin:
        query = urlencode({"form": fields["step"], "data": fields["reference"]})
        return [{"url": f"{begin}?{query}", "text": gettext("See this step as it stands now")}]
    return []


def _plain(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    context = {"title": title, "text": text, "details": [], "links": _links(ProcessError(code="plain"), "")}
    return HttpResponse(render_to_string("processes/error.html", context, request), status=status)


def _to_login(request: HttpRequest) -> HttpResponseRedirect:
    # A form that was posted can't be repeated after signing in; its process can be opened again.
    return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else request.path)
