"""The page of a process: `/p/<slug>/` runs it with the request's parameters and shows what it answers."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.errors import ProcessError
from processes.models import DataNode, ProcessTemplate
from processes.pages.callers import caller_of_request
from processes.pages.errors import BAD_REQUEST, bad_request_response, error_response
from processes.pages.forms import ProcessForm, build_form
from processes.pages.rendering import render_form, render_response
from processes.services.access import Caller, find_executable
from processes.services.data_nodes import conflict, load_data_node
from processes.services.errors import DataNodeNotFoundError, TooLargeError
from processes.services.foreground import Visit, check_entry, published_plan, run_foreground
from processes.services.form_lookup import find_form
from processes.services.forms import FormConfig
from tasks.errors import TasksError

#: The largest request that is taken, in bytes, unless STEPLINE_UPLOAD_MAX_BYTES says otherwise.
UPLOAD_MAX_BYTES = 2 * 1024**3
_MAX_REVISION_DIGITS = 9
_NOT_FOR_PROCESSES = frozenset({"csrfmiddlewaretoken", "data", "form", "revision"})

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def errors_as_pages(view: View[P]) -> View[P]:
    """Answer with a clear page where a view raises an error of ours, or can't read its request."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        slug = str(kwargs.get("slug", ""))
        try:
            return view(request, *args, **kwargs)
        except (ProcessError, TasksError) as error:
            return error_response(request, error, slug=slug)
        except BAD_REQUEST as error:
            return bad_request_response(request, error, slug=slug)

    return guarded


@csrf_exempt  # The size is checked before anything reads the body; _process_page checks the token.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def process_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Run a process in the foreground, and show what it answers."""
    limit = int(getattr(settings, "STEPLINE_UPLOAD_MAX_BYTES", UPLOAD_MAX_BYTES))
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLargeError(
            f"What you sent is larger than this site takes ({filesizeformat(limit)}).", fields={"limit_bytes": limit}
        )
    if request.method == "POST":
        _ = request.POST  # A body that can't be read is reported as such, not as a missing token.
    return _protected(request, slug=slug)


@csrf_protect
def _protected(request: HttpRequest, *, slug: str) -> HttpResponseBase:
    template = find_executable(slug=slug, user=request.user)
    plan = published_plan(template)
    caller = caller_of_request(request, template=template, needs_session=True)
    if request.method == "POST":
        return _post(request, template, plan, caller)
    return _get(request, template, plan, caller)


def _get(request: HttpRequest, template: ProcessTemplate, plan: Plan, caller: Caller) -> HttpResponseBase:
    parameters = _parameters(request.GET)
    reference = request.GET.get("data")
    node = load_data_node(caller=caller, reference=reference) if reference else None
    name = request.GET.get("form", "")
    if name and node is not None:
        if node.continued_in is not None:
            raise conflict(node)
        config = find_form(plan, name, parameters=parameters, data=node.data)
        form = build_form(config, data=node.data)
        return _show_form(request, config, form, template=template, name=name, node=node)
    check_entry(plan=plan, action=parameters.get("action"), node=node)
    visit = Visit(
        template=template,
        plan=plan,
        request=_request(request, parameters, node=node),
        caller=caller,
        user=request.user,
        node=node,
    )
    return _run(request, visit)


def _post(request: HttpRequest, template: ProcessTemplate, plan: Plan, caller: Caller) -> HttpResponseBase:
    parameters = {**_parameters(request.GET), **_parameters(request.POST)}
    node = _submitted_node(request, caller)
    name = request.POST.get("form", "")
    form: ProcessForm | None = None
    if name:
        data = node.data if node is not None else {}
        config = find_form(plan, name, parameters=parameters, data=data)
        form = build_form(config, data=data, posted=request.POST, files=request.FILES)
        if not form.is_valid():
            return _show_form(request, config, form, template=template, name=name, node=node, status=422)
        # Where a form leads is for its definition to say, not for whoever sends it.
        parameters["action"] = config.action
    visit = Visit(
        template=template,
        plan=plan,
        request=_request(request, parameters, node=node),
        caller=caller,
        user=request.user,
        node=node,
        claims=node is not None,
        values=form.cleaned_data if form is not None else {},
    )
    return _run(request, visit)


def _submitted_node(request: HttpRequest, caller: Caller) -> DataNode | None:
    """Return the data node that a form refers to; raises where it is none of the caller's, or was submitted before."""
    reference = request.POST.get("data")
    if not reference:
        return None
    node = load_data_node(caller=caller, reference=reference)
    text = request.POST.get("revision", "")
    revision = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_REVISION_DIGITS else 0
    if not 1 <= revision <= node.revision:
        # Every form of ours bears the revision that it was made from: this one was made by somebody else.
        raise DataNodeNotFoundError("The form is incomplete.")
    if revision != node.revision or node.continued_in is not None:
        raise conflict(node)
    return node


def _run(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    answer = run_foreground(visit)
    return render_response(request, answer.response, template=visit.template, caller=visit.caller, data=answer.data)


def _show_form(
    request: HttpRequest,
    config: FormConfig,
    form: ProcessForm,
    *,
    template: ProcessTemplate,
    name: str,
    node: DataNode | None,
    status: int = 200,
) -> HttpResponseBase:
    return render_form(
        request,
        config,
        form,
        template=template,
        name=name,
        data=node.data if node is not None else {},
        reference=node.reference if node is not None else None,
        revision=node.revision if node is not None else None,
        status=status,
    )


def _parameters(query: QueryDict) -> dict[str, JSON]:
    """Return the parameters that are meant for the process; of several of one name the last counts."""
    parameters: dict[str, JSON] = {}
    for name, value in query.items():
        if name in _NOT_FOR_PROCESSES:
            continue
        if "\0" in name or "\0" in str(value):
            raise ProcessError("The request holds characters that can't be stored.", code="bad_request")
        parameters[name] = value
    return parameters


def _request(request: HttpRequest, parameters: Mapping[str, JSON], *, node: DataNode | None) -> Request:
    return Request(
        method=request.method or "GET",
        path=request.path,
        parameters=dict(parameters),
        data_reference=node.reference if node is not None else None,
        revision=node.revision if node is not None else None,
        language=get_language(),
    )
