"""Describe the fields of forms as JSON: their types, and which options each type takes."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

from processes.domain.json_values import JSON
from processes.domain.suggestions import did_you_mean
from processes.services.form_choices import Choices, QuerysetChoices, tidied
from processes.services.form_times import moment_problem

__all__ = [
    "FIELD_TYPES",
    "FILE_TYPES",
    "MAX_FILES",
    "RESERVED_NAMES",
    "WIDGETS",
    "FieldConfig",
    "FieldType",
    "Widget",
    "matcher_of",
]

#: Parameters with a meaning of their own, so that no field may bear their names.
RESERVED_NAMES = frozenset({"action", "button", "csrfmiddlewaretoken", "data", "form", "promise", "revision"})

FieldType = Literal[
    "text", "textarea", "password", "email", "url", "slug", "integer", "number", "decimal", "boolean", "yes_no",
    "choice", "choices", "date", "time", "datetime", "duration", "uuid", "ip", "json", "color", "hidden", "file",
    "image",
]  # fmt: skip
FIELD_TYPES: Final[tuple[str, ...]] = get_args(FieldType)
Widget = Literal["select", "radio", "checkboxes", "checkbox", "textarea", "range", "hidden"]

#: How many files one field takes, unless it says so itself, and at most: DATA_UPLOAD_MAX_NUMBER_FILES allows a request
#: that many by default.
MAX_FILES: Final = 20
_MOST_FILES: Final = 100
_MAX_PATTERN: Final = 500

_TEXTS: Final = frozenset({"text", "textarea", "password", "email", "url", "slug"})
_NUMBERS: Final = frozenset({"integer", "number", "decimal"})
_MOMENTS: Final = frozenset({"date", "time", "datetime"})
FILE_TYPES: Final = frozenset({"file", "image"})
_TYPED: Final = _TEXTS | _NUMBERS | {"duration", "uuid", "ip", "json"}
_ANY: Final = frozenset(FIELD_TYPES)

#: Which types each option is for; those that aren't listed are for all.
_ONLY_FOR: Final[Mapping[str, frozenset[str]]] = {
    "choices": frozenset({"choice", "choices"}),
    "accept": FILE_TYPES,
    "max_bytes": FILE_TYPES,
    "multiple": FILE_TYPES,
    "max_files": FILE_TYPES,
    "min_length": _TEXTS,
    "max_length": _TEXTS | {"hidden", "json"},
    "pattern": frozenset({"text", "password"}),
    "pattern_message": frozenset({"text", "password"}),
    "min_value": _NUMBERS,
    "max_value": _NUMBERS,
    "step": _NUMBERS,
    "max_digits": frozenset({"decimal"}),
    "decimal_places": frozenset({"decimal"}),
    "earliest": _MOMENTS,
    "latest": _MOMENTS,
    "placeholder": _TYPED,
    "autocomplete": _TYPED | _MOMENTS | {"choice"},
    "rows": frozenset({"textarea", "text", "json"}),
    "initial": _ANY - FILE_TYPES - {"password"},
    "disabled": _ANY - {"password"},
}

_HIDEABLE: Final = frozenset({"text", *_NUMBERS, *_MOMENTS, "choice", "uuid", "slug", "url", "email", "ip", "boolean"})
#: The widgets of each type that has a choice of them; the first is the usual one.
WIDGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("textarea",),
    "integer": ("range",),
    "number": ("range",),
    "decimal": ("range",),
    "boolean": ("checkbox",),
    "yes_no": ("radio", "select"),
    "choice": ("select", "radio"),
    "choices": ("checkboxes", "select"),
}

#: What people call the types elsewhere.
_ALSO_CALLED: Final = {
    "string": "text", "str": "text", "char": "text", "int": "integer", "float": "number", "bool": "boolean",
    "checkbox": "boolean", "select": "choice", "radio": "choice", "dropdown": "choice", "multiselect": "choices",
    "multiple_choice": "choices", "checkboxes": "choices", "upload": "file", "phone": "text", "tel": "text",
    "timestamp": "datetime", "null_boolean": "yes_no",
}  # fmt: skip
_ACCEPTED: Final = re.compile(r"\.[\w.+-]{1,30}|[\w.+-]{1,60}/(?:[\w.+-]{1,80}|\*)", re.ASCII)


class _Refused(ValueError):
    """Refuse a value, and say what may have been meant."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


class FieldConfig(BaseModel):
    """Describe one field of a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$", description="The key in data that takes the value.")
    type: FieldType = Field("text", description="What the field takes.")
    label: str | None = Field(None, description="Shown with the field; made from the name where there is none.")
    required: bool | None = Field(None, description="Must it be filled in? Yes, except for a boolean's tick.")
    help: str = Field("", description="A sentence below the field.")
    initial: JSON = Field(
        None, description='Shown at first, where data has no value of that name; days may be "today".'
    )
    disabled: bool = Field(False, description="Shown, and never taken from what was sent.")
    widget: Widget | None = Field(None, description="How it is shown, where the type has several ways.")
    placeholder: str | None = Field(None, description="Shown in the empty field; no place for what must be known.")
    autocomplete: str | None = Field(
        None, pattern=r"^[a-z0-9 -]{1,100}$", description='What the browser may fill in, as in HTML: "email", "off".'
    )
    choices: Choices | None = Field(
        None, description="Texts, numbers, {value, label}, groups {label, choices}; or a placeholder, or a queryset."
    )
    min_length: int | None = Field(None, ge=0, description="For texts: the smallest number of characters.")
    max_length: int | None = Field(None, gt=0, description="For texts: the largest number of characters.")
    pattern: str | None = Field(
        None, min_length=1, max_length=_MAX_PATTERN, description="For texts: a regular expression for the whole text."
    )
    pattern_message: str | None = Field(
        None, min_length=1, description="What is said where the text doesn't match the pattern."
    )
    rows: int | None = Field(None, ge=1, le=60, description="For texts of several lines: how many are shown.")
    min_value: float | None = Field(None, allow_inf_nan=False, description="For numbers: the smallest.")
    max_value: float | None = Field(None, allow_inf_nan=False, description="For numbers: the largest.")
    step: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="For numbers: multiples of it are taken, counted from min_value."
    )
    max_digits: int | None = Field(None, ge=1, le=100, description="For decimals: the largest number of digits.")
    decimal_places: int | None = Field(
        None, ge=0, le=100, description="For decimals: how many of them after the point."
    )
    earliest: str | None = Field(
        None, description='For days and times: the first, in ISO 8601, or "today", "today-90".'
    )
    latest: str | None = Field(None, description='For days and times: the last, in ISO 8601, or "today", "today+14".')
    accept: tuple[str, ...] | None = Field(None, description='For files: suffixes ".csv", types "text/csv", "image/*".')
    max_bytes: int | None = Field(None, gt=0, description="For files: the largest size of each, in bytes.")
    multiple: bool | None = Field(None, description="For files: may there be several? Data then holds a list.")
    max_files: int | None = Field(
        None, ge=1, le=_MOST_FILES, description=f"For several files: how many at most; {MAX_FILES} without it."
    )

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f'"{name}" has a meaning of its own; choose another name')
        return name

    @field_validator("type", mode="before")
    @classmethod
    def _known_type(cls, given: object) -> object:
        if isinstance(given, str) and given not in FIELD_TYPES:
            meant = _ALSO_CALLED.get(given.lower())
            suggestion = f'Did you mean "{meant}"?' if meant else did_you_mean(given, FIELD_TYPES)
            raise _Refused(f'There is no type "{given}"', suggestion or f"One of {', '.join(FIELD_TYPES)}")
        return given

    @field_validator("widget", mode="before")
    @classmethod
    def _known_widget(cls, given: object) -> object:
        known = get_args(Widget)
        if isinstance(given, str) and given not in known:
            raise _Refused(f'There is no widget "{given}"', did_you_mean(given, known) or f"One of {', '.join(known)}")
        return given

    @field_validator("widget")
    @classmethod
    def _widget_of_type(cls, widget: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("type")
        if widget is None or kind is None:
            return widget
        fitting = [*WIDGETS.get(kind, ()), *(["hidden"] if kind in _HIDEABLE else [])]
        if widget not in fitting:
            suggestion = f"One of {', '.join(fitting)}" if fitting else 'Leave "widget" out'
            raise _Refused(f'A field of the type {kind} can\'t be shown as "{widget}"', suggestion)
        return widget

    @field_validator("step")
    @classmethod
    def _step_of_type(cls, step: float | None, info: ValidationInfo) -> float | None:
        if step is not None and info.data.get("type") == "integer" and not step.is_integer():
            cure = 'Take a whole number, or the type "number"'
            raise _Refused(f"A field of the type integer can't go in steps of {step:g}", cure)
        return step

    @field_validator(*_ONLY_FOR)
    @classmethod
    def _option_of_type(cls, value: JSON, info: ValidationInfo) -> JSON:
        kind, option = info.data.get("type"), info.field_name or ""
        if value not in (None, False) and kind is not None and kind not in _ONLY_FOR[option]:
            raise ValueError(f'"{option}" is for fields of the type {_listed(_ONLY_FOR[option])}')
        return value

    @field_validator("choices")
    @classmethod
    def _distinct_choices(cls, choices: Choices | None) -> Choices | None:
        return tidied(choices) if isinstance(choices, tuple) else choices

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            matcher_of(pattern)
        return pattern

    @field_validator("earliest", "latest")
    @classmethod
    def _is_moment(cls, text: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("type")
        if text is not None and kind in _MOMENTS and (problem := moment_problem(text, kind)) is not None:
            raise ValueError(f'"{info.field_name}" {problem}')
        return text

    @field_validator("accept")
    @classmethod
    def _are_kinds(cls, accept: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        kinds = None if accept is None else tuple(item.strip().lower() for item in accept)
        for item in kinds or ():
            if not _ACCEPTED.fullmatch(item):
                dotted = f".{item.lstrip('*.')}"
                suggestion = f'Did you mean "{dotted}"?' if _ACCEPTED.fullmatch(dotted) else None
                raise _Refused(f'"{item}" is neither a suffix, as in ".csv", nor a type, as in "text/csv"', suggestion)
        return kinds

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.type in ("choice", "choices") and self.choices is None:
            raise ValueError(f'a field of the type {self.type} needs "choices"')
        for lower, upper in (
            ("min_length", "max_length"),
            ("min_value", "max_value"),
            ("decimal_places", "max_digits"),
        ):
            low, high = getattr(self, lower), getattr(self, upper)
            if low is not None and high is not None and low > high:
                raise ValueError(f'"{lower}" is larger than "{upper}"')
        if self.widget == "range" and (self.min_value is None or self.max_value is None):
            raise ValueError('the widget "range" needs "min_value" and "max_value"')
        if self.rows is not None and self.type == "text" and self.widget != "textarea":
            raise ValueError('"rows" is for texts of several lines: add "widget": "textarea"')
        if self.widget == "hidden" and isinstance(self.choices, QuerysetChoices):
            raise ValueError("a hidden field can't offer the rows of a queryset")
        if self.pattern_message is not None and self.pattern is None:
            raise ValueError('"pattern_message" needs a "pattern"')
        if self.max_files is not None and not self.multiple:
            raise ValueError('"max_files" needs "multiple": true')
        return self

    @property
    def is_required(self) -> bool:
        """Tell whether the field must be filled in; a box must be ticked only where the definition says so."""
        return self.type != "boolean" if self.required is None else self.required

    @property
    def is_file(self) -> bool:
        """Tell whether the field takes files."""
        return self.type in FILE_TYPES

    @property
    def shown_label(self) -> str:
        """Return the label, made from the name where there is none."""
        return self.label if self.label is not None else self.name.replace("_", " ").strip().capitalize()


@lru_cache(maxsize=1_000)
def matcher_of(pattern: str) -> TypeAdapter[str]:
    """Return what validates a text against a whole pattern; raises ValueError for a pattern that isn't one.

    The expressions are those of Rust: without references back and without looking around, and so matched in a time that
    grows with the text, whatever the pattern. (Python's may take years for thirty characters.)
    """
    adapter: TypeAdapter[str] | None = None
    # Alone first: "a)|(b" is only right in brackets.
    for text in (pattern, f"^(?:{pattern})$"):
        try:
            adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=text)])
        except SchemaError as error:
            reason = str(error).replace("\n", " ").partition("error: ")[2].partition(" [type")[0]
            raise ValueError(
                "the pattern can't be used: "
                + (reason.strip() or "it isn't a regular expression, or too large a one")
                + ' (looking around, "(?=", and references back, "\\1", aren\'t taken)'
            ) from None
    assert adapter is not None
    return adapter


def _listed(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
