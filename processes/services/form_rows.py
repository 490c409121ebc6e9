"""Read the rows that a registered queryset offers to a form, each only as a value and a label."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Manager, QuerySet

from processes.domain.json_values import JSON
from processes.domain.querysets import QuerysetSpec
from processes.errors import PermanentError
from processes.registry import querysets
from processes.services.form_choices import MAX_CHOICES

__all__ = ["OfferedRow", "OfferedRows"]

#: Longer texts are nobody's key or label.
_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class OfferedRow:
    """Hold one row: what the page sends for it, what people see, and what data gets."""

    key: str
    label: str
    value: JSON


class OfferedRows:
    """Hold the rows that a registered queryset offers to one user.

    Raises NotFoundError for a name that isn't registered, PermanentError where its function gives something else.
    """

    def __init__(self, name: str, *, user: AbstractBaseUser | AnonymousUser | None) -> None:
        self._spec: QuerysetSpec = querysets.get(name)
        found = self._spec.function(user if user is not None else AnonymousUser())
        found = found.all() if isinstance(found, Manager) else found
        if not isinstance(found, QuerySet):
            raise PermanentError(
                f'The function of the queryset "{name}" gives {type(found).__name__}, not a QuerySet.',
                code="bad_queryset",
            )
        if found.query.is_sliced or found.query.combinator:
            raise PermanentError(
                f'The queryset "{name}" is sliced or a union: the form could not look for a row in it.',
                code="bad_queryset",
            )
        self._rows: QuerySet[Any] = found

    @cached_property
    def listed(self) -> list[OfferedRow] | None:
        """Return all rows in the queryset's order; None where there are more than a list can show."""
        # One more than is shown tells that there are more; counting might read them all.
        rows = list(self._rows[: MAX_CHOICES + 1])
        return None if len(rows) > MAX_CHOICES else [self._offered(row) for row in rows]

    def find(self, keys: Iterable[str]) -> dict[str, OfferedRow]:
        """Return those of the keys that are among the rows."""
        asked = list(dict.fromkeys(keys))[:MAX_CHOICES]
        if self.listed is not None:
            known = {row.key: row for row in self.listed}
            return {key: known[key] for key in asked if key in known}
        found = ((key, self._find(self._spec.value, key)) for key in asked)
        return {key: self._offered(row) for key, row in found if row is not None}

    def search(self, text: str) -> list[OfferedRow]:
        """Return the rows that are called like this, two at most, else the one whose value this is."""
        if not 0 < len(text) <= _MAX_TEXT or "\0" in text:
            return []
        if self._label_is_field:
            rows = list(self._rows.filter(**{f"{self._spec.label}__iexact": text})[:2])
            if rows:
                return [self._offered(row) for row in rows]
        row = self._find(self._spec.value, text)
        return [] if row is None else [self._offered(row)]

    def first(self, number: int) -> list[OfferedRow]:
        """Return the first rows."""
        return [self._offered(row) for row in self._rows[:number]]

    def _find(self, field: str, text: str) -> Any:
        if not 0 < len(text) <= _MAX_TEXT or "\0" in text:
            return None
        try:
            return self._rows.filter(**{field: text}).first()
        except (ValueError, TypeError, OverflowError, ValidationError):
            return None  # A text that isn't even of the value's type.

    def _offered(self, row: Any) -> OfferedRow:
        value = row.pk if self._spec.value == "pk" else getattr(row, self._spec.value)
        label: Any = row if self._spec.label is None else getattr(row, self._spec.label)
        is_plain = isinstance(value, int | str) and not isinstance(value, bool)
        return OfferedRow(str(value), str(label() if callable(label) else label), value if is_plain else str(value))

    @cached_property
    def _label_is_field(self) -> bool:
        try:
            return self._spec.label is not None and isinstance(
                self._rows.model._meta.get_field(self._spec.label), Field
            )
        except FieldDoesNotExist:
            return False
