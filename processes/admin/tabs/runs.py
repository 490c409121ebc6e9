"""The Runs tab: how many runs are alive by which plan, which of them fit what is published now, and moving them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy

from processes.admin.runs.bulk import VERBS, tell
from processes.admin.runs.page import plan_names
from processes.admin.runs.words import misfit_text
from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.models import ProcessTemplate, Run
from processes.services.access import may_control
from processes.services.bulk import move_named_runs, undo_moves
from processes.services.errors import NotControllableError
from processes.services.moving import Forecast, forecast_moves
from processes.services.template_moves import moved_runs, plans_in_use
from tasks.admin.words import badge

PAGE = "processes/admin/tabs/runs.html"
#: Runs of which the page shows the forecast; all are counted.
MOST_SHOWN = 100
_BY_NAME = {verb.name: verb for verb in VERBS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlanRow:
    """Show a plan: how many runs go by it, and whether it is the one in force."""

    name: str
    plan: str
    runs: int
    parts: int
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunRow:
    """Show a run: where it is from, and what doesn't fit."""

    address: str
    run_id: uuid.UUID
    title: str
    status: str
    plan: str
    misfits: list[str]


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Show plans and forecast; a POST moves all that fit, or undoes the moves."""
    if request.method == "POST":
        return _move(request, template, model_admin)
    try:
        forecasts, more = forecast_moves(template=template, user=request.user)
        problem = ""
    except NotControllableError as error:
        forecasts, more, problem = [], False, error.message
    used = plans_in_use(template=template, user=request.user)
    names = plan_names(template, [item.plan for item in used])
    fitting = sum(forecast.fits for forecast in forecasts)
    # Those that don't fit first: they are what somebody has to look at.
    shown = sorted(forecasts, key=lambda forecast: forecast.fits)[:MOST_SHOWN]
    context = {
        "plans": [
            _PlanRow(
                name=names[item.plan],
                plan=item.plan,
                runs=item.runs,
                parts=item.parts,
                is_current=item.plan == template.published_plan_id,
            )
            for item in used
        ],
        "problem": problem,
        "fitting": fitting,
        "left": len(forecasts) - fitting,
        "rows": _rows(shown, names, model_admin),
        "rows_left": len(forecasts) - len(shown),
        "has_more": more,
        "moved": len(moved_runs(template=template, user=request.user)),
        "runs_address": f"{_address('processes_run_changelist', model_admin)}?process={template.slug}",
    }
    return render_tab(request, template, model_admin, tab=TAB.name, page=PAGE, context=context)


def _move(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    if request.POST.get("deed") == "undo":
        run_ids = moved_runs(template=template, user=request.user)
        verb, outcome = _BY_NAME["undo"], undo_moves(run_ids=run_ids, user=request.user)
    else:
        try:
            forecasts, _more = forecast_moves(template=template, user=request.user)
        except NotControllableError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(request.path)
        run_ids = [forecast.run_id for forecast in forecasts if forecast.fits]
        verb, outcome = _BY_NAME["move"], move_named_runs(run_ids=run_ids, user=request.user)
    tell(model_admin, request, verb, outcome, {})
    return HttpResponseRedirect(request.path)


def _rows(forecasts: Sequence[Forecast], names: dict[str, str], model_admin: TemplateAdmin) -> list[_RunRow]:
    found = Run.objects.filter(pk__in=[forecast.run_id for forecast in forecasts])
    titles = dict(found.values_list("pk", "root__title"))
    return [
        _RunRow(
            address=_address("processes_run_change", model_admin, forecast.run_id),
            run_id=forecast.run_id,
            title=titles.get(forecast.run_id, ""),
            status=badge(forecast.status),
            plan=names.get(forecast.plan, forecast.plan[:12]),
            misfits=[misfit_text(misfit) for misfit in forecast.misfits],
        )
        for forecast in forecasts
    ]


def _address(name: str, model_admin: TemplateAdmin, *args: object) -> str:
    return reverse(f"admin:{name}", args=args, current_app=model_admin.admin_site.name)


TAB = Tab(name="runs", label=gettext_lazy("Runs"), view=view, changes=False, allowed=may_control)
