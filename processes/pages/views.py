"""The small pages: home, and downloads."""

import uuid

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from processes.models import StoredFile
from processes.pages.callers import caller_of_request
from processes.pages.downloads import file_response
from processes.pages.process import errors_as_pages
from processes.services.access import Caller, executable_by, owned_by
from processes.services.files import find_file
from tasks.models import TaskRoot

#: How many of the newest tasks the home page lists.
RECENT_TASKS = 10


@never_cache
@require_safe
@errors_as_pages
def home(request: HttpRequest) -> HttpResponse:
    """Show what the visitor may start, and their recent tasks."""
    context = {
        "templates": executable_by(request.user).order_by("title"),
        "tasks": [(root, _shown_status(root)) for root in _tasks_of(caller_of_request(request))[:RECENT_TASKS]],
    }
    return render(request, "processes/home.html", context)


@require_safe
@errors_as_pages
def download(request: HttpRequest, file_id: uuid.UUID) -> HttpResponseBase:
    """Send a stored file to its owner, or to staff with the permission to view files."""
    return file_response(_visible_file(request, file_id))


def _visible_file(request: HttpRequest, file_id: uuid.UUID) -> StoredFile:
    user = request.user
    if user.is_active and user.is_staff and user.has_perm("processes.view_storedfile"):
        return find_file(file_id)
    return find_file(file_id, caller=caller_of_request(request))


def _shown_status(root: TaskRoot) -> str:
    """Return the status that the task's own page shows."""
    job = getattr(root, "job", None)
    return job.shown_status.value if job is not None else root.status


def _tasks_of(caller: Caller) -> QuerySet[TaskRoot]:
    return TaskRoot.objects.filter(owned_by(caller)).select_related("job").order_by("-created_at")
