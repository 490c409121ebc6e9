"""The form in which an operator edits a run's data: one JSON object, compared with what its editor saw."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.editor import JsonText
from processes.admin.forms import describe
from processes.admin.history import shown_json
from processes.domain.callback_tokens import redacted
from processes.domain.data_edit import DataEdit
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError

__all__ = ["Conflict", "DataForm", "conflicts_of", "editable"]

#: Characters of one value, and of all together, that a page lets edit: they come back twice, each as up to nine bytes,
#: and Django takes 2.5 MB. The API takes more.
_VALUE_CHARS: Final = 50_000
_ALL_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Show a key that isn't as its editor saw it: what it was, is, and is to be; None where it isn't there."""

    key: str
    seen: SafeString | str
    now: SafeString | str
    typed: SafeString | str


def editable(data: Mapping[str, JSON]) -> tuple[dict[str, JSON], list[str]]:
    """Return what a page lets edit, and the keys that are left out: too long, or with a callback's token in them."""
    shown: dict[str, JSON] = {}
    left: list[str] = []
    room = _ALL_CHARS
    for key in sorted(data):
        length = len(_text(data[key]))
        if length > min(room, _VALUE_CHARS) or redacted({key: data[key]}) != {key: data[key]}:
            left.append(key)
        else:
            shown[key] = data[key]
            room -= length
    return shown, left


class DataForm(forms.Form):
    """Edit top-level keys of the data. `seen` bears what the editor saw, so that what changed meanwhile isn't lost."""

    values = forms.CharField(
        label=gettext_lazy("Data"),
        required=False,
        widget=JsonText("data", rows=16, script="processes/data-editor.js"),
        help_text=gettext_lazy(
            "A JSON object. A key that you change or add is set, one that you take out is removed; all others stay as "
            "they are by then."
        ),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    must_change = False

    def __init__(
        self,
        posted: Any = None,
        *,
        current: Mapping[str, JSON],
        typed: Mapping[str, JSON] | None = None,
        **options: Any,
    ) -> None:
        """Edit `current`, the data as they are; `typed` is what is proposed instead."""
        shown, self.left_out = editable(current)
        texts = {"values": _laid_out(shown if typed is None else typed), "seen": _text(shown)}
        super().__init__(posted, initial={**texts, **options.pop("initial", {})}, label_suffix="", **options)
        self.edit: DataEdit | None = None
        self.fields["values"].widget.attrs["aria-describedby"] = "id_values_helptext"

    @property
    def is_touched(self) -> bool:
        """Whether somebody has typed something into it, right or wrong."""
        return self.is_bound and (self.edit is not None or "values" in self.errors)

    def clean_values(self) -> dict[str, JSON]:
        """Return the object that was typed; raises ValidationError with line and column."""
        return _object(self.cleaned_data["values"])

    def clean_seen(self) -> dict[str, JSON]:
        """Return what the editor saw."""
        return _object(self.cleaned_data["seen"])

    def clean(self) -> dict[str, Any]:
        """Find out what is changed."""
        cleaned = super().clean() or self.cleaned_data
        if "seen" in self.errors:
            self.add_error("values", _("What you saw of the data didn't come along. Open the page anew."))
            return cleaned
        if "values" not in cleaned:
            return cleaned
        try:
            edit = DataEdit.between(cleaned["seen"], cleaned["values"])
            self.edit = None if edit is None else DataEdit.from_json(edit.to_json())
        except ValueError as error:
            self.add_error("values", str(error))
        else:
            if edit is None and self.must_change:
                self.add_error("values", _("Nothing is changed."))
        return cleaned

    def seeing(self, data: Mapping[str, JSON], names: list[str]) -> None:
        """Take it that the editor sees now what these keys have become, so that sending again overwrites that."""
        shown, _left = editable(data)
        seen = {key: value for key, value in self.cleaned_data["seen"].items() if key not in names}
        seen |= {key: shown[key] for key in names if key in shown}
        self.data = {**{name: self.data.get(name) for name in self.data}, "seen": _text(seen)}


def conflicts_of(form: DataForm, data: Mapping[str, JSON], names: list[str]) -> list[Conflict]:
    """Return what became of keys that weren't as the editor saw them, and let the form see that from now on."""
    typed, seen = form.cleaned_data["values"], form.cleaned_data["seen"]
    rows = [Conflict(key=key, seen=_shown(seen, key), now=_shown(data, key), typed=_shown(typed, key)) for key in names]
    form.seeing(data, names)
    return rows


def _shown(values: Mapping[str, JSON], key: str) -> SafeString | str:
    return shown_json({key: values[key]}) if key in values else ""


def _object(text: str) -> dict[str, JSON]:
    if not text.strip():
        return {}
    try:
        value = parse_json_text(text)
    except DefinitionError as error:
        raise forms.ValidationError([describe(problem) for problem in error.problems]) from error
    if not isinstance(value, dict):
        raise forms.ValidationError(_('Enter an object, such as {"name": "Ada"}.'))
    return value


def _text(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


def _laid_out(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
