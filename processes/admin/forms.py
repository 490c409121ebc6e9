"""The form in which a template is edited: JSON as text, checked as a whole with bindings and extensions.

Each problem is shown where it is: beside the definition, or in the row of the binding or extended template.
"""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.editor import BINDINGS, EXTENSIONS, JsonText, read_draft
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError, Problem
from processes.models import Binding, Extension, ProcessTemplate
from processes.services.authoring.checking import DraftProblem, find_problems

__all__ = ["BINDINGS", "EXTENSIONS", "BindingForm", "BindingRows", "ExtensionRows", "ProcessTemplateForm", "describe"]

_HELP = gettext_lazy(
    "A JSON array of actions, run in their order. An action has a name and a script, and may have a config, a comment "
    "and a next. Ctrl-Space shows what may be written at the cursor, with its documentation."
)

_LINE_CHARACTERS = 80

#: Where a template's form leaves its messages for rows; both are about the same instance.
ROW_MESSAGES = "_row_messages"


class JsonField(forms.JSONField):
    """Take any JSON text, however absurd, and say where it is wrong."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> JSON:
        """Read the text; raises ValidationError with line and column."""
        if self.disabled or value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        try:
            return parse_json_text(value)
        except DefinitionError as error:
            raise forms.ValidationError([describe(problem) for problem in error.problems]) from error

    def prepare_value(self, value: Any) -> Any:
        """Write the value in one line, or over several where it is long; nothing is an empty text."""
        if value is None or isinstance(value, InvalidJSONInput):
            return value or ""
        line = json.dumps(value, ensure_ascii=False)
        return line if len(line) <= _LINE_CHARACTERS else json.dumps(value, ensure_ascii=False, indent=2)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what is shown again: text that isn't JSON as it was entered."""
        if self.disabled or not isinstance(data, str):
            return super().bound_data(data, initial)
        try:
            return parse_json_text(data)
        except DefinitionError:
            return InvalidJSONInput(data)


class BindingForm(forms.ModelForm):
    """Edit one binding; its target is JSON, or a script's bare name."""

    class Meta:
        model = Binding
        fields = ("reference", "target")
        field_classes = {"target": JsonField}
        widgets = {"target": JsonText("target", rows=2)}


class _Rows(forms.BaseInlineFormSet):
    """Show, in each row, what the template's form found wrong with it."""

    #: The field of a row that bears the message, and the one that names the row.
    shown_at, named_by = "", ""

    def add_fields(self, form: forms.ModelForm, index: int | None) -> None:
        """Say what the box deletes to those who don't see the column that it stands in."""
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            name = getattr(form.instance, self.named_by) if form.instance.pk else _("this row")
            form.fields["DELETE"].widget.attrs["aria-label"] = _("Delete %(name)s") % {"name": name}

    def clean(self) -> None:
        """Add the messages; fields that have one of their own already keep just that."""
        super().clean()
        messages = getattr(self.instance, ROW_MESSAGES, {})
        for form in self.forms:
            for message in () if self.shown_at in form.errors else messages.get(form.prefix, ()):
                form.add_error(self.shown_at, message)


class BindingRows(_Rows):
    """Show what is wrong with a binding beside its target."""

    shown_at, named_by = "target", "reference"


class ExtensionRows(_Rows):
    """Show what is wrong with an extended template beside its name."""

    shown_at = named_by = "base"


class ProcessTemplateForm(forms.ModelForm):
    """Edit a template; what is wrong with its definition is shown with JSON path and suggestion."""

    expected_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ProcessTemplate
        fields = ("title", "slug", "description", "access", "groups", "abstract", "owner", "definition")
        widgets = {"definition": JsonText("definition"), "description": forms.Textarea(attrs={"rows": 2})}
        help_texts = {"definition": _HELP}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expected_revision"].initial = self.instance.revision
        #: Known once the form is valid: what save_draft() takes besides the definition.
        self.bindings: dict[str, JSON] = {}
        self.bases: list[ProcessTemplate] = []
        self._problems: list[DraftProblem] = []

    def shown_problems(self) -> list[dict[str, JSON]]:
        """Return what the check found, for the editor to mark before it has asked by itself."""
        return [found.to_json() for found in self._problems]

    def clean(self) -> dict[str, Any]:
        """Check revision, definition, bindings and extensions together, since each may break another."""
        cleaned = super().clean() or self.cleaned_data
        self._check_revision(cleaned)
        self._read_inlines()
        if cleaned.get("definition") is not None:
            # The text as it was sent: places are counted in what is shown again.
            self._problems = find_problems(read_draft(self.data, self.instance))
            self._show([found for found in self._problems if found.severity == "error"])
        return cleaned

    def _show(self, problems: list[DraftProblem]) -> None:
        """Put each problem where it belongs; rows are checked after this form, and take theirs from the template."""
        rows: dict[str, list[str]] = {}
        for found in problems:
            if found.row is not None:
                rows.setdefault(found.row, []).append(_describe_placed(found))
            else:
                self.add_error("definition" if found.part == "definition" else None, _describe_placed(found))
        setattr(self.instance, ROW_MESSAGES, rows)

    def _check_revision(self, cleaned: dict[str, Any]) -> None:
        if self.instance._state.adding:
            return
        stored = ProcessTemplate.objects.filter(pk=self.instance.pk).values_list("revision", flat=True).first()
        if cleaned.get("expected_revision") != stored:
            message = _(
                "Somebody else saved this template after you opened it. Nothing is saved: copy what you changed, "
                "reload the page, and enter it again."
            )
            self.add_error(None, forms.ValidationError(message, code="stale"))

    def _read_inlines(self) -> None:
        """Read bindings and extensions from the same request; rows that make no sense tell so themselves."""
        bindings = _BindingFormSet(self.data, instance=self.instance, prefix=BINDINGS)
        extensions = _ExtensionFormSet(self.data, instance=self.instance, prefix=EXTENSIONS)
        if not (bindings.is_valid() and extensions.is_valid()):
            return
        kept = [form.cleaned_data for form in bindings.forms if _is_kept(form)]
        self.bindings = {row["reference"]: row["target"] for row in kept}
        listed = [form.cleaned_data for form in extensions.forms if _is_kept(form)]
        self.bases = [row["base"] for row in sorted(listed, key=lambda row: row.get("position") or 0)]


def describe(problem: Problem) -> str:
    """Return one problem in a line: where, what, and what to do about it."""
    where = "".join(f"{part}: " for part in (problem.source, problem.path) if part)
    # Most messages quote a name that is wrong; other values would be missing.
    is_told = problem.value in (None, "") or str(problem.value) in problem.message
    value = "" if is_told else f" — found: {problem.value}"
    suggestion = f" {problem.suggestion}" if problem.suggestion else ""
    text = f"{where}{problem.message}{value}.{suggestion}"
    # Half a surrogate pair, which may be just what is wrong, can't be sent to a browser.
    return text.encode("utf-8", "backslashreplace").decode()


def _describe_placed(found: DraftProblem) -> str:
    """Return a problem in a line that begins with its place in the text."""
    text = describe(found.problem)
    if found.start is None:
        return text
    place = _("Line %(line)s, column %(column)s") % {"line": found.start.line, "column": found.start.column}
    return f"{place}: {text}"


def _is_kept(form: forms.BaseForm) -> bool:
    # An empty extra form has no values; a deleted one says so.
    return bool(form.cleaned_data) and not form.cleaned_data.get("DELETE")


_BindingFormSet = forms.inlineformset_factory(ProcessTemplate, Binding, form=BindingForm)
_ExtensionFormSet = forms.inlineformset_factory(
    ProcessTemplate, Extension, fields=("base", "position"), fk_name="template"
)
