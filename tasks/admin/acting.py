"""Cancelling and replaying from the admin: many at once from a list, after a question, or one from its own page.

Each task is dealt with by itself, in a transaction of its own: one that can't be cancelled or replayed doesn't keep the
others from it, and the answer says of each why not.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tasks.admin.lists import ListAdmin
from tasks.domain.statuses import JobStatus
from tasks.errors import TasksError
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.replaying import replay

__all__ = ["CANCEL", "MOST_AT_ONCE", "REPLAY", "ActingAdmin", "Verb", "check_chosen", "viewer_behind"]

logger = logging.getLogger(__name__)

#: Tasks that one request cancels or replays: its answer must not be long in coming.
MOST_AT_ONCE = 500
#: Refusals that an answer spells out; the rest is counted.
MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Say what was done to a task: under which word it is counted, what the log holds, and which task is new."""

    kind: str
    logged: str
    fresh_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Describe something that may be done to tasks; `act` raises a TasksError where it can't be."""

    name: str
    act: Callable[[HttpRequest, uuid.UUID], Done]
    button: Promise
    question: Promise
    explanation: Promise


@dataclass(slots=True)
class Results:
    """Collect what came of it."""

    done: Counter[str] = field(default_factory=Counter)
    #: Titles and reasons, by id.
    refused: dict[uuid.UUID, tuple[str, str]] = field(default_factory=dict)
    fresh_ids: list[uuid.UUID] = field(default_factory=list)


def viewer_behind(request: HttpRequest) -> Viewer:
    """Return who asks, as all of the app sees them; read once for each request."""
    known: Viewer | None = request.__dict__.get("_task_viewer")
    if known is None:
        known = viewer_of(user=request.user, session=request.session)
        request.__dict__["_task_viewer"] = known
    return known


def _cancel(request: HttpRequest, root_id: uuid.UUID) -> Done:
    status = request_cancel(root_id=root_id, viewer=viewer_behind(request), reason=_("cancelled by an administrator"))
    if status is JobStatus.CANCELLED:
        return Done(kind="cancelled", logged=_("Cancelled."))
    return Done(kind="asked", logged=_("Asked to stop."))


def _replay(request: HttpRequest, root_id: uuid.UUID) -> Done:
    fresh = replay(root_id, by=viewer_of(user=request.user, session=request.session))
    return Done(kind="replayed", logged=_("Replayed as %(id)s.") % {"id": fresh.root_id}, fresh_id=fresh.root_id)


CANCEL = Verb(
    name="cancel",
    act=_cancel,
    button=gettext_lazy("Cancel"),
    question=gettext_lazy("Cancel these?"),
    explanation=gettext_lazy(
        "What waits ends at once; what is being worked on is asked to stop. So is what they have started, unless it "
        "was started to go on alone. What has ended stays as it is."
    ),
)
REPLAY = Verb(
    name="replay",
    act=_replay,
    button=gettext_lazy("Replay"),
    question=gettext_lazy("Replay these?"),
    explanation=gettext_lazy(
        "Each is enqueued once more as a new job, with the same arguments, the same owner and what it had saved. What "
        "has ended stays as it is."
    ),
)


def check_chosen(request: HttpRequest) -> None:
    """Raise BadRequest for rows that no list has offered: their ids are UUIDs."""
    for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
        try:
            uuid.UUID(chosen)
        except ValueError:
            raise BadRequest("No row has such an id.") from None


class ActingAdmin(ListAdmin):
    """Offer what may be done to tasks. Which permissions that takes, subclasses say."""

    #: What this list offers.
    verbs: tuple[Verb, ...] = ()

    def title_of(self, obj: Any) -> str:
        """Return the title of a row."""
        raise NotImplementedError

    def logged_as(self, obj: Any) -> Job | TaskRoot:
        """Return the row under which the admin's log keeps what was done."""
        raise NotImplementedError

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """Tell whether somebody may do this at all."""
        raise NotImplementedError

    # --- from the list -----------------------------------------------------------------------------------------------

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Tell whether the list offers to cancel."""
        return CANCEL in self.verbs and self.may(request, CANCEL)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Tell whether the list offers to replay."""
        return REPLAY in self.verbs and self.may(request, REPLAY)

    @admin.action(description=gettext_lazy("Cancel…"), permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponseBase | None:
        """Cancel what was chosen."""
        return self._ask_or_act(request, queryset, CANCEL)

    @admin.action(description=gettext_lazy("Replay…"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponseBase | None:
        """Replay what was chosen."""
        return self._ask_or_act(request, queryset, REPLAY)

    actions = ("cancel_selected", "replay_selected")

    def response_action(
        self, request: HttpRequest, queryset: "QuerySet[Any]", *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Do what was chosen with the rows that were; refuse what no list has asked for."""
        check_chosen(request)
        return super().response_action(request, queryset, *args, **kwargs)

    def _ask_or_act(self, request: HttpRequest, queryset: "QuerySet[Any]", verb: Verb) -> HttpResponseBase | None:
        chosen = list(queryset[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            text = _("At most %(count)d at once: narrow the list, or do it page by page. Nothing was done.")
            self.message_user(request, text % {"count": MOST_AT_ONCE}, messages.ERROR)
            return None
        if not chosen:
            self.message_user(request, _("None of what was chosen is there any more."), messages.WARNING)
            return None
        if request.POST.get("post") != "yes":
            return self._question(request, chosen, verb)
        self._tell(request, self._act(request, chosen, verb), verb)
        # Back to the list as it was narrowed; the question went without that, since what is running may have ended.
        back = request.POST.get("back", "")
        return HttpResponseRedirect(f"{request.path}?{back}" if back else request.path)

    def _question(self, request: HttpRequest, chosen: list[Any], verb: Verb) -> HttpResponseBase:
        context = {
            **self.admin_site.each_context(request),
            "title": verb.question,
            "heading": self.heading,
            "subtitle": None,
            "opts": self.opts,
            "media": self.media,
            "verb": verb,
            "chosen": [(obj.pk, self.title_of(obj), self.address_of(obj.pk)) for obj in chosen],
            "action": f"{verb.name}_selected",
            "checkbox": ACTION_CHECKBOX_NAME,
            "back": request.GET.urlencode(),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "tasks/admin/question.html", context)

    # --- from the page of one ----------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each verb."""
        own = [
            path(
                f"<uuid:object_id>/{verb.name}/",
                self.admin_site.admin_view(self._one(verb)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{verb.name}",
            )
            for verb in self.verbs
        ]
        return [*own, *super().get_urls()]

    def _one(self, verb: Verb) -> Callable[[HttpRequest, uuid.UUID], HttpResponseBase]:
        def view(request: HttpRequest, object_id: uuid.UUID) -> HttpResponseBase:
            if not self.may(request, verb) or not self.has_view_permission(request):
                raise PermissionDenied
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            obj = self.get_object(request, str(object_id))
            if obj is None:
                raise Http404
            results = self._act(request, [obj], verb)
            self._tell(request, results, verb)
            return HttpResponseRedirect(self.address_of(results.fresh_ids[0] if results.fresh_ids else obj.pk))

        return view

    def offered(self, request: HttpRequest, obj: Any, possible: tuple[Verb, ...]) -> list[dict[str, object]]:
        """Return the buttons on the page of one task: what may be done to it, and is possible as it stands."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return [
            {"verb": verb, "address": reverse(f"{name}_{verb.name}", args=(obj.pk,))}
            for verb in self.verbs
            if verb in possible and self.may(request, verb)
        ]

    # --- doing it, and telling ---------------------------------------------------------------------------------------

    def _act(self, request: HttpRequest, chosen: list[Any], verb: Verb) -> Results:
        results = Results()
        for obj in chosen:
            try:
                # No transaction around it: cancelling what a task has started takes the lock of one log at a time.
                done = verb.act(request, obj.pk)
            except TasksError as error:
                results.refused[obj.pk] = (self.title_of(obj), error.message)
                continue
            except OperationalError:
                raise
            except Exception:
                logger.exception("%s of task %s went wrong.", verb.name, obj.pk)
                results.refused[obj.pk] = (self.title_of(obj), _("Something went wrong; the site's log says what."))
                continue
            results.done[done.kind] += 1
            if done.fresh_id is not None:
                results.fresh_ids.append(done.fresh_id)
            self.log_change(request, self.logged_as(obj), done.logged)
        return results

    def _tell(self, request: HttpRequest, results: Results, verb: Verb) -> None:
        ended: set[uuid.UUID] = set()
        if verb is CANCEL and results.refused:
            rows = TaskRoot.objects.filter(pk__in=list(results.refused), closed=True)
            ended = set(rows.values_list("pk", flat=True))
        counts = {**results.done, "ended": len(ended), "refused": len(results.refused) - len(ended)}
        told = ", ".join(_counted(kind, counts[kind]) for kind in _KINDS if counts.get(kind))
        reasons = [f"{title}: {reason}" for title, reason in results.refused.values()]
        more = len(reasons) - MOST_LISTED
        if more > 0:
            text = ngettext("and %(count)d more", "and %(count)d more", more)
            reasons = [*reasons[:MOST_LISTED], text % {"count": more}]
        lines = format_html_join("", "<li>{}</li>", ((reason,) for reason in reasons))
        text = format_html("{}.{}", told, format_html("<ul>{}</ul>", lines) if reasons else "")
        level = messages.SUCCESS if not reasons else messages.WARNING if results.done else messages.ERROR
        self.message_user(request, text, level)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what was done to a task, whether from the list of jobs or from that of trees."""
        try:
            pk = uuid.UUID(object_id)
        except ValueError:
            return super().history_view(request, object_id, extra_context)
        kinds = ContentType.objects.get_for_models(Job, TaskRoot).values()
        rows = LogEntry.objects.filter(object_id=str(pk), content_type__in=list(kinds))
        entries = self.get_paginator(request, rows.select_related("user").order_by("action_time"), 100)
        page = entries.get_page(request.GET.get(PAGE_VAR, 1))
        context = {
            "action_list": page,
            "page_range": entries.get_elided_page_range(page.number),
            "pagination_required": entries.count > 100,
            **(extra_context or {}),
        }
        return super().history_view(request, object_id, context)


#: In the order in which they are told.
_KINDS = ("cancelled", "asked", "replayed", "ended", "refused")


def _counted(kind: str, count: int) -> str:
    texts = {
        "cancelled": ngettext("%(count)d cancelled", "%(count)d cancelled", count),
        "asked": ngettext("%(count)d asked to stop", "%(count)d asked to stop", count),
        "replayed": ngettext("%(count)d enqueued once more", "%(count)d enqueued once more", count),
        "ended": ngettext("%(count)d had ended already", "%(count)d had ended already", count),
        "refused": ngettext("%(count)d left as it was", "%(count)d left as they were", count),
    }
    return texts[kind] % {"count": count}
