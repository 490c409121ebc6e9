"""The field in which status rules are edited: as rows, or as JSON; what comes out of it is always the JSON text.

Only one of the two is on the page. Its buttons change over to the other one with what was typed, and save nothing; so
there is one truth at each moment, and no script is needed for it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from django import forms
from django.forms.widgets import Script
from django.template.loader import get_template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from processes.admin.editor import JsonText
from processes.domain.authoring.json_layout import lay_out
from processes.domain.authoring.status_rule_rows import FIELDS, NEW, RuleRow, compile_rows, field_of, rows_of
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.domain.status_rules import OptionGroup
from processes.errors import DefinitionError, Problem

__all__ = ["AS_JSON", "AS_ROWS", "Edited", "RulesField", "is_changing_over", "told"]

Mode: TypeAlias = Literal["rows", "json"]

#: The names of the buttons that change over.
AS_ROWS, AS_JSON = "_as_rows", "_as_json"
#: More rows than a form can send (DATA_UPLOAD_MAX_NUMBER_FIELDS) are edited as JSON.
MAX_ROWS: Final = 150

GROUPS: Final = (
    (OptionGroup.EXPECTED.value, _("expected")),
    (OptionGroup.OPTIONAL.value, _("optional")),
    (OptionGroup.ANYTIME.value, _("at any time")),
    (OptionGroup.EXCEPTIONAL.value, _("exceptional")),
)
LABELS: Final = {
    "role": _("Roles"),
    "status": _("Statuses"),
    "action": _("Action"),
    "caption": _("Caption"),
    "group": _("Group"),
    "condition": _("Condition"),
    "comment": _("Comment"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Hold what a form has sent: the text that it comes to, as what it is shown, and what can't be read of it.

    `rows` are those on the page, also where they come to nothing; None where they aren't shown.
    """

    text: str
    mode: Mode
    rows: tuple[RuleRow, ...] | None = None
    problems: tuple[Problem, ...] = ()


def is_changing_over(data: Mapping[str, Any]) -> bool:
    """Tell whether a form was sent to change over between rows and JSON."""
    return AS_ROWS in data or AS_JSON in data


def told(problem: Problem, *, mode: Mode) -> str:
    """Return a problem as a sentence that begins with its place: the rule and its field, or the JSON Pointer."""
    index, name = field_of(problem.path)
    if mode == "json" or index is None:
        place = problem.path
    elif name:
        place = gettext("Rule %(number)d, %(field)s") % {"number": index + 1, "field": LABELS[name]}
    else:
        place = gettext("Rule %(number)d") % {"number": index + 1}
    return f"{place}: {_sentence(problem)}" if place else _sentence(problem)


class RulesWidget(forms.Widget):
    """Show rules as rows, or as JSON in the editor."""

    template_name = "processes/admin/status_rules/rules.html"

    def __init__(self) -> None:
        super().__init__()
        self._json = JsonText("rules", rows=24, script="processes/status-rules.js")
        #: What is wrong with the rules, errors and warnings, for the form to fill in.
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        #: Names to offer, by field.
        self.offers: dict[str, list[str]] = {}

    @property
    def media(self) -> forms.Media:
        """Name the files of the editor and of the rows."""
        rows = forms.Media(
            css={"all": ("processes/rows-editor.css", "processes/status-rules.css")},
            js=[Script("processes/rows-editor.js", type="module")],  # type: ignore[list-item]  # stubs know paths only
        )
        return self._json.media + rows

    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> Edited:
        """Read what was sent, and change over where that was asked for and can be done."""
        text = _unix(str(data.get(name, "")))
        if data.get(f"{name}-mode") != "rows":
            edited = Edited(text=text, mode="json")
        else:
            rows = tuple(_sent_rows(data, name))
            edited = _compiled(Edited(text=text, mode="rows", rows=rows))
        if edited.problems:
            return edited
        if AS_JSON in data:
            return replace(edited, mode="json", rows=None)
        if AS_ROWS in data:
            return _as_rows(edited.text)
        return edited

    def value_omitted_from_data(self, data: Mapping[str, Any], files: object, name: str) -> bool:
        """Tell whether nothing of it was sent."""
        return f"{name}-mode" not in data

    def id_for_label(self, id_: str) -> str:
        """Return no id: the label names all of it, and each field has its own."""
        return ""

    def render(self, name: str, value: object, attrs: Any = None, renderer: object = None) -> SafeString:
        """Render it by a template of the project: those of forms are looked for in apps alone."""
        html = get_template(self.template_name).render(self.get_context(name, value, attrs))
        return mark_safe(html)  # noqa: S308 - a template's output

    def get_context(self, name: str, value: object, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Gather what the template shows."""
        context = super().get_context(name, value, attrs)
        edited = value if isinstance(value, Edited) else _as_rows(str(value or "[]"))
        context["widget"] |= {
            "mode": edited.mode,
            "text": edited.text,
            "as_rows": AS_ROWS,
            "as_json": AS_JSON,
            "can_be_rows": _rows_of(edited.text) is not None,
            # Rows tell theirs themselves.
            "problems": [
                told(problem, mode=edited.mode)
                for problem in self.warnings
                if edited.mode == "json" or field_of(problem.path)[0] is None
            ],
        }
        if edited.mode == "json":
            label = {"id": f"id_{name}", "aria-label": gettext("Rules as JSON")}
            context["widget"]["json"] = self._json.render(name, edited.text, label)
        else:
            rows = [row for row in edited.rows or () if not row.is_blank]
            context["widget"] |= {
                "rows": [*self._shown(name, rows), self._row(name, len(rows), RuleRow(), {}, {})],
                "total": len(rows) + 1,
                "blank": self._row(name, "__row__", RuleRow(), {}, {}),
                "offers": [(kind, names) for kind, names in self.offers.items() if names],
            }
        return context

    def _shown(self, name: str, rows: Iterable[RuleRow]) -> list[dict[str, Any]]:
        errors, warnings = _by_row(self.errors), _by_row(self.warnings)
        return [
            self._row(name, number, row, errors.get(number, {}), warnings.get(number, {}))
            for number, row in enumerate(rows)
        ]

    def _row(
        self,
        name: str,
        number: int | str,
        row: RuleRow,
        errors: Mapping[str, list[str]],
        warnings: Mapping[str, list[str]],
    ) -> dict[str, Any]:
        prefix = f"{name}-{number}"
        groups = GROUPS if row.group else (("", gettext("various")), *GROUPS)
        return {
            "prefix": prefix,
            "number": number,
            "is_blank": row.is_blank,
            "kept": "" if row.kept is NEW else canonical_text(row.kept),
            "errors": errors.get("", []),
            "warnings": warnings.get("", []),
            "groups": groups,
            "fields": [
                {
                    "name": field_name,
                    "html_name": f"{prefix}-{field_name}",
                    "id": f"id_{prefix}-{field_name}",
                    "label": LABELS[field_name],
                    "value": getattr(row, field_name),
                    "errors": errors.get(field_name, []),
                    "warnings": warnings.get(field_name, []),
                    "list": f"{name}-{field_name}s" if self.offers.get(field_name) else "",
                }
                for field_name in FIELDS
            ],
        }


class RulesField(forms.Field):
    """Take status rules as rows or JSON, and give their JSON text; what they say is checked by the form."""

    widget = RulesWidget

    def clean(self, value: Any) -> str:
        """Return the text; raises ValidationError for rows that can't be read."""
        if not isinstance(value, Edited):
            return str(value or "[]")
        if value.problems:
            raise forms.ValidationError([told(problem, mode=value.mode) for problem in value.problems], code="rules")
        return value.text

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what is shown again: just what was sent."""
        return data

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether the text is another one."""
        return isinstance(data, Edited) and data.text != str(initial or "")


def canonical_text(value: JSON) -> str:
    """Return JSON as one line, its keys in their order."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class _Sent:
    """Hold a row as it was sent, with what decides its place."""

    place: float
    row: RuleRow = field(default_factory=RuleRow)


def _sent_rows(data: Mapping[str, Any], name: str) -> list[RuleRow]:
    """Read the rows in the order of their places, without those that are removed, or in which nothing was written."""
    count = min(_whole(data.get(f"{name}-total"), 0), 10 * MAX_ROWS)
    found: list[_Sent] = []
    for number in range(count):
        prefix = f"{name}-{number}"
        if f"{prefix}-kept" not in data or data.get(f"{prefix}-remove"):
            continue
        texts = {key: str(data.get(f"{prefix}-{key}", "")) for key in FIELDS}
        row = RuleRow(**texts, kept=_kept(str(data.get(f"{prefix}-kept", ""))))
        if not row.is_blank:
            found.append(_Sent(place=_whole(data.get(f"{prefix}-position"), 10 * MAX_ROWS), row=row))
    return [sent.row for sent in sorted(found, key=lambda sent: sent.place)]


def _kept(text: str) -> JSON:
    if not text:
        return NEW
    try:
        return parse_json_text(text)
    except DefinitionError:
        # No form of ours sends that; what the row shows is all there is.
        return NEW


def _compiled(edited: Edited) -> Edited:
    """Return what rows come to; the text stays as it was laid out where it says the same."""
    try:
        document = compile_rows(edited.rows or ())
    except DefinitionError as error:
        return replace(edited, problems=error.problems)
    before = _document(edited.text)
    if before is not None and canonical_text(before) == canonical_text(document):
        return edited
    text = lay_out(document)
    shown = _rows_of(text)
    return replace(edited, text=text, rows=None if shown is None else tuple(shown))


def _as_rows(text: str) -> Edited:
    """Return a text as rows, where it can be shown so; as JSON otherwise."""
    rows = _rows_of(text)
    return Edited(text=text, mode="json") if rows is None else Edited(text=text, mode="rows", rows=tuple(rows))


def _rows_of(text: str) -> list[RuleRow] | None:
    document = _document(text)
    return None if document is None or len(document) > MAX_ROWS else rows_of(document)


def _document(text: str) -> list[JSON] | None:
    try:
        document = parse_json_text(text)
    except DefinitionError:
        return None
    return document if isinstance(document, list) else None


def _by_row(problems: Iterable[Problem]) -> dict[int, dict[str, list[str]]]:
    found: dict[int, dict[str, list[str]]] = {}
    for problem in problems:
        index, name = field_of(problem.path)
        if index is not None:
            found.setdefault(index, {}).setdefault(name, []).append(_sentence(problem))
    return found


def _sentence(problem: Problem) -> str:
    parts = [part for part in (problem.message, problem.suggestion) if part]
    return " ".join(part if part.endswith((".", "?", "!", "…")) else f"{part}." for part in parts)


def _whole(text: object, default: int) -> int:
    written = str(text)
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 9 else default


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
