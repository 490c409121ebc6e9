"""The JSON editor on a template's page: its field, and the two addresses that it asks while somebody types.

The field is a plain text area that works by itself. processes/editor.js lays the Ace editor over it, which django-ace
ships, with all its parts as files of their own: the pages' Content-Security-Policy lets nothing else in.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from processes.admin.editor_words import WORDS, EditorWords
from processes.models import ProcessTemplate
from processes.services.authoring.checking import BaseRow, BindingRow, Draft, find_problems
from processes.services.authoring.vocabulary import describe_vocabulary

__all__ = ["BINDINGS", "EXTENSIONS", "JsonText", "editor_urls", "read_draft"]

TemplateAdmin: TypeAlias = "admin.ModelAdmin[ProcessTemplate]"

#: The prefixes of the inline forms on the page.
BINDINGS, EXTENSIONS = "bindings", "extensions"

#: Rows of a kind that are looked at; Django's own limit for a formset.
MAX_ROWS = 1_000

_ACE = ("ace", "ext-language_tools", "ext-searchbox", "mode-json", "theme-github_light_default", "theme-github_dark")
_STYLES = (
    "django_ace/ace/css/ace.css",
    "django_ace/ace/css/theme/github_light_default.css",
    "django_ace/ace/css/theme/github_dark.css",
    "processes/editor.css",
)


class JsonText(forms.Textarea):
    """Edit JSON, in the editor where scripts run; `kind` says what the JSON is: a definition, a target, or data.

    `script` is the page's own, which lays the editor over the field.
    """

    def __init__(self, kind: str, rows: int = 30, *, script: str = "processes/editor.js") -> None:
        self._script = script
        super().__init__(
            attrs={
                "rows": rows,
                "cols": 100,
                "class": "json-text",
                "spellcheck": "false",
                "autocapitalize": "off",
                "wrap": "off",
                "data-json": kind,
            }
        )

    @property
    def media(self) -> forms.Media:
        """Name the editor's files; scripts run in this order, after the page has been read."""
        parts = [Script(f"django_ace/ace/{name}.js", defer=True) for name in _ACE]
        # Ace inserts no styles of its own under our policy: its style sheets are linked.
        words = Script(reverse(f"admin:{WORDS}"))
        scripts = [words, *parts, Script(self._script, type="module")]
        return forms.Media(css={"all": _STYLES}, js=scripts)  # type: ignore[arg-type]  # stubs know paths only


def editor_urls(model_admin: TemplateAdmin) -> list[URLPattern]:
    """Return the addresses that the editor asks: `check/`, `vocabulary/` and `words/`, below the list of templates."""
    views = {"check": _check, "vocabulary": _vocabulary}
    # What it says, in the reader's language: every page with such a field links it, so it is for all staff.
    words = model_admin.admin_site.admin_view(EditorWords.as_view(), cacheable=True)
    return [
        path("words/", words, name=WORDS),
        *(
            path(
                f"{name}/",
                model_admin.admin_site.admin_view(partial(view, model_admin)),
                name=f"processes_processtemplate_{name}",
            )
            for name, view in views.items()
        ),
    ]


def read_draft(data: Mapping[str, Any], template: ProcessTemplate | None) -> Draft:
    """Read a draft from what the page's form sends, complete or not; `template` is the one that is edited.

    Rows that are deleted or empty are left out, and so is what no form could have sent.
    """
    fixed = template is not None and template.published_source is not None
    return Draft(
        slug=template.slug if template is not None and fixed else str(data.get("slug", "")).strip(),
        text=str(data.get("definition", "")),
        bindings=[
            BindingRow(row=row, reference=reference, target=str(data.get(f"{row}-target", "")))
            for row in _rows(data, BINDINGS)
            if (reference := str(data.get(f"{row}-reference", "")).strip())
        ],
        extends=_bases(data),
        abstract=bool(data.get("abstract")),
    )


def _bases(data: Mapping[str, Any]) -> list[BaseRow]:
    chosen = {row: number for row in _rows(data, EXTENSIONS) if (number := _whole(data.get(f"{row}-base"))) is not None}
    slugs = dict(ProcessTemplate.objects.filter(pk__in=chosen.values()).values_list("pk", "slug"))
    ordered = sorted(chosen, key=lambda row: _whole(data.get(f"{row}-position")) or 0)
    return [BaseRow(row=row, slug=slugs[chosen[row]]) for row in ordered if chosen[row] in slugs]


def _rows(data: Mapping[str, Any], prefix: str) -> list[str]:
    count = min(_whole(data.get(f"{prefix}-TOTAL_FORMS")) or 0, MAX_ROWS)
    return [f"{prefix}-{number}" for number in range(count) if not data.get(f"{prefix}-{number}-DELETE")]


def _whole(text: object) -> int | None:
    """Return a whole number that a database column can hold, or None."""
    written = str(text)
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 18 else None


def _check(model_admin: TemplateAdmin, request: HttpRequest) -> HttpResponseBase:
    return _check_draft(request, model_admin)


@never_cache
@require_POST
def _check_draft(request: HttpRequest, model_admin: TemplateAdmin) -> HttpResponse:
    """Answer `{"problems": […]}` for the page's form as it stands; nothing is saved."""
    template = _template(model_admin, request, request.POST.get("template"))
    may = model_admin.has_add_permission(request)
    if template is not None:
        may = model_admin.has_change_permission(request, template)
    if not may:
        raise PermissionDenied
    return JsonResponse({"problems": [found.to_json() for found in find_problems(read_draft(request.POST, template))]})


def _vocabulary(model_admin: TemplateAdmin, request: HttpRequest) -> HttpResponseBase:
    return _answer_vocabulary(request, model_admin)


@never_cache
@require_GET
def _answer_vocabulary(request: HttpRequest, model_admin: TemplateAdmin) -> HttpResponse:
    """Answer what may be written in a template that extends those of the query, `?extends=1&extends=2`, in order."""
    if not (model_admin.has_view_permission(request) or model_admin.has_add_permission(request)):
        raise PermissionDenied
    # What is inherited is for those who may see templates.
    texts = request.GET.getlist("extends")[:MAX_ROWS] if model_admin.has_view_permission(request) else []
    chosen = [number for text in texts if (number := _whole(text)) is not None]
    slugs = dict(ProcessTemplate.objects.filter(pk__in=chosen).values_list("pk", "slug"))
    return JsonResponse(describe_vocabulary(extends=[slugs[number] for number in chosen if number in slugs]))


def _template(model_admin: TemplateAdmin, request: HttpRequest, text: object) -> ProcessTemplate | None:
    """Return the template that is edited, None for a new one; one that is gone may not be changed."""
    if not text:
        return None
    template = model_admin.get_object(request, str(_whole(text)))
    if template is None:
        raise PermissionDenied
    return template
