"""Render what a process answered: a page, a form, a redirect, a file or JSON."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from processes.domain.json_values import JSON
from processes.domain.response import Response
from processes.errors import NotFoundError, PermanentError
from processes.models import ProcessTemplate
from processes.pages.downloads import file_response
from processes.pages.forms import ProcessForm, build_form
from processes.services.access import Caller, is_allowed_redirect
from processes.services.addresses import address_of
from processes.services.files import find_file
from processes.services.forms import FormConfig

#: Draws a task; only the address of a task's own page gives it one.
PROGRESS_TEMPLATE = "processes/progress.html"
#: Parameters that a form sets itself; all others of the address are kept when it is sent.
OWN_PARAMETERS = frozenset({"action", "data", "form", "revision"})


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
        return file_response(find_file(response.file, caller=caller))
    if response.json is not None:
        return JsonResponse(response.json, safe=False, status=response.status_code)
    if response.form is not None and request.method == "POST":
        return _redirect_to_form(request, response.form, caller=caller)
    if response.form is not None:
        return _render_described_form(request, response.form, template=template, caller=caller, data=data)
    if response.content_type is not None and response.content is not None:
        return HttpResponse(response.content, content_type=response.content_type, status=response.status_code)
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
        **(extra or {}),
    }
    page = response.template if own_page and response.template else "processes/page.html"
    return HttpResponse(_render(page, context, request), status=response.status_code)


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
    status: int = 200,
) -> HttpResponse:
    """Return the page with a form: new, or with the input and what is wrong with it."""
    hidden = {"form": name}
    if reference is not None:
        hidden |= {"data": reference, "revision": str(revision)}
    kept = _kept_parameters(request)
    address = address_of(caller)
    context = {
        "data": data,
        "process": template,
        "title": config.title or template.title,
        "config": config,
        "form": form,
        "fragment": config.template,
        "hidden": hidden,
        "form_url": f"{address}?{kept.urlencode()}" if kept else address,
    }
    return HttpResponse(_render("processes/form.html", context, request), status=status)


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
        build_form(config, data=data),
        template=template,
        caller=caller,
        name=described["name"],
        data=data,
        reference=described.get("data"),
        revision=described.get("revision"),
    )


def _redirect_to_form(request: HttpRequest, described: Mapping[str, JSON], *, caller: Caller) -> HttpResponse:
    """Lead to the address at which the form is shown: so reloading and going back never submit a step again."""
    query = _kept_parameters(request)
    query["form"], query["data"] = described["name"], described["data"]
    return HttpResponseRedirect(f"{address_of(caller)}?{query.urlencode()}", status=303)


def _kept_parameters(request: HttpRequest) -> QueryDict:
    """Return the parameters of the address that belong to whoever made it, and not to one step."""
    kept = request.GET.copy()
    for parameter in OWN_PARAMETERS:
        kept.pop(parameter, None)
    return kept


def _redirect(request: HttpRequest, url: str) -> HttpResponse:
    if not is_allowed_redirect(url, host=request.get_host()):
        raise PermanentError("The process wants to lead to another site, which isn't allowed.", code="bad_redirect")
    # A form that was sent must be followed by a GET, whatever the client thinks of 302.
    return HttpResponseRedirect(url, status=303 if request.method == "POST" else 302)


def _render(name: str, context: Mapping[str, object], request: HttpRequest) -> str:
    try:
        return render_to_string(name, context, request)
    except TemplateDoesNotExist as error:
        raise PermanentError(f'There is no template "{error.args[0]}".', code="no_template") from error
