"""Describe querysets that definitions may name: what a team opens to its forms, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["QuerysetFunction", "QuerysetSpec"]

#: Takes the user who looks at the form (an anonymous one, too) and gives a QuerySet, or a manager.
QuerysetFunction: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerysetSpec:
    """Hold a queryset and how its objects are shown.

    `value` is the field whose value data gets; it must be unique. `label` names the field or attribute that people
    see; without it, that is the object's text.
    """

    name: str
    function: QuerysetFunction
    value: str = "pk"
    label: str | None = None
