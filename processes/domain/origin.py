"""What a background run began with, kept so that it can be repeated from there.

`{"ordinal", "cursor", "attributes", "request", "response"}`, and `"spent": {"<ordinal>": action}` once a `once` action
has begun. Its data then are the values that are stored up to `ordinal`. A run that goes on from a place of another one
has `"earlier"` beside that: what was spent there, up to that place; and `"keeps": <ordinal>` where that step goes on
with what the other run has spread over child runs. A child run has nothing but what its present item has spent.

A run can't be repeated once something is spent: the author says that it must not be done twice, and it was done, or
nobody knows. Only an action that failed by a PermanentError (its script says so: nothing was done, and nothing will be)
is given back.
"""

from collections.abc import Mapping
from typing import Any, Final

from processes.domain.json_values import JSON
from processes.errors import FailedError, PermanentError, ProcessError

__all__ = ["all_spent", "begin_anew", "begun_with", "give_back", "is_harmless", "kept_step", "spend", "spent_actions"]

_PARTS: Final = ("cursor", "attributes", "request", "response")
_SPENT: Final = "spent"
_EARLIER: Final = "earlier"
_KEEPS: Final = "keeps"


def begun_with(
    columns: Mapping[str, Any],
    *,
    ordinal: int,
    earlier: Mapping[int, str] | None = None,
    keeps: int | None = None,
) -> dict[str, JSON]:
    """Give the origin of a run whose first checkpoint has these columns, its data being stored as of `ordinal`.

    `earlier` is what was spent before, by the runs whose history it takes along; `keeps` is the step that goes on with
    what the last of them has spread.
    """
    origin: dict[str, JSON] = {"ordinal": ordinal, **{part: columns[part] for part in _PARTS}}
    if earlier:
        origin[_EARLIER] = {str(step): action for step, action in earlier.items()}
    if keeps is not None:
        origin[_KEEPS] = keeps
    return origin


def kept_step(origin: Mapping[str, Any]) -> int | None:
    """Give the step that goes on with what an earlier execution has spread, if one does."""
    kept: int | None = origin.get(_KEEPS)
    return kept


def begin_anew(origin: Mapping[str, Any]) -> dict[str, JSON]:
    """Give the origin of the run that repeats one: the same, with nothing spent."""
    return {key: value for key, value in origin.items() if key != _SPENT}


def spend(origin: Mapping[str, Any], *, ordinal: int, action: str) -> dict[str, JSON]:
    """Note that a `once` action is about to run."""
    return {**origin, _SPENT: {**origin.get(_SPENT, {}), str(ordinal): action}}


def give_back(origin: Mapping[str, Any], *, ordinal: int) -> dict[str, JSON]:
    """Note that a `once` action has failed without having done anything."""
    left = {key: action for key, action in origin.get(_SPENT, {}).items() if key != str(ordinal)}
    return {**begin_anew(origin), **({_SPENT: left} if left else {})}


def spent_actions(origin: Mapping[str, Any]) -> list[str]:
    """Give the names of the actions that stand in the way of repeating, in the order in which they ran."""
    spent: Mapping[str, str] = origin.get(_SPENT, {})
    return [spent[key] for key in sorted(spent, key=int)]


def all_spent(origin: Mapping[str, Any]) -> dict[int, str]:
    """Give what was spent in the whole history of a run, by ordinal."""
    return {int(key): action for key, action in {**origin.get(_EARLIER, {}), **origin.get(_SPENT, {})}.items()}


def is_harmless(error: ProcessError) -> bool:
    """Tell whether a `once` action that failed with `error` has surely done nothing: its script says so itself.

    Errors of a kind of their own come from what it has called, which may find out after the work is done: that an
    answer is too large, that a value can't be stored.
    """
    return type(error) in (PermanentError, FailedError)
