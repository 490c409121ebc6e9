"""The progress page: how a task is going, drawn by the process that it belongs to, and what can be done about it.

Whatever its buttons do works by plain forms, and answers in JSON to a script that asks for JSON (`Accept`).
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.standstill import QUEUED, RETRY
from processes.errors import ProcessError
from processes.models import ProcessTemplate
from processes.pages.callers import caller_of_request
from processes.pages.errors import error_response, status_of
from processes.pages.process import errors_as_pages
from processes.pages.rendering import PROGRESS_TEMPLATE, render_response
from processes.pages.sent_forms import visitor_of
from processes.services.access import Caller
from processes.services.addresses import address_of
from processes.services.derivation import load_plan
from processes.services.drawing import draw_progress
from processes.services.foreground import Visit
from processes.services.indicators import process_of, progress_url, redirect_of
from processes.services.repeating import Standing, repeat_run, standing_of
from processes.services.run_forms import forms_in_tree
from processes.services.standing import ToldReason, why_told_to_followers
from tasks.domain.statuses import NODE_TERMINAL, JobStatus, NodeStatus
from tasks.errors import IllegalTransition, TasksError
from tasks.models import TaskRoot
from tasks.services.access import Viewer, find_root, may_cancel, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.reading import read_snapshot
from tasks.services.stalls import read_stall
from tasks.services.watches import address_of_user, is_watching, mail_is_set_up, masked, set_watch

_View = Callable[[HttpRequest, uuid.UUID], HttpResponseBase]


def _errors_as_answers(view: _View) -> _View:
    """Answer with JSON where a script asks, with a page else, where a view raises an error of ours."""

    @wraps(view)
    def guarded(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
        try:
            return view(request, root_id)
        except (ProcessError, TasksError) as error:
            if _wants_json(request):
                return JsonResponse({"code": error.code, "message": error.message}, status=status_of(error))
            return error_response(request, error, begin=_begin_of(request, root_id))

    return guarded


@never_cache
@require_safe
@errors_as_pages
def progress_page(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
    """Show how a task is going: the process's own `renderProgress` where it has one."""
    viewer = viewer_of(user=request.user, session=request.session)
    root = find_root(viewer, root_id)
    process = process_of(root_id)
    template = process.template if process is not None and process.template is not None else _no_template(root)
    instance = process.instance if process is not None else None
    caller = caller_of_request(request, template=template if template.pk else None, instance=instance)
    response, data = Response(), {}
    if process is not None and process.template is not None:
        visit = Visit(
            template=process.template,
            plan=load_plan(process.plan_hash),
            request=Request(path=request.path, language=get_language()),
            caller=caller,
            user=request.user,
            instance=instance,
        )
        answer = draw_progress(visit=visit, root_id=root_id)
        response, data = answer.response, dict(answer.data)
    if response.is_empty:
        response.template = PROGRESS_TEMPLATE
    begin = address_of(caller) if template.pk else ""
    return render_response(
        request,
        response,
        template=template,
        caller=caller,
        data=data,
        extra=_context(request, root_id, viewer, begin=begin, has_run=process is not None and process.has_run),
    )


@require_POST
@errors_as_pages
def cancel_page(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
    """Cancel a task for somebody without JavaScript, and lead back to its page."""
    viewer = viewer_of(user=request.user, session=request.session)
    root = find_root(viewer, root_id)
    if may_cancel(viewer, root):
        # It may have ended meanwhile, which its page shows.
        with suppress(IllegalTransition):
            request_cancel(root_id=root_id, viewer=viewer)
    return _see_other(progress_url(root_id))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_errors_as_answers
def again_page(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
    """Try again what failed or was cancelled, and lead to the new task; a GET tells whether that is offered."""
    viewer = viewer_of(user=request.user, session=request.session)
    if request.method != "POST":
        standing = standing_of(find_root(viewer, root_id), viewer=viewer, user=request.user)
        if not _wants_json(request):
            return _see_other(progress_url(root_id))
        return JsonResponse(
            {"offered": standing.offered, "refused": standing.refused, "url": _url_of(standing.repeated_as)}
        )
    repetition = repeat_run(run_id=root_id, viewer=viewer, user=request.user)
    url = progress_url(repetition.run_id)
    if not _wants_json(request):
        return _see_other(url)
    status = 201 if repetition.is_new else 200
    return JsonResponse({"taskId": str(repetition.run_id), "url": url}, status=status)


@require_POST
@_errors_as_answers
def watch_page(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
    """Let somebody be told by mail when a task has ended, or not any more."""
    viewer = viewer_of(user=request.user, session=request.session)
    state = set_watch(
        root=find_root(viewer, root_id),
        user=request.user,
        url=request.build_absolute_uri(progress_url(root_id)),
        language=get_language() or "",
        on={"1": True, "0": False}.get(request.POST.get("on", "")),
    )
    if not _wants_json(request):
        return _see_other(progress_url(root_id))
    mail = masked(address_of_user(request.user))
    return JsonResponse({"isWatching": state.is_watching, "mail": mail, "status": state.status, "ended": state.ended})


def _context(
    request: HttpRequest, root_id: uuid.UUID, viewer: Viewer, *, begin: str, has_run: bool
) -> dict[str, object]:
    snapshot = read_snapshot(root_id)
    finished = snapshot.tree.status in NODE_TERMINAL
    standing = standing_of(snapshot.root, viewer=viewer, user=request.user) if has_run else Standing()
    stall = None if finished else read_stall(root_id)
    why = why_told_to_followers(root_id) if has_run and not finished and stall is None else None
    again_url = reverse("processes:again", kwargs={"root_id": root_id})
    return {
        "title": snapshot.root.title,
        "snapshot": snapshot,
        "tree": snapshot.tree,
        "status": _status(snapshot.status, why),
        "is_finished": finished,
        "is_completed": snapshot.tree.status is NodeStatus.COMPLETED,
        "may_cancel": not finished and may_cancel(viewer, snapshot.root),
        # For a form, where there is no JavaScript; the API has an address of its own.
        "cancel_url": reverse("processes:cancel", kwargs={"root_id": root_id}),
        "redirect_url": redirect_of(snapshot.root) if finished else "",
        "task_id": str(root_id),
        "begin_url": begin,
        "again_action_url": again_url if standing.offered else "",
        "again_status_url": again_url if has_run else "",
        "again_refused": standing.refused,
        "repetition_url": _url_of(standing.repeated_as),
        "stall": stall,
        "waits": _waits(snapshot.status, why),
        "forms": forms_in_tree(root_id, visitor=visitor_of(request)) if has_run and not finished else [],
        "watch": _watch_context(request, snapshot.root),
    }


def _status(status: str, why: ToldReason | None) -> str:
    """Return the status to show: the job of a run that is to try an action again is pending like any other."""
    is_tried_again = status == JobStatus.PENDING and why is not None and why.code == RETRY
    return JobStatus.RETRY.value if is_tried_again else status


def _waits(status: str, why: ToldReason | None) -> str:
    """Return what the work waits for, in sentences; empty where it waits for a worker alone, or doesn't wait."""
    if why is None:
        is_waiting = status == JobStatus.WAITING
        return _("The work waits for something outside. You may leave this page and come back.") if is_waiting else ""
    if why.code == QUEUED:
        return ""
    return " ".join([why.text, _("You may leave this page and come back.")])


def _watch_context(request: HttpRequest, root: TaskRoot) -> dict[str, object]:
    address = address_of_user(request.user)
    may_watch = bool(address) and not root.closed and mail_is_set_up()
    return {
        "url": reverse("processes:watch", kwargs={"root_id": root.pk}),
        "mail": masked(address),
        "may_watch": may_watch,
        "is_watching": may_watch and is_watching(root_id=root.pk, user=request.user),
    }


def _url_of(root_id: uuid.UUID | None) -> str:
    return "" if root_id is None else progress_url(root_id)


def _begin_of(request: HttpRequest, root_id: uuid.UUID) -> str:
    """Return where the process of a task begins that the visitor may see; empty for any other task."""
    viewer = viewer_of(user=request.user, session=request.session)
    process = process_of(root_id)
    if process is None or process.template is None:
        return ""
    with suppress(TasksError):
        find_root(viewer, root_id)
        instance_id = None if process.instance is None else process.instance.pk
        return address_of(Caller(slug=process.template.slug, instance_id=instance_id))
    return ""


def _wants_json(request: HttpRequest) -> bool:
    """Tell whether a script asks: browsers, which take anything, don't name JSON."""
    return "application/json" in request.headers.get("Accept", "")


def _see_other(url: str) -> HttpResponseRedirect:
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response


def _no_template(root: TaskRoot) -> ProcessTemplate:
    """Return a nameless template for a task that no process has started."""
    return ProcessTemplate(title=root.title)
