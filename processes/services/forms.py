"""Describe forms as JSON: the config of `show_form`, checked at derivation, and its cleaned values.

A field is `{"name", "type", "label"?, "required"?, "help"?, …}` (processes.services.form_fields);
processes.pages.forms makes a Django form of it.
"""

import math
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal, Self

from django.utils.duration import duration_iso_string
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from processes.domain.entrances import Entrance
from processes.domain.json_values import JSON
from processes.domain.suggestions import did_you_mean
from processes.services.form_audience import AnsweredBy, is_for_others
from processes.services.form_choices import ChoiceConfig, ChoiceGroupConfig, QuerysetChoices
from processes.services.form_fields import RESERVED_NAMES, FieldConfig

__all__ = [
    "RESERVED_NAMES",
    "SHOW_FORM",
    "ButtonConfig",
    "ChoiceConfig",
    "ChoiceGroupConfig",
    "FieldConfig",
    "FormConfig",
    "GroupConfig",
    "QuerysetChoices",
    "errors_in",
    "form_entrances",
    "to_json",
]


#: The canonical name of the script that shows forms.
SHOW_FORM: Final = "show_form"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class GroupConfig(_Strict):
    """Put some fields of a form together, under a heading."""

    title: str = Field(min_length=1, description="The heading.")
    help: str = Field("", description="A sentence below the heading.")
    fields: tuple[str, ...] = Field(min_length=1, description="The names of the fields, in order.")


class FormConfig(_Strict):
    """Configure `show_form`."""

    title: str = Field("", description="The heading of the page.")
    intro: str = Field("", description="A paragraph above the fields, as text.")
    template: str | None = Field(None, description="A Django template shown above the fields; it sees `data`.")
    fields: tuple[FieldConfig, ...] = Field((), description="The fields, in order.")
    groups: tuple[GroupConfig, ...] = Field(
        (), description="Fields that belong together, below those that are in no group."
    )
    action: str = Field(min_length=1, description="The action at which the process restarts with the values.")
    submit: str = Field("Continue", min_length=1, description="The text of the button.")
    buttons: tuple[ButtonConfig, ...] = Field((), description="More buttons: other actions, save a draft, back.")
    errors_from: str | None = Field(None, description="The key in data that holds messages to show with the form.")
    answered_by: AnsweredBy | None = Field(
        None,
        description='Who may answer where a durable run waits for it: `"owner"` (whose run it is, the default), '
        '`"staff"`, or an object that names users, groups, or a key of the data that names users. A run in the '
        "foreground moves to the background where that is somebody else.",
    )

    @field_validator("fields")
    @classmethod
    def _distinct(cls, fields: tuple[FieldConfig, ...]) -> tuple[FieldConfig, ...]:
        seen: set[str] = set()
        for field in fields:
            if field.name in seen:
                raise ValueError(f'two fields are called "{field.name}"')
            seen.add(field.name)
        return fields

    @field_validator("groups")
    @classmethod
    def _grouped_once(cls, groups: tuple[GroupConfig, ...], info: ValidationInfo) -> tuple[GroupConfig, ...]:
        fields = info.data.get("fields")
        if fields is None:
            return groups  # What is wrong with the fields is told first.
        names = {field.name for field in fields}
        seen: set[str] = set()
        for name in (name for group in groups for name in group.fields):
            if name not in names:
                suggestion = did_you_mean(name, names)
                raise ValueError(f'there is no field "{name}" for a group' + (f". {suggestion}" if suggestion else ""))
            if name in seen:
                raise ValueError(f'the field "{name}" is in two groups, or twice in one')
            seen.add(name)
        return groups

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
    def is_for_others(self) -> bool:
        """Tell whether others than whoever runs the process may answer it."""
        return is_for_others(self.answered_by)

    @property
    def leads(self) -> dict[str, str]:
        """Return the action that each button leads to, by its name; that of a draft leads nowhere."""
        buttons = {button.name: button.action for button in (self.button("submit"), *self.buttons)}
        return {name: action for name, action in buttons.items() if name is not None and action is not None}

    @property
    def takes_files(self) -> bool:
        """Tell whether the form must be sent as multipart/form-data."""
        return any(field.is_file for field in self.fields)

    @property
    def querysets(self) -> tuple[str, ...]:
        """Return the names of the registered querysets that its fields offer."""
        return tuple(field.choices.name for field in self.fields if isinstance(field.choices, QuerysetChoices))

    def sections(self) -> Iterator[tuple[GroupConfig | None, tuple[str, ...]]]:
        """Give the names of the fields as they are shown: first those in no group, then group by group."""
        grouped = {name for group in self.groups for name in group.fields}
        loose = tuple(field.name for field in self.fields if field.name not in grouped)
        if loose:
            yield None, loose
        for group in self.groups:
            yield group, group.fields


def form_entrances(config: Mapping[str, JSON]) -> Iterator[Entrance]:
    """Find the actions that the buttons of a form enter; Back must lead to a form."""
    if isinstance(action := config.get("action"), str):
        yield Entrance(path=("action",), action=action)
    buttons = config.get("buttons")
    for place, button in enumerate(buttons if isinstance(buttons, list) else ()):
        if isinstance(button, Mapping) and isinstance(action := button.get("action"), str):
            script = SHOW_FORM if button.get("does") == "back" else None
            yield Entrance(path=("buttons", place, "action"), action=action, script=script)


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
    """Return a cleaned value as JSON.

    Days, moments (with their offset), times and durations are texts in ISO 8601; decimals are texts, so that no digit
    is lost; a float without a fraction is a whole number.
    """
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    return value
