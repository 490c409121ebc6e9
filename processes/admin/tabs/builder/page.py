"""Answer the builder's page, and its rows alone for the browser that redraws them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from processes.admin.impact import impact_message
from processes.admin.status_rules.rules_field import GROUPS
from processes.admin.tabs.builder.deeds import Outcome, carry_out
from processes.admin.tabs.builder.posted import BrokenFormError, FieldProblem, Posted, read_posted
from processes.admin.tabs.builder.shown import action_views, envelope_text
from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.domain.authoring.rows import BuilderRows
from processes.errors import DefinitionError, Problem
from processes.models import ProcessTemplate
from processes.services.authoring.building import draft_rows, entrance_finder, look_around, save_rows
from processes.services.authoring.impact import impact_of_draft
from processes.services.authoring.offers import offers_of, rules_used_with
from processes.services.errors import BindingRefusedError, StaleDraftError, TemplateNotFoundError

__all__ = ["MAX_STEPS", "TAB", "builder_urls"]

PAGE = "processes/admin/tabs/builder.html"
ROWS = "processes/admin/tabs/builder/rows.html"
#: More rows than these are of no use to anybody, and more fields than a form may have.
MAX_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Hold what is shown: rows, saved or not, and the revision that they began with."""

    rows: BuilderRows
    revision: str
    open: Collection[str] = ()
    typed: Mapping[str, tuple[FieldProblem, ...]] = field(default_factory=dict)
    said: str = ""
    focus: str = ""
    error: str = ""


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Show the draft as rows; a POST changes the rows as its button says, or saves them."""
    try:
        rows = draft_rows(template)
    except DefinitionError as error:
        return _render_refusal(request, template, model_admin, error.problems)
    if len(rows.steps) > MAX_STEPS:
        text = _("It has more than %(count)s actions: a page of so many rows would be of no use.")
        problem = Problem(path="", message=text % {"count": MAX_STEPS})
        return _render_refusal(request, template, model_admin, [problem])
    if request.method != "POST":
        state = _State(rows=rows, revision=str(template.revision), open=request.GET.getlist("open"))
        return _render(request, template, model_admin, state)
    deed = request.POST.get("do", "")
    posted = _read(request.POST, template, deed)
    if deed == "save":
        return _save(request, template, model_admin, posted)
    return _render(request, template, model_admin, _after(request.POST, posted, deed))


def _read(data: QueryDict, template: ProcessTemplate, deed: str) -> Posted:
    word, _colon, number = deed.partition(":")
    step, _colon, rule = number.partition(":")
    try:
        entered = entrance_finder(template)
        posted = read_posted(data, entered=entered, without_rule=(step, rule) if word == "delete-rule" else None)
    except BrokenFormError as error:
        raise BadRequest(str(error)) from error
    if len(posted.rows.steps) > MAX_STEPS:
        raise BadRequest("Too many steps")
    return posted


def _after(data: QueryDict, posted: Posted, deed: str) -> _State:
    try:
        outcome: Outcome = carry_out(posted, deed)
    except BrokenFormError as error:
        raise BadRequest(str(error)) from error
    if len(outcome.rows.steps) > MAX_STEPS:
        text = _("There are %(count)s steps already: more of them aren't shown as rows.") % {"count": MAX_STEPS}
        outcome = Outcome(rows=posted.rows, open=posted.open, said=text)
    return _State(
        rows=outcome.rows,
        revision=data.get("expected_revision", ""),
        open=outcome.open,
        typed=posted.problems,
        said=outcome.said,
        focus=outcome.focus,
    )


def _save(
    request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin, posted: Posted
) -> HttpResponseBase:
    state = _State(
        rows=posted.rows,
        revision=request.POST.get("expected_revision", ""),
        open=posted.open,
        typed=posted.problems,
    )
    error = _("Nothing is saved: what is wrong is told at its place.")
    if not posted.problems:
        try:
            changed = save_rows(
                template=template, rows=posted.rows, expected_revision=_number(state.revision), user=request.user
            )
        except StaleDraftError:
            error = _(
                "Somebody else saved this template after you opened it. Nothing is saved: open it in another window, "
                "and make your changes there."
            )
        except (BindingRefusedError, TemplateNotFoundError) as refused:
            error = _("Nothing is saved.") + f" {refused.message}"
        except DefinitionError:
            # Told at their places, which are looked for when the page is drawn.
            pass
        else:
            _tell_saved(request, template, model_admin, changed)
            query = urlencode({"open": sorted(posted.open)}, doseq=True)
            return HttpResponseRedirect(f"{request.path}?{query}" if query else request.path)
    return _render(request, template, model_admin, state, error=error)


def _tell_saved(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin, changed: bool) -> None:
    if not changed:
        messages.info(request, _("Nothing was changed, so nothing is saved."))
        return
    model_admin.log_change(request, template, [{"changed": {"fields": ["definition"]}}])
    messages.success(request, _("The draft is saved. What is in force stays as it is until you publish it."))
    impact = impact_of_draft(template)
    if (text := impact_message(impact)) is not None:
        (messages.warning if impact.broken else messages.info)(request, text)


def _render(
    request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin, state: _State, *, error: str = ""
) -> HttpResponse:
    context = _context(request, template, model_admin, state) | {"error": error}
    return render_tab(request, template, model_admin, tab=TAB.name, page=PAGE, context=context)


def _render_refusal(
    request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin, problems: Collection[Problem]
) -> HttpResponse:
    return render_tab(request, template, model_admin, tab=TAB.name, page=PAGE, context={"refused": problems})


def _context(
    request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin, state: _State
) -> dict[str, Any]:
    around = look_around(template, state.rows)
    # What rules say is for those who may see rules.
    used = rules_used_with(template) if request.user.has_perm("processes.view_statusrules") else []
    names = {step.name for step in state.rows.steps}
    return {
        "actions": action_views(state.rows, around, opened=state.open, typed=state.typed, offers=offers_of(used)),
        "around": around,
        "used_rules": used,
        "group_words": dict(GROUPS),
        "general": [found for found in around.problems if found.step not in names],
        "has_errors": bool(state.typed) or any(not found.is_warning for found in around.problems),
        "envelope": envelope_text(state.rows),
        "revision": state.revision,
        "said": state.said,
        "focus": state.focus,
        "may_change": model_admin.has_change_permission(request, template),
        "rows_address": reverse(f"admin:{_ROWS_NAME}", args=[template.pk], current_app=model_admin.admin_site.name),
    }


#: The name of the address of the rows alone.
_ROWS_NAME = "processes_processtemplate_builder_rows"


def builder_urls(model_admin: TemplateAdmin) -> list[URLPattern]:
    """Return the address of the rows alone: `builder/rows/`, below the template's own."""

    def serve(request: HttpRequest, object_id: str) -> HttpResponseBase:
        return _serve_rows(request, object_id, model_admin)

    view_rows = model_admin.admin_site.admin_view(serve)
    return [path("<path:object_id>/builder/rows/", view_rows, name=_ROWS_NAME)]


@never_cache
@require_POST
def _serve_rows(request: HttpRequest, object_id: str, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Answer the rows as they are after what a button does; nothing is saved."""
    template = model_admin.get_object(request, object_id)
    if template is None or not model_admin.has_view_permission(request, template):
        raise Http404("There is no such template, or you may not see it.")
    if not model_admin.has_change_permission(request, template):
        raise PermissionDenied
    deed = request.POST.get("do", "")
    state = _after(request.POST, _read(request.POST, template, deed), deed)
    context = _context(request, template, model_admin, state) | {"original": template}
    return TemplateResponse(request, ROWS, context)


def _number(text: str) -> int:
    """Return a revision from the form; one that no template has for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


TAB = Tab(name="builder", label=gettext_lazy("Builder"), view=view)
