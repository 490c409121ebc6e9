"""Render what a process answered: a page, a form, a redirect, a file or JSON."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.response import Response
from processes.errors import NotFoundError, PermanentError
from processes.models import ProcessTemplate
from processes.pages.downloads import file_response
from processes.pages.forms import ProcessForm, build_form
from processes.pages.instance_frame import frame_of
from processes.pages.requests import NEW, kept_query
from processes.services.access import Caller, is_allowed_redirect
from processes.services.addresses import address_of
from processes.services.errors import DataNodeNotFoundError
from processes.services.files import find_file
from processes.services.forms import FormConfig
from processes.services.promises import make_promise

#: Draws a task; only the address of a task's own page gives it one.
PROGRESS_TEMPLATE = "processes/progress.html"


def render_response(
    request: HttpRequest,
    response: Response,
    *,
    template: ProcessTemplate,
    caller: Caller,
    data: Mapping[str, JSON],
    extra: Mapping[str, object] | None = None,
) -> HttpResponseBase:
    """Return the HTTP response for what a process answered; `extra` goes into the context of its template."""
    if response.redirect is not None:
        return _redirect(request, response.redirect)
    if response.file is not None:
        return file_response(find_file(response.file, caller=caller), request=request)
    if response.json is not None:
        return _json(response)
    if response.form is not None and request.method == "POST":
        return _redirect_to_form(request, response.form, caller=caller)
    if response.form is not None:
        return _render_described_form(request, response.form, template=template, caller=caller, data=data)
    if response.content_type is not None and response.content is not None:
        return _raw(response)
    if response.template == PROGRESS_TEMPLATE and not extra:
        raise NotFoundError("This page shows a task, and the request names none.")
    own_page = response.template is not None and response.template.startswith("processes/")
    context: dict[str, Any] = {
        **(response.context or {}),
        "data": data,
        "process": template,
        "title": response.title or template.title,
        # Both come from task scripts and definitions, which escape what isn't theirs (processes.scripts.responses).
        "head": mark_safe(response.head or ""),  # noqa: S308
        "content": mark_safe(response.content or ""),  # noqa: S308
        "fragment": None if own_page else response.template,
        "is_empty": response.is_empty,
        "response": response,
        "process_url": _process_url(caller),
        # Most pages have no buttons that post.
        "promised": SimpleLazyObject(partial(_promised_step, caller)),
        "frame": frame_of(caller, user=request.user),
        **(extra or {}),
    }
    page = response.template if own_page and response.template else "processes/page.html"
    return HttpResponse(_render(page, context, request), status=_status(response))


def _process_url(caller: Caller) -> str:
    """Return where the buttons and links of a page lead; empty on that of a task without a process."""
    return address_of(caller) if caller.slug or caller.instance_id is not None else ""


def _promised_step(caller: Caller) -> dict[str, JSON]:
    """Return what the buttons of a page without data send, so that of two clicks one counts all the same."""
    try:
        promise = make_promise(caller=caller)
    except DataNodeNotFoundError:
        return {}  # Nothing could be kept for somebody without a session.
    return {"data": promise.reference, "revision": 0, "promise": promise.token}


def _json(response: Response) -> HttpResponse:
    try:
        return JsonResponse(response.json, safe=False, status=_status(response), json_dumps_params={"allow_nan": False})
    except (TypeError, ValueError, RecursionError) as error:
        raise _bad_response(f"what is no JSON: {error}") from error


def _raw(response: Response) -> HttpResponse:
    try:
        return HttpResponse(
            response.content, content_type=_with_charset(response.content_type), status=_status(response)
        )
    except (ValueError, LookupError) as error:
        raise _bad_response(f"the content type {response.content_type!r}: {error}") from error


def _with_charset(content_type: str | None) -> str | None:
    """Name the encoding of a text: a browser that guesses may read something else in it than was meant."""
    if content_type is None or "charset" in content_type.lower() or not content_type.lower().startswith("text/"):
        return content_type
    return f"{content_type}; charset=utf-8"


def _status(response: Response) -> int:
    status = response.status_code
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise _bad_response(f"the status {status!r}: give one from 200 to 599")
    return status


def _bad_response(what: str) -> PermanentError:
    return PermanentError(f"The process answers with {what}", code="bad_response")


def render_form(
    request: HttpRequest,
    config: FormConfig,
    form: ProcessForm,
    *,
    template: ProcessTemplate,
    caller: Caller,
    name: str,
    data: Mapping[str, JSON],
    reference: str | None = None,
    revision: int | None = None,
    promise: str = "",
    status: int = 200,
) -> HttpResponse:
    """Return the page with a form: new, or with the input and what is wrong with it.

    `promise` is the token of a reference whose data node isn't stored yet.
    """
    hidden = {"form": name}
    if reference is not None:
        hidden |= {"data": reference, "revision": str(revision)}
    if promise:
        hidden["promise"] = promise
    # Where the same form is shown again, with what was entered: a script puts it into the browser's history.
    form_address = ""
    if reference is not None:
        form_address = address_of_form(request, caller=caller, name=name, reference=reference, is_new=bool(promise))
    return form_page(
        request,
        config,
        form,
        data=data,
        status=status,
        context={
            "process": template,
            "title": config.title or template.title,
            "hidden": hidden,
            "process_url": _process_url(caller),
            "form_url": plain_address(request, caller=caller),
            "form_address": form_address,
            "frame": frame_of(caller, user=request.user),
        },
    )


def form_page(
    request: HttpRequest,
    config: FormConfig,
    form: ProcessForm,
    *,
    data: Mapping[str, JSON],
    context: Mapping[str, object],
    status: int = 200,
) -> HttpResponse:
    """Return the page with a form; `context` says where it is sent (`form_url`), and with which `hidden` values."""
    described = {"data": data, "config": config, "form": form, "fragment": config.template}
    return HttpResponse(_render("processes/form.html", {**described, **context}, request), status=status)


def _render_described_form(
    request: HttpRequest,
    described: Mapping[str, JSON],
    *,
    template: ProcessTemplate,
    caller: Caller,
    data: Mapping[str, JSON],
) -> HttpResponse:
    config = FormConfig.model_validate(described["config"])
    return render_form(
        request,
        config,
        build_form(config, data=data, entered=described.get("entered"), user=request.user),
        template=template,
        caller=caller,
        name=described["name"],
        data=data,
        reference=described.get("data"),
        revision=described.get("revision"),
        promise=described.get("promise", ""),
    )


def _redirect_to_form(request: HttpRequest, described: Mapping[str, JSON], *, caller: Caller) -> HttpResponse:
    """Lead to the address at which the form is shown: so reloading and going back never submit a step again."""
    address = address_of_form(request, caller=caller, name=described["name"], reference=described["data"])
    return HttpResponseRedirect(address, status=303)


def plain_address(request: HttpRequest, *, caller: Caller) -> str:
    """Return where the process begins anew, with the parameters that whoever made the link gave it."""
    kept = kept_query(request)
    return f"{address_of(caller)}?{kept.urlencode()}" if kept else address_of(caller)


def address_of_form(request: HttpRequest, *, caller: Caller, name: str, reference: str, is_new: bool = False) -> str:
    """Return where a form is shown with what was entered; `is_new` where it may not have been sent yet."""
    query = kept_query(request)
    query["form"], query["data"] = name, reference
    if is_new:
        query[NEW] = "1"
    return f"{address_of(caller)}?{query.urlencode()}"


def _redirect(request: HttpRequest, url: str) -> HttpResponse:
    if not is_allowed_redirect(url, host=request.get_host()):
        raise PermanentError(_("The process wants to lead to another site, which isn't allowed."), code="bad_redirect")
    # A form that was sent must be followed by a GET, whatever the client thinks of 302.
    return HttpResponseRedirect(url, status=303 if request.method == "POST" else 302)


def _render(name: str, context: Mapping[str, object], request: HttpRequest) -> str:
    try:
        return render_to_string(name, context, request)
    except TemplateDoesNotExist as error:
        text = _("There is no template “%(name)s”.") % {"name": error.args[0]}
        raise PermanentError(text, code="no_template") from error
