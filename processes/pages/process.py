"""The pages that run processes: `/p/<slug>/` a template, `/instances/<id>/` an instance.

They run it in the foreground with the request's parameters, and show what it answers. Both follow the same rules: what
a link may enter, forms, data references, one submitter for each step.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from processes.models import DataNode, ProcessInstance, ProcessTemplate
from processes.pages.callers import caller_of_request
from processes.pages.errors import BAD_REQUEST, bad_request_response, error_response
from processes.pages.forms import ProcessForm, build_form
from processes.pages.rendering import render_form, render_response
from processes.services.access import Caller, find_executable, find_instance
from processes.services.addresses import address_of
from processes.services.data_nodes import conflict, load_data_node
from processes.services.derivation import load_plan
from processes.services.errors import DataNodeNotFoundError, TooLargeError
from processes.services.foreground import Visit, check_entry, published_plan, run_foreground
from processes.services.form_lookup import find_form
from processes.services.forms import FormConfig
from tasks.errors import TasksError

#: The largest request that is taken, in bytes, unless STEPLINE_UPLOAD_MAX_BYTES says otherwise.
UPLOAD_MAX_BYTES = 2 * 1024**3
_MAX_REVISION_DIGITS = 9
_NOT_FOR_PROCESSES = frozenset({"csrfmiddlewaretoken", "data", "form", "revision"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Executed:
    """Hold what a page executes: an instance with its plan, or a template with the published one."""

    template: ProcessTemplate
    plan: Plan
    instance: ProcessInstance | None = None


P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def errors_as_pages(view: View[P]) -> View[P]:
    """Answer with a clear page where a view raises an error of ours, or can't read its request."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        begin = ""
        if "slug" in kwargs or "instance_id" in kwargs:
            begin = address_of(
                Caller(slug=str(kwargs.get("slug", "")), instance_id=_as_uuid(kwargs.get("instance_id")))
            )
        try:
            return view(request, *args, **kwargs)
        except (ProcessError, TasksError) as error:
            return error_response(request, error, begin=begin)
        except BAD_REQUEST as error:
            return bad_request_response(request, error, begin=begin)

    return guarded


@csrf_exempt  # The size is checked before anything reads the body; _protected checks the token.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def process_page(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Run a process in the foreground, and show what it answers."""
    _check_size(request)
    return _protected(request, slug=slug)


@csrf_exempt  # As above.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def instance_page(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Execute an instance, and show what its process answers: to its owner, and to staff who may change instances."""
    _check_size(request)
    return _protected(request, instance_id=instance_id)


def _check_size(request: HttpRequest) -> None:
    limit = int(getattr(settings, "STEPLINE_UPLOAD_MAX_BYTES", UPLOAD_MAX_BYTES))
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLargeError(
            f"What you sent is larger than this site takes ({filesizeformat(limit)}).", fields={"limit_bytes": limit}
        )
    if request.method == "POST":
        _ = request.POST  # A body that can't be read is reported as such, not as a missing token.


@csrf_protect
def _protected(request: HttpRequest, *, slug: str = "", instance_id: uuid.UUID | None = None) -> HttpResponseBase:
    if instance_id is None:
        template = find_executable(slug=slug, user=request.user)
        executed = _Executed(template=template, plan=published_plan(template))
    else:
        instance = find_instance(instance_id, user=request.user)
        executed = _Executed(template=instance.template, plan=load_plan(instance.plan_id), instance=instance)
    caller = caller_of_request(request, template=executed.template, instance=executed.instance, needs_session=True)
    if request.method == "POST":
        return _post(request, executed, caller)
    return _get(request, executed, caller)


def _get(request: HttpRequest, executed: _Executed, caller: Caller) -> HttpResponseBase:
    plan = executed.plan
    parameters = _parameters(request.GET)
    reference = request.GET.get("data")
    node = load_data_node(caller=caller, reference=reference) if reference else None
    name = request.GET.get("form", "")
    if name and node is not None:
        if node.continued_in is not None:
            raise conflict(node)
        config = find_form(plan, name, parameters=parameters, data=node.data)
        form = build_form(config, data=node.data)
        return _show_form(request, config, form, executed=executed, caller=caller, name=name, node=node)
    check_entry(plan=plan, action=parameters.get("action"), node=node)
    visit = Visit(
        template=executed.template,
        plan=plan,
        request=_request(request, parameters, node=node),
        caller=caller,
        user=request.user,
        node=node,
        instance=executed.instance,
    )
    return _run(request, visit)


def _post(request: HttpRequest, executed: _Executed, caller: Caller) -> HttpResponseBase:
    parameters = {**_parameters(request.GET), **_parameters(request.POST)}
    node = _submitted_node(request, caller)
    name = request.POST.get("form", "")
    form: ProcessForm | None = None
    if name:
        data = node.data if node is not None else {}
        config = find_form(executed.plan, name, parameters=parameters, data=data)
        form = build_form(config, data=data, posted=request.POST, files=request.FILES)
        if not form.is_valid():
            return _show_form(request, config, form, executed=executed, caller=caller, name=name, node=node, status=422)
        # Where a form leads is for its definition to say, not for whoever sends it.
        parameters["action"] = config.action
    visit = Visit(
        template=executed.template,
        plan=executed.plan,
        request=_request(request, parameters, node=node),
        caller=caller,
        user=request.user,
        node=node,
        instance=executed.instance,
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
    executed: _Executed,
    caller: Caller,
    name: str,
    node: DataNode | None,
    status: int = 200,
) -> HttpResponseBase:
    return render_form(
        request,
        config,
        form,
        template=executed.template,
        caller=caller,
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


def _as_uuid(value: object) -> uuid.UUID | None:
    return value if isinstance(value, uuid.UUID) else None
