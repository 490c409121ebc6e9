"""Make a real Django form of a form's description."""

import math
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from processes.domain.json_values import JSON
from processes.services.forms import FieldConfig, FormConfig, errors_in, initial_values

__all__ = ["ProcessForm", "UploadField", "build_form"]


class UploadField(forms.FileField):
    """Take one file, and say in plain words what is wrong with it."""

    default_error_messages = {
        "required": "Choose a file.",
        "missing": "Choose a file.",
        "invalid": "No file arrived. Choose the file once more.",
        "empty": "The file is empty.",
    }

    def __init__(self, *, accept: tuple[str, ...] = (), max_bytes: int | None = None, **options: Any) -> None:
        self.accept = tuple(pattern.strip().lower() for pattern in accept)
        self.max_bytes = max_bytes
        super().__init__(**options)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Let the browser offer fitting files only."""
        attrs = super().widget_attrs(widget)
        return {**attrs, "accept": ",".join(self.accept)} if self.accept else attrs

    def to_python(self, data: Any) -> UploadedFile | None:
        """Check name and size; the content is left to the process."""
        file = super().to_python(data)
        if not isinstance(file, UploadedFile):
            return None
        if self.max_bytes is not None and (file.size or 0) > self.max_bytes:
            raise forms.ValidationError(
                f"The file is too large ({filesizeformat(file.size or 0)}): "
                f"at most {filesizeformat(self.max_bytes)} are taken.",
                code="too_large",
            )
        if self.accept and not any(_fits(file, pattern) for pattern in self.accept):
            raise forms.ValidationError(
                f"“{file.name}” is not of a type that is taken here: choose a file of the type "
                f"{' or '.join(self.accept)}.",
                code="wrong_type",
            )
        return file


def _fits(file: UploadedFile, pattern: str) -> bool:
    """Compare by suffix and by the declared type, as the accept attribute of HTML does."""
    if pattern.startswith("."):
        return (file.name or "").lower().endswith(pattern)
    declared = (file.content_type or "").partition(";")[0].strip().lower()
    if pattern.endswith("/*"):
        return declared.startswith(pattern[:-1])
    return declared == pattern


class ProcessForm(forms.Form):
    """Be the base of the forms that processes show."""

    error_css_class = "has-error"
    required_css_class = "is-required"
    config: FormConfig

    def show_errors(self, errors: Mapping[str | None, list[str]]) -> None:
        """Show messages on a form that nobody has filled in yet."""
        self._errors = forms.utils.ErrorDict()
        for name, messages in errors.items():
            self._errors[name or NON_FIELD_ERRORS] = self.error_class(messages)


def build_form(
    config: FormConfig,
    *,
    data: Mapping[str, JSON],
    posted: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
) -> ProcessForm:
    """Return the form, bound to what was posted where something was.

    An unbound form starts from `data`, and shows the messages that earlier actions left there.
    """
    kind = type("ConfiguredForm", (ProcessForm,), {**{f.name: _field(f) for f in config.fields}, "config": config})
    form: ProcessForm = kind(
        data=posted, files=files, initial=initial_values(config, data), auto_id="field-%s", label_suffix=""
    )
    if posted is None:
        errors = errors_in(config, data)
        if errors:
            form.show_errors(errors)
    return form


def _field(config: FieldConfig) -> forms.Field:
    common: dict[str, Any] = {
        "label": config.shown_label,
        "required": config.is_required,
        "help_text": config.help,
    }
    match config.type:
        case "file":
            return UploadField(accept=config.accept or (), max_bytes=config.max_bytes, max_length=255, **common)
        case "textarea":
            return forms.CharField(widget=forms.Textarea(attrs={"rows": 6}), max_length=config.max_length, **common)
        case "text":
            return forms.CharField(max_length=config.max_length, **common)
        case "email":
            return forms.EmailField(max_length=config.max_length or 320, **common)
        case "integer":
            return forms.IntegerField(
                min_value=None if config.min_value is None else math.ceil(config.min_value),
                max_value=None if config.max_value is None else math.floor(config.max_value),
                **common,
            )
        case "number":
            widget = forms.NumberInput(attrs={"step": "any"})
            return forms.FloatField(min_value=config.min_value, max_value=config.max_value, widget=widget, **common)
        case "boolean":
            return forms.BooleanField(**common)
        case "date":
            return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **common)
        case "choice":
            choices = [(choice.value, choice.label) for choice in config.choices or ()]
            if not config.is_required:
                choices.insert(0, ("", "—"))
            return forms.ChoiceField(choices=choices, **common)
