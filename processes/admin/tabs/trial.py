"""The Try it tab: run a template in place, without leaving anything behind, and look at everything that comes of it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy

from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.admin.tabs.trial_form import TrialForm
from processes.domain.authoring.config_text import json_text
from processes.domain.report import RunReport
from processes.domain.steps import TraceEntry
from processes.models import ProcessTemplate
from processes.services.authoring.reading import read_source
from processes.services.authoring.trial import TIME_LIMIT_SECONDS, try_out
from processes.services.library import read_library

PAGE = "processes/admin/tabs/trial.html"
#: More than a page can show would only be in the way.
_MAX_TEXT, _MAX_ROWS, _MAX_DEPTH = 50_000, 1_000, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Show one action of the trace; `depth` says how far inside sub processes it ran."""

    entry: TraceEntry
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Show a report: its values as text, its trace as rows."""

    report: RunReport
    kept: bool
    data: str
    value: str
    response: Mapping[str, Any]
    json: str
    steps: Sequence[Step]
    left_out: int
    #: The process has the action that was asked for, but lets nobody enter there.
    is_closed: bool


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Show the form; when it is posted, run the process and show what came of it."""
    library = read_library()
    merged = read_source(library, library.drafts[template.slug]).merged
    entries = {item.action.name: item.action.entry and not item.action.is_lifecycle for item in merged.actions}
    actions = [name for name, is_open in entries.items() if is_open]
    published = template.published_plan_id is not None
    form = TrialForm(request.POST if request.method == "POST" else None, actions=actions, published=published)
    outcome = None
    if form.is_bound and form.is_valid():
        outcome = _run(request, template, form, closed=entries.keys() - set(actions))
        # The same again is one click away; doing it for real is asked each time.
        entered = {name: value for name, value in form.data.items() if name != "keep"}
        form = TrialForm(initial=entered, actions=actions, published=published)
    context = {"form": form, "outcome": outcome, "seconds": int(TIME_LIMIT_SECONDS)}
    return render_tab(request, template, model_admin, tab=TAB.name, page=PAGE, context=context)


def _run(request: HttpRequest, template: ProcessTemplate, form: TrialForm, *, closed: Set[str]) -> Outcome:
    # Whoever comes here has signed in: the admin sees to that.
    assert isinstance(request.user, AbstractBaseUser)
    values = form.cleaned_data
    report = try_out(
        template=template,
        user=request.user,
        published=values.get("of") == "published",
        action=values["action"],
        data=values["begin_with"],
        parameters=values["parameters"],
        keep=values["keep"],
    )
    shown = report.to_json()
    response = shown["response"] or {}
    steps = _steps(report.trace)
    return Outcome(
        report=report,
        kept=values["keep"],
        data=_text(shown["data"]),
        value="" if shown["value"] is None else _text(shown["value"]),
        response=response,
        json=_text(response["json"]) if "json" in response else "",
        steps=steps[:_MAX_ROWS],
        left_out=max(len(steps) - _MAX_ROWS, 0),
        is_closed=report.error is not None and report.error.code == "not_found" and values["action"] in closed,
    )


def _text(value: object) -> str:
    text = json_text(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}\n…"


def _steps(trace: Sequence[TraceEntry]) -> list[Step]:
    """Return the trace with its nesting, which the names of the sub processes give away."""
    around: list[str | None] = [None]
    steps: list[Step] = []
    for entry in trace:
        if entry.process in around:
            del around[around.index(entry.process) + 1 :]
        else:
            around.append(entry.process)
        steps.append(Step(entry=entry, depth=min(len(around) - 1, _MAX_DEPTH)))
    return steps


TAB = Tab(name="trial", label=gettext_lazy("Try it"), view=view)
