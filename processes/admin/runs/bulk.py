"""What can be done with many runs at once from the list, after a question; each run is dealt with by itself."""

import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processes.admin.runs.words import misfit_text, reason_text
from processes.models import Run
from processes.services.access import User, may_control
from processes.services.bulk import (
    MOST_AT_ONCE,
    Outcome,
    cancel_runs,
    move_named_runs,
    pause_runs,
    undo_moves,
    unpause_runs,
)
from processes.services.exporting import export_run
from processes.services.moving import forecast_runs
from tasks.admin.acting import check_chosen
from tasks.admin.words import badge
from tasks.api.streamed import StreamedText
from tasks.errors import TaskNotFound

__all__ = ["VERBS", "BulkVerb", "RunsInBulk", "tell"]

logger = logging.getLogger(__name__)

#: Runs that an answer names with what kept them; the rest is counted.
MOST_LISTED = 20
CONTENT_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkVerb:
    """Describe something that is done with chosen runs; without `act` they are exported."""

    name: str
    button: Promise
    explanation: Promise
    act: Callable[..., Outcome] | None = None
    #: How many it was done with, in words.
    told: Callable[[int], str] = str
    is_grave: bool = False

    @property
    def action(self) -> str:
        """Return its name among the list's actions."""
        return f"{self.name}_runs"


VERBS = (
    BulkVerb(
        name="pause",
        button=gettext_lazy("Pause"),
        explanation=gettext_lazy("Each stands still before its next action, and keeps what comes meanwhile."),
        act=pause_runs,
        told=lambda count: ngettext("%(count)d is to stand still", "%(count)d are to stand still", count),
    ),
    BulkVerb(
        name="unpause",
        button=gettext_lazy("Let go on"),
        explanation=gettext_lazy("Each goes on where it stands still. What has come meanwhile takes effect now."),
        act=unpause_runs,
        told=lambda count: ngettext("%(count)d goes on", "%(count)d go on", count),
    ),
    BulkVerb(
        name="cancel",
        button=gettext_lazy("Cancel"),
        explanation=gettext_lazy(
            "What waits ends at once; what is at work is asked to stop, with what it has started. What was done is "
            "undone first, where something does that."
        ),
        act=cancel_runs,
        told=lambda count: ngettext(
            "%(count)d is cancelled, or asked to stop", "%(count)d are cancelled, or asked to stop", count
        ),
        is_grave=True,
    ),
    BulkVerb(
        name="move",
        button=gettext_lazy("Move to the newest plan"),
        explanation=gettext_lazy(
            "Those that fit go on by the plan that a new run would begin with now, from their next action boundary on."
        ),
        act=move_named_runs,
        told=lambda count: ngettext("%(count)d is to move", "%(count)d are to move", count),
    ),
    BulkVerb(
        name="undo",
        button=gettext_lazy("Undo the move"),
        explanation=gettext_lazy("Each goes on by the plan that it had before it was last moved, as long as it fits."),
        act=undo_moves,
        told=lambda count: ngettext("%(count)d is to move back", "%(count)d are to move back", count),
    ),
    BulkVerb(
        name="export",
        button=gettext_lazy("Export"),
        explanation=gettext_lazy(
            "You get one file with a line of JSON for each run: all that is known of it. That you took it is "
            "written down."
        ),
    ),
)  # fmt: skip


class RunsInBulk(admin.ModelAdmin):
    """Offer the verbs in the list, to those who may control runs."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer the verbs; nothing to anybody else."""
        if not may_control(request.user):
            return {}
        return {verb.action: (_doing(verb), verb.action, _("%(verb)s…") % {"verb": verb.button}) for verb in VERBS}

    def response_action(
        self, request: HttpRequest, queryset: "QuerySet[Any]", *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Do what was chosen with the rows that were; refuse what no list has asked for."""
        check_chosen(request)
        return super().response_action(request, queryset, *args, **kwargs)


def tell(
    model_admin: "admin.ModelAdmin[Any]",
    request: HttpRequest,
    verb: BulkVerb,
    outcome: Outcome,
    names: dict[uuid.UUID, str],
) -> None:
    """Say how many it was done with, and which were left and why."""
    done, left = len(outcome.done), outcome.left
    told = [verb.told(done) % {"count": done}] if done else []
    if left:
        told.append(
            ngettext("%(count)d is left as it was", "%(count)d are left as they were", len(left)) % {"count": len(left)}
        )
    lines = [f"{names.get(item.run_id, item.run_id)}: {item.text}" for item in left[:MOST_LISTED]]
    if more := left[MOST_LISTED:]:
        reasons = Counter(reason_text(item.reason) for item in more)
        lines += [_("%(count)d more: %(why)s") % {"count": count, "why": why} for why, count in reasons.most_common()]
    listed = format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((line,) for line in lines)))
    text = format_html("{}.{}", ", ".join(told) or _("Nothing was to be done"), listed if lines else "")
    level = messages.SUCCESS if not left else messages.WARNING if done else messages.ERROR
    model_admin.message_user(request, text, level)


def _exported(run_ids: Sequence[uuid.UUID], user: User) -> HttpResponseBase:
    """Send runs as lines of JSON, one after the other, each read while it is sent."""
    response = StreamedText(_lines(run_ids, user), content_type=CONTENT_TYPE)
    response.headers["Content-Disposition"] = 'attachment; filename="runs.jsonl"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _lines(run_ids: Sequence[uuid.UUID], user: User) -> Iterator[str]:
    for run_id in run_ids:
        try:
            yield from export_run(run_id=run_id, user=user)
        except TaskNotFound as error:
            # It was purged since it was chosen: the file says so, and goes on.
            yield json.dumps({"id": str(run_id), "left": error.message})
        except Exception:
            logger.exception("Run %s could not be exported.", run_id)
            # What has been sent of it is a line that no reader of JSON takes; the next one says why.
            left = _("Something went wrong; the site's log says what.")
            yield "\n" + json.dumps({"id": str(run_id), "left": left})
        yield "\n"


def _doing(verb: BulkVerb) -> Callable[..., HttpResponseBase | None]:
    def do(
        model_admin: "admin.ModelAdmin[Run]", request: HttpRequest, rows: "QuerySet[Run]"
    ) -> HttpResponseBase | None:
        chosen = list(rows.select_related("root", "template")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            text = _("At most %(count)d at once: narrow the list, or do it page by page. Nothing was done.")
            model_admin.message_user(request, text % {"count": MOST_AT_ONCE}, messages.ERROR)
            return None
        if not chosen:
            model_admin.message_user(request, _("None of what was chosen is there any more."), messages.WARNING)
            return None
        if request.POST.get("post") != "yes":
            return _ask(model_admin, request, verb, chosen)
        run_ids = [run.pk for run in chosen]
        if verb.act is None:
            return _exported(run_ids, request.user)
        tell(
            model_admin,
            request,
            verb,
            verb.act(run_ids=run_ids, user=request.user),
            {run.pk: _name(run) for run in chosen},
        )
        # Back to the list as it was narrowed; the question went without that, since what is paused may go on by now.
        back = request.POST.get("back", "")
        return HttpResponseRedirect(f"{request.path}?{back}" if back else request.path)

    return do


def _ask(
    model_admin: "admin.ModelAdmin[Run]", request: HttpRequest, verb: BulkVerb, chosen: Sequence[Run]
) -> TemplateResponse:
    notes = _forecast(request.user, chosen) if verb.name == "move" else {}
    name = "admin:processes_run_change"
    site = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": verb.button,
        "subtitle": None,
        "opts": model_admin.opts,
        "media": model_admin.media,
        "verb": verb,
        "chosen": [
            (
                run.pk,
                _name(run),
                badge(run.status),
                reverse(name, args=(run.pk,), current_app=site),
                notes.get(run.pk, ""),
            )
            for run in chosen
        ],
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": request.GET.urlencode(),
    }
    request.current_app = site
    return TemplateResponse(request, "processes/admin/runs/question.html", context)


def _forecast(user: User, chosen: Sequence[Run]) -> dict[uuid.UUID, str]:
    """Return in words, for each run that could move, whether it fits."""
    told = {}
    forecasts = {forecast.run_id: forecast for forecast in forecast_runs(run_ids=[run.pk for run in chosen], user=user)}
    for run in chosen:
        forecast = forecasts.get(run.pk)
        if forecast is None:
            told[run.pk] = _("it has nowhere to go")
        elif forecast.fits:
            told[run.pk] = _("it fits the plan %(plan)s") % {"plan": forecast.to[:12]}
        else:
            told[run.pk] = _("it doesn't fit: %(why)s") % {"why": "; ".join(map(misfit_text, forecast.misfits))}
    return told


def _name(run: Run) -> str:
    """Name a run as the list does, with its id, since titles repeat themselves."""
    template = run.template
    process = run.plan_id[:12] if template is None else template.title or template.slug
    return f"{run.root.title or process} {run.pk}"
