"""The pages that run processes: `/p/<slug>/` a template, `/instances/<id>/` an instance.

They run it in the foreground with the request's parameters, and show what it answers. Both follow the same rules: what
a link may enter, forms, data references, one submitter for each step.
"""

import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from processes.domain.json_values import JSON
from processes.errors import ProcessError
from processes.models import DataNode
from processes.pages.callers import caller_of_request
from processes.pages.errors import BAD_REQUEST, bad_request_response, error_response
from processes.pages.forms import build_form
from processes.pages.posting import answer_form, sent_node
from processes.pages.rendering import plain_address, render_form, render_response
from processes.pages.requests import NEW, Executed, parameters_of, request_of
from processes.pages.uploads import upload_limit
from processes.services.access import Caller, find_executable
from processes.services.addresses import address_of
from processes.services.data_nodes import conflict, find_data_node, not_found
from processes.services.derivation import load_plan
from processes.services.entered import entered_in
from processes.services.errors import TooLargeError
from processes.services.foreground import DISPLAY, Visit, check_entry, published_plan, run_foreground
from processes.services.form_lookup import find_form
from processes.services.instance_access import find_instance
from tasks.errors import TasksError

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
    check_size(request)
    return _protected(request, slug=slug)


@csrf_exempt  # As above.
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def instance_page(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Execute an instance, and show what its process answers: to its owner, and to staff who may change instances."""
    check_size(request)
    return _protected(request, instance_id=instance_id)


def check_size(request: HttpRequest, *, reads: bool = True) -> None:
    """Raise TooLargeError for a request that is larger than this site takes, before anything reads its body.

    Then a form that was posted is read, unless `reads` says that it is none.
    """
    limit = upload_limit()
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLargeError(
            _("What you sent is larger than this site takes (%(limit)s).") % {"limit": filesizeformat(limit)},
            fields={"limit_bytes": limit},
        )
    if request.method == "POST" and reads:
        _body = request.POST  # A body that can't be read is reported as such, not as a missing token.


@csrf_protect
def _protected(request: HttpRequest, *, slug: str = "", instance_id: uuid.UUID | None = None) -> HttpResponseBase:
    if instance_id is None:
        template = find_executable(slug=slug, user=request.user)
        executed = Executed(template=template, plan=published_plan(template))
    else:
        instance = find_instance(instance_id, user=request.user)
        executed = Executed(template=instance.template, plan=load_plan(instance.plan_id), instance=instance)
    caller = caller_of_request(request, template=executed.template, instance=executed.instance, needs_session=True)
    if request.method == "POST":
        return _post(request, executed, caller)
    return _get(request, executed, caller)


def _get(request: HttpRequest, executed: Executed, caller: Caller) -> HttpResponseBase:
    parameters = parameters_of(request.GET)
    name, reference = request.GET.get("form", ""), request.GET.get("data", "")
    node = find_data_node(caller=caller, reference=reference) if reference else None
    if reference and node is None:
        if name and NEW in request.GET:
            # The first form's own address, to which the browser goes back: it was never sent, or isn't this visitor's.
            return HttpResponseRedirect(plain_address(request, caller=caller))
        raise not_found()
    if name and node is not None:
        if node.continued_in is not None:
            raise conflict(node)
        config = find_form(executed.plan, name, parameters=parameters, data=node.data)
        return render_form(
            request,
            config,
            build_form(config, data=node.data, entered=entered_in(node, name), user=request.user),
            template=executed.template,
            caller=caller,
            name=name,
            data=node.data,
            reference=node.reference,
            revision=node.revision,
        )
    if _shows_itself(executed, parameters, node=node):
        parameters["action"] = DISPLAY
    check_entry(plan=executed.plan, action=parameters.get("action"), node=node)
    visit = Visit(
        template=executed.template,
        plan=executed.plan,
        request=request_of(request, parameters, node=node),
        caller=caller,
        user=request.user,
        node=node,
        instance=executed.instance,
    )
    return _run(request, visit)


def _shows_itself(executed: Executed, parameters: Mapping[str, JSON], *, node: DataNode | None) -> bool:
    """Tell whether a link to an instance shows it: it asks for no action, and its process says how to show it.

    A process that says what to do without an action (`@default`) does that.
    """
    if executed.instance is None or node is not None or parameters.get("action"):
        return False
    return DISPLAY in executed.plan.by_name and "@default" not in executed.plan.by_name


def _post(request: HttpRequest, executed: Executed, caller: Caller) -> HttpResponseBase:
    if request.POST.get("form"):
        return answer_form(request, executed=executed, caller=caller)
    parameters = {**parameters_of(request.GET), **parameters_of(request.POST)}
    node = sent_node(request, caller)
    # What a button of a page without data is promised serves to claim its step; it brings no data along.
    brought = node if node is not None and node.pk is not None else None
    visit = Visit(
        template=executed.template,
        plan=executed.plan,
        request=request_of(request, parameters, node=brought),
        caller=caller,
        user=request.user,
        node=node,
        instance=executed.instance,
        claims=node is not None,
    )
    return _run(request, visit)


def _run(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    answer = run_foreground(visit)
    return render_response(request, answer.response, template=visit.template, caller=visit.caller, data=answer.data)


def _as_uuid(value: object) -> uuid.UUID | None:
    return value if isinstance(value, uuid.UUID) else None
