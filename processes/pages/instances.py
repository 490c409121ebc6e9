"""The small pages about instances: the inbox, creating one, its history, and what is done with it by hand."""

import uuid
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processes.errors import ProcessError
from processes.pages.callers import caller_of_request
from processes.pages.history_words import told
from processes.pages.paging import leafing, page_number
from processes.pages.process import errors_as_pages
from processes.services.errors import SignInRequiredError
from processes.services.instance_access import find_instance
from processes.services.instance_history import history_of
from processes.services.instance_types import find_creatable
from processes.services.instance_work import claim_instance, hand_on_instance, release_instance
from processes.services.instances import create_instance
from processes.services.waiting_instances import list_waiting

__all__ = ["claim", "hand_on", "history", "inbox", "new_instance", "release"]

#: How many rows a page of the inbox, and of a history, shows.
PAGE_ROWS: Final = 25


@never_cache
@require_safe
@errors_as_pages
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the instances that wait for the visitor, the most urgent first, page by page."""
    user = _visitor(request)
    number = page_number(request)
    rows, has_more = list_waiting(user, first=(number - 1) * PAGE_ROWS, count=PAGE_ROWS)
    context = {"rows": rows, "now": timezone.now(), **leafing(number, has_more=has_more)}
    return render(request, "processes/inbox.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@errors_as_pages
def new_instance(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Say what an instance of a type is, and create one that belongs to the visitor."""
    type = find_creatable(slug=slug, user=request.user)
    if request.method != "POST":
        return render(request, "processes/new_instance.html", {"type": type, "title": type.title})
    user, caller = _visitor(request), caller_of_request(request, template=type.template)
    instance = create_instance(type=type, owner=user, actor=user, caller=caller)
    return _to(instance.pk)


@never_cache
@require_safe
@errors_as_pages
def history(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponse:
    """Show what has happened to an instance, and what it changed, to whoever may open it."""
    instance = find_instance(instance_id, user=request.user)
    number = page_number(request)
    first = (number - 1) * PAGE_ROWS
    events = list(history_of(instance)[first : first + PAGE_ROWS + 1])
    context = {
        "instance": instance,
        "events": told(events[:PAGE_ROWS]),
        **leafing(number, has_more=len(events) > PAGE_ROWS),
    }
    return render(request, "processes/instance_history.html", context)


@never_cache
@require_POST
@errors_as_pages
def claim(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Take an instance that waits for one of several."""
    claim_instance(instance_id, user=_visitor(request))
    return _done(request, instance_id, _("You have it now."))


@never_cache
@require_POST
@errors_as_pages
def release(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Give an instance back to those who were asked."""
    release_instance(instance_id, user=_visitor(request))
    return _done(request, instance_id, _("You have given it back."))


@never_cache
@require_POST
@errors_as_pages
def hand_on(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Give an instance to somebody else."""
    to = request.POST.get("to", "").replace("\0", "").strip()
    hand_on_instance(instance_id, to=to, user=_visitor(request))
    return _done(request, instance_id, _("%(user)s has it now.") % {"user": to})


def _visitor(request: HttpRequest) -> AbstractBaseUser:
    if not isinstance(request.user, AbstractBaseUser):
        raise SignInRequiredError("There is nothing here for somebody who isn't signed in.")
    return request.user


def _done(request: HttpRequest, instance_id: uuid.UUID, text: str) -> HttpResponseRedirect:
    """Say what was done, and lead to the instance; to the inbox where the visitor may not open it any more."""
    messages.success(request, text)
    try:
        find_instance(instance_id, user=request.user)
    except ProcessError:
        return HttpResponseRedirect(reverse("processes:inbox"), status=303)
    return _to(instance_id)


def _to(instance_id: uuid.UUID) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("processes:instance", kwargs={"instance_id": instance_id}), status=303)
