"""The Versions tab: what was in force when, how any two moments differ, and the way back."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.impact import broken_lines, dependent_names, refusal_message
from processes.admin.tabs.page import Tab, TemplateAdmin, render_tab
from processes.domain.authoring.diff_words import as_text, in_one_line, sections
from processes.errors import ProcessError
from processes.models import ProcessTemplate, TemplateVersion, VersionCause
from processes.services.authoring.history import Comparison, Moment, compare, latest_number, list_versions, summarise
from processes.services.authoring.templates import differs_from_published
from processes.services.authoring.versions import preview_roll_back, roll_back
from processes.services.errors import PublishRefusedError

PAGE_SIZE = 20
_FOLDER = "processes/admin/tabs"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Hold what the list shows of a version."""

    version: TemplateVersion
    cause: str
    summary: str
    is_current: bool


def view(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    """Show the history, a comparison or what a roll back would do; a POST rolls back."""
    try:
        if request.method == "POST":
            return _roll_back(request, template, model_admin)
        if "back_to" in request.GET:
            return _confirm(request, template, model_admin)
        if "old" in request.GET and "new" in request.GET:
            return _compare(request, template, model_admin)
    except ProcessError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(_address(template, model_admin))
    return _list(request, template, model_admin)


def _list(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    page = Paginator(list_versions(template), PAGE_SIZE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    summaries = summarise(template, shown, language=translation)
    current = latest_number(template)
    rows = [
        _Row(
            version=version,
            cause=_cause(version),
            summary=summaries[version.number],
            is_current=version.number == current,
        )
        for version in shown
    ]
    context: dict[str, Any] = {"page": page, "rows": rows, "current": current}
    if current is not None:
        older, newer = str(max(current - 1, 1)), str(current)
        if differs_from_published(template):
            context |= {"draft_differs": True, "draft_summary": _draft_summary(template)}
            older, newer = newer, "draft"
        context |= _choices(template, older, newer)
    return render_tab(request, template, model_admin, tab=TAB.name, page=f"{_FOLDER}/versions.html", context=context)


def _compare(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    old, new = _moment(request.GET["old"]), _moment(request.GET["new"])
    comparison = compare(template=template, old=old, new=new)
    context = {
        "heading": f"{capfirst(_name(old))} → {_name(new)}",
        **_told(comparison),
        **_choices(template, str(old), str(new)),
    }
    page = f"{_FOLDER}/versions_compare.html"
    return render_tab(request, template, model_admin, tab=TAB.name, page=page, context=context)


def _confirm(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    if not model_admin.has_change_permission(request, template):
        raise PermissionDenied
    preview = preview_roll_back(template=template, number=_number(request.GET["back_to"]))
    context = {
        "heading": _("Roll back to version %(number)d") % {"number": preview.version.number},
        "preview": preview,
        "dependents": dependent_names(preview.impact.dependents),
        "followers": ", ".join(preview.impact.followers),
        "broken": broken_lines(preview.impact.broken),
        "expected_version": latest_number(template),
        "lost": None if preview.lost is None else sections(preview.lost.difference, language=translation),
        **({} if preview.comparison is None else _told(preview.comparison)),
    }
    page = f"{_FOLDER}/versions_rollback.html"
    return render_tab(request, template, model_admin, tab=TAB.name, page=page, context=context)


def _roll_back(request: HttpRequest, template: ProcessTemplate, model_admin: TemplateAdmin) -> HttpResponseBase:
    number = _number(request.POST.get("number", ""))
    try:
        result = roll_back(
            template=template,
            number=number,
            user=request.user,
            expected_revision=_number(request.POST.get("expected_revision", "")),
            expected_version=_number(request.POST.get("expected_version", "")),
            discard_draft=request.POST.get("discard_draft") == "on",
        )
    except ProcessError as error:
        refused = isinstance(error, PublishRefusedError)
        text = _("Nothing was changed. %(error)s") % {"error": error.message}
        messages.error(request, refusal_message(text, error.fields["broken"]) if refused else text)
        return HttpResponseRedirect(f"{_address(template, model_admin)}?back_to={number}")
    if result.version is None:
        messages.success(request, _("The draft is discarded. What is in force stays as it is."))
    else:
        others = [slug for slug in result.changed if slug != template.slug]
        text = _("Version %(number)d is in force again, as version %(new)d.")
        text %= {"number": number, "new": result.version}
        if others:
            text += " " + _("These follow it: %(names)s.") % {"names": ", ".join(others)}
        messages.success(request, text)
    return HttpResponseRedirect(_address(template, model_admin))


def _told(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as the pages show it."""
    return {
        "comparison": comparison,
        "sections": sections(comparison.difference, language=translation),
        "summary": in_one_line(comparison.difference, language=translation),
        "text": as_text(comparison.difference, language=translation),
    }


def _choices(template: ProcessTemplate, old: str, new: str) -> dict[str, Any]:
    """Return what the form offers to compare, and what is chosen."""
    numbers = template.versions.order_by("-number").values_list("number", flat=True)
    moments: list[Moment] = ["draft", "published", *numbers]
    choices = [(str(moment), _name(moment)) for moment in moments]
    return {"choices": choices, "old": old, "new": new}


def _draft_summary(template: ProcessTemplate) -> str:
    try:
        comparison = compare(template=template, old="published", new="draft")
    except ProcessError as error:
        return _("it can't be compared, since it has problems: %(error)s") % {"error": error.message}
    return in_one_line(comparison.difference, language=translation) or _("only its writing")


def _cause(version: TemplateVersion) -> str:
    if version.cause == VersionCause.FOLLOWED:
        return _("followed “%(name)s”") % {"name": version.origin}
    if version.cause == VersionCause.ROLLED_BACK:
        return _("rolled back to version %(number)s") % {"number": version.origin}
    return _("published")


def _name(moment: Moment) -> str:
    if isinstance(moment, int):
        return _("version %(number)d") % {"number": moment}
    return _("the draft") if moment == "draft" else _("what is in force")


def _moment(text: str) -> Moment:
    if text == "draft":
        return "draft"
    return "published" if text == "published" else _number(text)


def _number(text: str) -> int:
    """Return a number from an address or a form; one that no version has for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _address(template: ProcessTemplate, model_admin: TemplateAdmin) -> str:
    return reverse(f"admin:{TAB.url_name}", args=[template.pk], current_app=model_admin.admin_site.name)


TAB = Tab(name="versions", label=gettext_lazy("Versions"), view=view)
