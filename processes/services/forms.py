"""Describe forms as JSON: the config of `show_form`, checked at derivation, and its cleaned values.

A field is `{"name", "type", "label"?, "required"?, "help"?, …}`; processes.pages.forms makes a Django form of it.
"""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from processes.domain.json_values import JSON

__all__ = [
    "RESERVED_NAMES",
    "ButtonConfig",
    "ChoiceConfig",
    "FieldConfig",
    "FormConfig",
    "errors_in",
    "initial_values",
    "to_json",
]

#: Parameters with a meaning of their own, so that no field may bear their names.
RESERVED_NAMES = frozenset({"action", "button", "csrfmiddlewaretoken", "data", "form", "promise", "revision"})

FieldType = Literal[
    "text", "textarea", "integer", "number", "boolean", "choice", "email", "date", "file"
]  # fmt: skip
_ONLY_FOR: Mapping[str, frozenset[str]] = {
    "choices": frozenset({"choice"}),
    "accept": frozenset({"file"}),
    "max_bytes": frozenset({"file"}),
    "max_length": frozenset({"text", "textarea", "email"}),
    "min_value": frozenset({"integer", "number"}),
    "max_value": frozenset({"integer", "number"}),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChoiceConfig(_Strict):
    """Offer one value of a choice."""

    value: str = Field(description="What data gets.")
    label: str = Field(description="What people see.")


class FieldConfig(_Strict):
    """Describe one field of a form."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$", description="The key in data that takes the value.")
    type: FieldType = Field("text", description="What the field takes.")
    label: str | None = Field(None, description="Shown beside the field; made from the name where there is none.")
    required: bool | None = Field(None, description="Must it be filled in? Yes, except for a boolean's tick.")
    help: str = Field("", description="A sentence below the field.")
    choices: tuple[ChoiceConfig, ...] | None = Field(None, description="Texts, or objects of value and label.")
    accept: tuple[str, ...] | None = Field(None, description='For files: suffixes ".csv", types "text/csv", "image/*".')
    max_bytes: int | None = Field(None, gt=0, description="For files: the largest size, in bytes.")
    max_length: int | None = Field(None, gt=0, description="For texts: the largest number of characters.")
    min_value: float | None = Field(None, allow_inf_nan=False, description="For numbers: the smallest.")
    max_value: float | None = Field(None, allow_inf_nan=False, description="For numbers: the largest.")
    initial: JSON = Field(None, description="Shown at first, where data has no value of that name.")

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f'"{name}" has a meaning of its own; choose another name')
        return name

    @field_validator("choices", mode="before")
    @classmethod
    def _plain_choices(cls, choices: object) -> object:
        if not isinstance(choices, list | tuple):
            return choices
        return [{"value": item, "label": item} if isinstance(item, str) else item for item in choices]

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        for option, types in _ONLY_FOR.items():
            if getattr(self, option) is not None and self.type not in types:
                raise ValueError(f'"{option}" is for fields of the type {" or ".join(sorted(types))}')
        if self.type == "choice" and not self.choices:
            raise ValueError('a field of the type choice needs "choices"')
        return self

    @property
    def is_required(self) -> bool:
        """Tell whether the field must be filled in; a box must be ticked only where the definition says so."""
        return self.type != "boolean" if self.required is None else self.required

    @property
    def shown_label(self) -> str:
        """Return the label, made from the name where there is none."""
        return self.label if self.label is not None else self.name.replace("_", " ").strip().capitalize()


class ButtonConfig(_Strict):
    """Describe one more button below a form, beside the one that `submit` and `action` describe.

    What it does with what was entered: `submit` checks it, and restarts the process at `action` with the values;
    `draft` keeps it as it is, and shows the form again; `back` keeps it as it is, and shows the form of `action`, an
    earlier one; `leave` restarts the process at `action` without it.
    """

    label: str = Field(min_length=1, description="The text of the button.")
    does: Literal["submit", "draft", "back", "leave"] = Field("submit", description="What happens to what was entered.")
    action: str | None = Field(None, min_length=1, description="The action that it leads to; a draft needs none.")
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$",
        description="What the parameter `button` holds when it was pressed; by default what it does and its place.",
    )
    style: Literal["primary", "quiet", "danger"] = Field("quiet", description="How much it stands out.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.does == "draft" and self.action is not None:
            raise ValueError("a button that saves a draft shows the form again; it takes no action")
        if self.does != "draft" and self.action is None:
            raise ValueError('give the "action" that the button leads to')
        return self


class FormConfig(_Strict):
    """Configure `show_form`."""

    title: str = Field("", description="The heading of the page.")
    intro: str = Field("", description="A paragraph above the fields, as text.")
    template: str | None = Field(None, description="A Django template shown above the fields; it sees `data`.")
    fields: tuple[FieldConfig, ...] = Field((), description="The fields, in order.")
    action: str = Field(min_length=1, description="The action at which the process restarts with the values.")
    submit: str = Field("Continue", min_length=1, description="The text of the button.")
    buttons: tuple[ButtonConfig, ...] = Field((), description="More buttons: other actions, save a draft, back.")
    errors_from: str | None = Field(None, description="The key in data that holds messages to show with the form.")

    @field_validator("fields")
    @classmethod
    def _distinct(cls, fields: tuple[FieldConfig, ...]) -> tuple[FieldConfig, ...]:
        seen: set[str] = set()
        for field in fields:
            if field.name in seen:
                raise ValueError(f'two fields are called "{field.name}"')
            seen.add(field.name)
        return fields

    @field_validator("buttons")
    @classmethod
    def _named(cls, buttons: tuple[ButtonConfig, ...]) -> tuple[ButtonConfig, ...]:
        named = tuple(
            button if button.name else button.model_copy(update={"name": f"{button.does}-{place}"})
            for place, button in enumerate(buttons, start=1)
        )
        if len({button.name for button in named}) != len(named):
            raise ValueError("two buttons have the same name")
        return named

    def button(self, name: str) -> ButtonConfig:
        """Return the button of that name; the main one, called `submit`, for any other: a form may be sent by Enter."""
        main = ButtonConfig(label=self.submit, does="submit", action=self.action, name="submit", style="primary")
        return next((button for button in self.buttons if button.name == name), main)

    @property
    def takes_files(self) -> bool:
        """Tell whether the form must be sent as multipart/form-data."""
        return any(field.type == "file" for field in self.fields)


def initial_values(form: FormConfig, data: Mapping[str, JSON]) -> dict[str, Any]:
    """Return what the fields show at first: what `data` holds, else the configured value. Files show nothing."""
    return {
        field.name: data.get(field.name, field.initial)
        for field in form.fields
        if field.type != "file" and data.get(field.name, field.initial) is not None
    }


def errors_in(form: FormConfig, data: Mapping[str, JSON]) -> dict[str | None, list[str]]:
    """Return the messages that earlier actions left in data, by field; those for the whole form are under None.

    They may be a text, a list of texts, or an object that maps field names to either.
    """
    found = data.get(form.errors_from) if form.errors_from else None
    names = {field.name for field in form.fields}
    result: dict[str | None, list[str]] = {}
    parts = found.items() if isinstance(found, Mapping) else [("", found)]
    for name, messages in parts:
        texts = [messages] if isinstance(messages, str) else list(messages) if isinstance(messages, list) else []
        if texts:
            result.setdefault(name if name in names else None, []).extend(str(text) for text in texts if text)
    return {name: texts for name, texts in result.items() if texts}


def to_json(value: object) -> JSON:
    """Return a cleaned value as JSON: dates in ISO 8601, whole numbers as such."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
