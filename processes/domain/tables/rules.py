"""What a column must hold."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from processes.domain.tables.problems import shorten
from processes.domain.tables.values import NOUNS, READERS, Unreadable, Value, ValueType


class ColumnRule(BaseModel):
    """State what one column must hold.

    A field is trimmed first. An empty field, or one whose text is among `missing` (say "NA"), has no value, which
    `required` refuses. `min` and `max` are inclusive and belong to integer, number and date (there ISO texts);
    `max_length`, in characters, and `pattern`, a regular expression for the whole text, to text. `choices` are compared
    with the trimmed text. `unique` holds among the accepted rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    type: ValueType = "text"
    required: bool = False
    min: int | float | str | None = None
    max: int | float | str | None = None
    max_length: int | None = Field(default=None, gt=0)
    unique: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    missing: tuple[str, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _fits_type(self) -> Self:
        for bound in (self.min, self.max):
            if bound is None:
                continue
            if self.type in ("text", "boolean"):
                raise ValueError(f"min and max don't apply to {self.type}; use max_length, choices or pattern")
            if isinstance(bound, str) != (self.type == "date"):
                raise ValueError("min and max of a date are texts like 2026-11-20; of a number, numbers")
            if isinstance(bound, str):
                try:
                    READERS["date"](bound)
                except Unreadable as error:
                    raise ValueError(f"“{bound}” {error}") from None
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.type != "text" and (self.max_length is not None or self.pattern is not None):
            raise ValueError(f"max_length and pattern belong to text, not to {self.type}")
        return self

    def read(self, text: str) -> Value:
        """Read the text of a field; raise `Unreadable` with the rule that it breaks."""
        text = text.strip()
        if not text or text in self.missing:
            if self.required:
                raise Unreadable("counts as empty, and a value is required" if text else "a value is required")
            return None
        value = READERS[self.type](text)
        if self.choices and text not in self.choices:
            raise Unreadable(f"isn't one of {shorten(', '.join(self.choices))}")
        if self.max_length is not None and len(text) > self.max_length:
            raise Unreadable(f"has {len(text):,} characters; at most {self.max_length:,} are allowed")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            raise Unreadable(f"doesn't have the form {shorten(self.pattern)}")
        if self.min is not None and value < self.min:  # type: ignore[operator]
            raise Unreadable(f"is below {self.min}")
        if self.max is not None and value > self.max:  # type: ignore[operator]
            raise Unreadable(f"is above {self.max}")
        return value

    def describe(self) -> str:
        """Put the rule in words, for the people whose file it judges."""
        parts = [NOUNS[self.type]]
        if self.required:
            parts.append("required")
        if self.unique:
            parts.append("no two alike")
        if self.min is not None and self.max is not None:
            parts.append(f"from {self.min} to {self.max}")
        elif self.min is not None:
            parts.append(f"at least {self.min}")
        elif self.max is not None:
            parts.append(f"at most {self.max}")
        if self.max_length is not None:
            parts.append(f"at most {self.max_length:,} characters")
        if self.choices:
            parts.append(f"one of {shorten(', '.join(self.choices))}")
        if self.pattern is not None:
            parts.append(f"of the form {shorten(self.pattern)}")
        if self.missing:
            parts.append(f"{', '.join(self.missing)} counts as empty")
        return ", ".join(parts)
