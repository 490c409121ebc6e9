"""The home page: what the visitor may start and what is theirs; and a page for the whole of each list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from processes.models import ProcessTemplate
from processes.pages.callers import caller_of_request
from processes.pages.paging import leafing, page_number
from processes.pages.process import errors_as_pages
from processes.pages.sent_forms import visitor_of
from processes.services.access import EDIT_TEMPLATES
from processes.services.home import Listing, Section, list_drafts, list_instances, list_templates, list_work
from processes.services.instance_types import offered_to
from processes.services.run_forms import forms_for
from processes.services.waiting_instances import list_waiting
from tasks.domain.statuses import JobStatus, NodeStatus

#: How many rows of each list the home page shows, and how many a page of the whole list.
HOME_ROWS = 5
PAGE_ROWS = 25
#: How many processes are shown at first (of more, they can be searched), and how many at most.
TEMPLATES_SHOWN = 12
TEMPLATES_LISTED = 200

_TITLES = {
    Section.RUNNING: _("Running"),
    Section.FAILED: _("Failed"),
    Section.DRAFTS: _("Drafts"),
    Section.INSTANCES: _("Yours to go on with"),
    Section.FINISHED: _("Finished"),
}
#: What the page's script may have to call by name.
_STATUSES = [status.value for status in (*JobStatus, NodeStatus.CREATED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """Hold a list as the templates draw it."""

    section: Section
    title: Any
    rows: Listing[Any]

    @property
    def template(self) -> str:
        """Return the template that draws its rows."""
        name = self.section if self.section in (Section.DRAFTS, Section.INSTANCES) else "work"
        return f"processes/home/{name}.html"


@never_cache
@require_safe
@errors_as_pages
def home(request: HttpRequest) -> HttpResponse:
    """Show what the visitor may start, and the newest of what is theirs."""
    shown = [_list(request, section, first=0, count=HOME_ROWS) for section in Section]
    filled = {one.section: one for one in shown if one.rows.rows}
    context = {
        # What goes on at this moment comes first, the rest after what can be started.
        "running": filled.pop(Section.RUNNING, None),
        **_inbox(request),
        "sections": list(filled.values()),
        "statuses": _STATUSES,
        **_waiting(request),
        **_templates(request),
    }
    return render(request, "processes/home.html", context)


@never_cache
@require_safe
@errors_as_pages
def whole_list(request: HttpRequest, section: str) -> HttpResponse:
    """Show one list of what is the visitor's, page by page."""
    try:
        chosen = Section(section)
    except ValueError:
        raise Http404 from None
    number = page_number(request)
    shown = _list(request, chosen, first=(number - 1) * PAGE_ROWS, count=PAGE_ROWS)
    context = {
        "shown": shown,
        "statuses": _STATUSES,
        **leafing(number, has_more=shown.rows.has_more),
    }
    return render(request, "processes/home/whole_list.html", context)


def _inbox(request: HttpRequest) -> Mapping[str, object]:
    rows, has_more = list_waiting(request.user, count=HOME_ROWS)
    return {"inbox": rows, "has_more_inbox": has_more, "now": timezone.now()}


def _waiting(request: HttpRequest) -> Mapping[str, object]:
    forms = list(forms_for(visitor_of(request))[: HOME_ROWS + 1])
    return {"forms": forms[:HOME_ROWS], "has_more_forms": len(forms) > HOME_ROWS}


def _templates(request: HttpRequest) -> Mapping[str, object]:
    query = request.GET.get("q", "").strip()
    shown = TEMPLATES_LISTED if query or "all" in request.GET else TEMPLATES_SHOWN
    found: list[ProcessTemplate] = list(list_templates(request.user, query=query)[: shown + 1])
    are_more = len(found) > shown
    return {
        "query": query,
        "templates": found[:shown],
        "types": [] if query else offered_to(request.user, most=TEMPLATES_SHOWN),
        "are_more": are_more and shown < TEMPLATES_LISTED,
        "is_cut": are_more and shown >= TEMPLATES_LISTED,
        "can_search": bool(query) or len(found) > TEMPLATES_SHOWN,
        "may_edit": request.user.is_authenticated and request.user.is_staff and request.user.has_perm(EDIT_TEMPLATES),
    }


def _list(request: HttpRequest, section: Section, *, first: int, count: int) -> _Shown:
    caller = caller_of_request(request)
    rows: Listing[Any]
    if section is Section.DRAFTS:
        rows = list_drafts(caller, user=request.user, first=first, count=count)
    elif section is Section.INSTANCES:
        rows = list_instances(caller, first=first, count=count)
    else:
        rows = list_work(caller, section, first=first, count=count)
    return _Shown(section=section, title=_TITLES[section], rows=rows)
