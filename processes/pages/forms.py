"""Make a real Django form of a form's description."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms.boundfield import BoundField
from django.forms.renderers import DjangoTemplates
from django.template.loader import get_template

from processes.domain.json_values import JSON
from processes.pages.choice_fields import SearchedField
from processes.pages.form_fields import as_typed, make_field, starting_value
from processes.pages.upload_field import UploadField, UploadWidget, kept_infos
from processes.services.forms import FormConfig, errors_in

__all__ = ["FieldProblem", "FormSection", "ProcessForm", "build_form"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSection:
    """Hold fields that are shown together; those in no group have no title."""

    id: str
    title: str
    help: str
    fields: list[BoundField]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """Hold what is wrong with a field, and the id of what takes the focus; without one for a hidden field."""

    label: str
    target: str
    messages: list[str]


class FormRenderer(DjangoTemplates):
    """Find the templates of our own widgets among the project's, where a team can override them."""

    def get_template(self, template_name: str) -> Any:
        """Return the template of a widget."""
        if template_name.startswith("processes/"):
            return get_template(template_name)
        return super().get_template(template_name)


class ProcessForm(forms.Form):
    """Be a form that a process shows."""

    default_renderer = FormRenderer

    def __init__(
        self, *, config: FormConfig, fields: Mapping[str, forms.Field], unchanged: Mapping[str, JSON], **options: Any
    ) -> None:
        super().__init__(auto_id="field-%s", label_suffix="", **options)
        self.config = config
        self.fields.update(fields)
        #: What disabled fields hold: never taken from what was sent, and never a reason to refuse it.
        self._unchanged = unchanged

    def clean(self) -> dict[str, Any]:
        """Give disabled fields the values that they had."""
        cleaned = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            if field.disabled:
                self.errors.pop(name, None)
                cleaned[name] = self._unchanged.get(name)
        return cleaned

    def entered(self) -> dict[str, object]:
        """Return what was typed, as it was typed, by field: for drafts, for going back, for showing it again.

        Files are those that are right by themselves, as uploads, and the infos of those that were kept and stay; None
        or an empty list says that there is none any more. Passwords and disabled fields are never among it.
        """
        result: dict[str, object] = {}
        for name, field in self.fields.items():
            if field.disabled or isinstance(field.widget, forms.PasswordInput):
                continue
            sent = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            if isinstance(field, UploadField):
                result[name] = field.entered(sent)
            elif sent is not None:
                result[name] = _storable(sent)
        return result

    def show_kept(self, entered: Mapping[str, JSON]) -> None:
        """Show the files in `entered` as kept ones, once the uploads of a form that is shown again were stored."""
        for name, field in self.fields.items():
            if isinstance(field.widget, UploadWidget) and name in entered:
                field.widget.kept = kept_infos(entered[name])
                field.widget.is_settled = True

    def show_errors(self, errors: Mapping[str | None, list[str]]) -> None:
        """Show messages on a form that nobody has filled in yet."""
        self._errors = forms.utils.ErrorDict()
        for name, messages in errors.items():
            self._errors[name or NON_FIELD_ERRORS] = self.error_class(messages)

    def sections(self) -> Iterator[FormSection]:
        """Give the fields as they are shown: those in no group first, then group by group."""
        for number, (group, names) in enumerate(self.config.sections()):
            yield FormSection(
                id=f"group-{number}",
                title="" if group is None else group.title,
                help="" if group is None else group.help,
                fields=[self[name] for name in names],
            )

    def problems(self) -> list[FieldProblem]:
        """Return what is wrong with the fields, in the order in which they are shown."""
        shown = [field for section in self.sections() for field in section.fields]
        return [
            FieldProblem(label=str(field.label), target=_target(field), messages=[str(text) for text in field.errors])
            for field in shown
            if field.errors
        ]


def build_form(
    config: FormConfig,
    *,
    data: Mapping[str, JSON],
    entered: Mapping[str, JSON] | None = None,
    posted: Mapping[str, Any] | None = None,
    files: Mapping[str, Any] | None = None,
    user: AbstractBaseUser | AnonymousUser | None = None,
) -> ProcessForm:
    """Return the form, bound to what was posted where something was.

    An unbound form shows what was typed before (`entered`, raw) where there is something, else what `data` holds, else
    the configured values; and the messages that earlier actions left in `data`. Files that were kept before count in
    both cases. `user` is who fills it in, for querysets that offer each their own.
    """
    before = entered or {}
    fields, initial, unchanged = dict[str, forms.Field](), dict[str, JSON](), dict[str, JSON]()
    for item in config.fields:
        field = fields[item.name] = make_field(item, user=user)
        known = data.get(item.name)
        value = starting_value(item) if known is None else known
        unchanged[item.name] = value
        if isinstance(field.widget, UploadWidget):
            field.widget.kept = kept_infos(before[item.name] if item.name in before and not item.disabled else known)
        elif item.name in before and not item.disabled and item.type != "password":
            initial[item.name] = before[item.name]
        elif value is not None:
            typed = as_typed(item, value)
            initial[item.name] = field.as_typed(typed) if isinstance(field, SearchedField) else typed
    form = ProcessForm(config=config, fields=fields, unchanged=unchanged, data=posted, files=files, initial=initial)
    if posted is None:
        # What is wrong with a value in the data isn't wrong with another one that was typed since.
        changed = {name for name, typed in before.items() if not _says_the_same(typed, data.get(name))}
        errors = {name: texts for name, texts in errors_in(config, data).items() if name not in changed}
        if errors:
            form.show_errors(errors)
    return form


def _says_the_same(typed: JSON, known: JSON) -> bool:
    return typed == known or str(typed) == str(known) or (not typed and not known)


def _storable(value: Any) -> Any:
    """Return what was typed without what no database keeps: NUL."""
    if isinstance(value, str):
        return value.replace("\0", "")
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _target(field: BoundField) -> str:
    if field.is_hidden:
        return ""
    if field.use_fieldset:
        # A group takes no focus itself; its first button or box does.
        first = next(iter(field.subwidgets), None)
        return first.id_for_label if first is not None else f"{field.auto_id}-group"
    return field.id_for_label
