"""The progress page: how a task is going, drawn by the process that it belongs to."""

import uuid
from collections.abc import Mapping
from contextlib import suppress

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from processes.domain.request import Request
from processes.domain.response import Response
from processes.models import ProcessTemplate, Run
from processes.pages.callers import caller_of_request
from processes.pages.process import errors_as_pages
from processes.pages.rendering import PROGRESS_TEMPLATE, render_response
from processes.services.access import is_allowed_redirect
from processes.services.addresses import address_of
from processes.services.derivation import load_plan
from processes.services.foreground import Visit, render_progress
from tasks.domain.statuses import NODE_TERMINAL, NodeStatus
from tasks.errors import IllegalTransition
from tasks.models import TaskRoot
from tasks.services.access import Viewer, find_root, may_cancel, viewer_of
from tasks.services.jobs import request_cancel
from tasks.services.reading import read_snapshot


@never_cache
@require_safe
@errors_as_pages
def progress_page(request: HttpRequest, root_id: uuid.UUID) -> HttpResponseBase:
    """Show how a task is going: the process's own `renderProgress` where it has one."""
    viewer = viewer_of(user=request.user, session=request.session)
    root = find_root(viewer, root_id)
    run = Run.objects.select_related("template", "instance").filter(pk=root_id).first()
    template = run.template if run is not None and run.template is not None else _no_template(root)
    instance = run.instance if run is not None else None
    caller = caller_of_request(request, template=template if template.pk else None, instance=instance)
    response, data = Response(), {}
    if run is not None and run.template is not None:
        visit = Visit(
            template=run.template,
            plan=load_plan(run.plan_id),
            request=Request(path=request.path, language=get_language()),
            caller=caller,
            user=request.user,
            instance=instance,
        )
        answer = render_progress(visit=visit, root_id=root_id)
        response, data = answer.response, dict(answer.data)
    if response.is_empty:
        response.template = PROGRESS_TEMPLATE
    return render_response(
        request,
        response,
        template=template,
        caller=caller,
        data=data,
        extra=_context(root_id, viewer, begin=address_of(caller) if template.pk else ""),
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
    return HttpResponseRedirect(reverse("processes:progress", kwargs={"root_id": root_id}))


def _context(root_id: uuid.UUID, viewer: Viewer, *, begin: str) -> Mapping[str, object]:
    snapshot = read_snapshot(root_id)
    finished = snapshot.tree.status in NODE_TERMINAL
    return {
        "title": snapshot.root.title,
        "snapshot": snapshot,
        "tree": snapshot.tree,
        "status": snapshot.status,
        "is_finished": finished,
        "is_completed": snapshot.tree.status is NodeStatus.COMPLETED,
        "may_cancel": not finished and may_cancel(viewer, snapshot.root),
        # For a form, where there is no JavaScript; the API has an address of its own.
        "cancel_url": reverse("processes:cancel", kwargs={"root_id": root_id}),
        "redirect_url": _redirect_of(snapshot.root) if finished else "",
        "task_id": str(root_id),
        "again_url": begin,
    }


def _redirect_of(root: TaskRoot) -> str:
    """Return where a finished task leads, if that is a path of this site."""
    target = root.meta.get("redirect") if isinstance(root.meta, dict) else None
    if not isinstance(target, str) or not target.startswith("/") or not is_allowed_redirect(target):
        return ""
    return target


def _no_template(root: TaskRoot) -> ProcessTemplate:
    """Return a nameless template for a task that no process has started."""
    return ProcessTemplate(title=root.title)
