"""The form in which a template is edited: JSON as text, checked as a whole with bindings and extensions."""

import json
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput

from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError, Problem
from processes.models import Binding, Extension, ProcessTemplate
from processes.services.templates import check_draft

__all__ = ["BINDINGS", "EXTENSIONS", "BindingForm", "ProcessTemplateForm", "describe"]

#: The prefixes of the inline forms on the page.
BINDINGS, EXTENSIONS = "bindings", "extensions"


class JsonText(forms.Textarea):
    """Edit JSON in a monospaced field."""

    def __init__(self, rows: int = 30) -> None:
        super().__init__(attrs={"rows": rows, "cols": 100, "class": "json-text", "spellcheck": "false", "wrap": "off"})


class JsonField(forms.JSONField):
    """Take any JSON text, however absurd, and say where it is wrong."""

    widget = JsonText

    def to_python(self, value: Any) -> JSON:
        """Read the text; raises ValidationError with line and column."""
        if self.disabled or value in self.empty_values or not isinstance(value, str):
            return super().to_python(value)
        try:
            return parse_json_text(value)
        except DefinitionError as error:
            raise forms.ValidationError([describe(problem) for problem in error.problems]) from error

    def prepare_value(self, value: Any) -> Any:
        """Write the value over several lines; nothing is an empty text."""
        if value is None or isinstance(value, InvalidJSONInput):
            return value or ""
        return json.dumps(value, ensure_ascii=False, indent=2)

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
        widgets = {"target": JsonText(rows=2)}


class ProcessTemplateForm(forms.ModelForm):
    """Edit a template; what is wrong with its definition is shown with JSON path and suggestion."""

    expected_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ProcessTemplate
        fields = ("title", "slug", "description", "access", "groups", "abstract", "owner", "definition")
        widgets = {"definition": JsonText(), "description": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expected_revision"].initial = self.instance.revision
        #: Known once the form is valid: what save_draft() takes besides the definition.
        self.bindings: dict[str, JSON] = {}
        self.bases: list[ProcessTemplate] = []

    def clean(self) -> dict[str, Any]:
        """Check revision, definition, bindings and extensions together, since each may break another."""
        cleaned = super().clean() or self.cleaned_data
        self._check_revision(cleaned)
        definition = cleaned.get("definition")
        if definition is None or not self._read_inlines():
            return cleaned
        try:
            check_draft(
                slug=cleaned.get("slug") or self.instance.slug,
                definition=definition,
                bindings=self.bindings,
                extends=[base.slug for base in self.bases],
                abstract=bool(cleaned.get("abstract")),
            )
        except DefinitionError as error:
            for problem in error.problems:
                # Those of bindings and extensions have no field of their own on the page.
                own = not problem.source and not problem.path.startswith(("/bindings", "/extends"))
                self.add_error("definition" if own else None, describe(problem))
        return cleaned

    def _check_revision(self, cleaned: dict[str, Any]) -> None:
        if self.instance._state.adding:
            return
        stored = ProcessTemplate.objects.filter(pk=self.instance.pk).values_list("revision", flat=True).first()
        if cleaned.get("expected_revision") != stored:
            message = (
                "Somebody else saved this template after you opened it. Nothing is saved: copy what you changed, "
                "reload the page, and enter it again."
            )
            self.add_error(None, forms.ValidationError(message, code="stale"))

    def _read_inlines(self) -> bool:
        """Read bindings and extensions from the same request; tell whether they make sense by themselves."""
        bindings = _BindingFormSet(self.data, instance=self.instance, prefix=BINDINGS)
        extensions = _ExtensionFormSet(self.data, instance=self.instance, prefix=EXTENSIONS)
        if not (bindings.is_valid() and extensions.is_valid()):
            return False
        kept = [form.cleaned_data for form in bindings.forms if _is_kept(form)]
        self.bindings = {row["reference"]: row["target"] for row in kept}
        listed = [form.cleaned_data for form in extensions.forms if _is_kept(form)]
        self.bases = [row["base"] for row in sorted(listed, key=lambda row: row.get("position") or 0)]
        return True


def describe(problem: Problem) -> str:
    """Return one problem in a line: where, what, and what to do about it."""
    place = problem.path or "/"
    where = f"{problem.source}: {place}" if problem.source else place
    # Most messages quote a name that is wrong; other values would be missing.
    is_told = problem.value in (None, "") or str(problem.value) in problem.message
    value = "" if is_told else f" — found: {problem.value}"
    suggestion = f" {problem.suggestion}" if problem.suggestion else ""
    text = f"{where}: {problem.message}{value}.{suggestion}"
    # Half a surrogate pair, which may be just what is wrong, can't be sent to a browser.
    return text.encode("utf-8", "backslashreplace").decode()


def _is_kept(form: forms.BaseForm) -> bool:
    # An empty extra form has no values; a deleted one says so.
    return bool(form.cleaned_data) and not form.cleaned_data.get("DELETE")


_BindingFormSet = forms.inlineformset_factory(ProcessTemplate, Binding, form=BindingForm)
_ExtensionFormSet = forms.inlineformset_factory(
    ProcessTemplate, Extension, fields=("base", "position"), fk_name="template"
)
