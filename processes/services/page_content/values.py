"""Show JSON to templates: to be read, never changed, and without anything that could be called.

Templates get texts, numbers, true, false, null, dates, and these views of lists and objects. What isn't JSON isn't
seen. A text is a plain one, whatever class it had: nothing that comes out of data counts as HTML already.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, TypeAlias, overload

from django.utils import timezone

from processes.domain.json_values import JSON, canonical

__all__ = ["ListView", "ObjectView", "Source", "local", "plain", "view"]

_SCALARS: Final = (bool, int, float, Decimal, date, datetime, time)

Seen: TypeAlias = "str | bool | int | float | Decimal | date | time | ObjectView | ListView | None"


class ObjectView(Mapping[str, Seen]):
    """Show an object."""

    __slots__ = ("_object",)

    def __init__(self, value: Mapping[str, JSON]) -> None:
        self._object = value

    def __getitem__(self, key: str) -> Seen:
        return view(self._object[key])

    def __iter__(self) -> Iterator[str]:
        return (str.__str__(key) for key in self._object if isinstance(key, str))

    def __len__(self) -> int:
        return len(self._object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectView) and bool(self._object == other._object)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return _as_json(self)


class ListView(Sequence[Seen]):
    """Show a list."""

    __slots__ = ("_list",)

    def __init__(self, value: Sequence[JSON]) -> None:
        self._list = value

    @overload
    def __getitem__(self, index: int) -> Seen: ...

    @overload
    def __getitem__(self, index: slice) -> "ListView": ...

    def __getitem__(self, index: int | slice) -> "Seen | ListView":
        found = self._list[index]
        return ListView(found) if isinstance(index, slice) else view(found)

    def __len__(self) -> int:
        return len(self._list)

    def __contains__(self, value: object) -> bool:
        # Asked of the list itself, which is a hundred times as quick as going through views.
        return (value._list if isinstance(value, ListView) else plain(value)) in self._list

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListView) and bool(self._list == other._list)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return _as_json(self)


class Source:
    """Give a value that is computed when a template first asks for it, and then the same."""

    __slots__ = ("_compute", "_known", "_value")

    def __init__(self, compute: Callable[[], object]) -> None:
        self._compute, self._known = compute, False
        self._value: Seen = None

    def get(self) -> Seen:
        """Return what templates see of the value."""
        if not self._known:
            self._value, self._known = view(self._compute()), True
        return self._value


def view(value: object) -> Seen:
    """Return what a template sees of a value; None for what isn't JSON, nor a date."""
    if isinstance(value, str):
        # A copy in the plain class: SafeString would pass as HTML.
        return value if type(value) is str else str.__str__(value)
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, ObjectView | ListView):
        return value
    if isinstance(value, Mapping):
        return ObjectView(value)
    return ListView(value) if isinstance(value, list | tuple) else None


def plain(value: object) -> JSON:
    """Return the JSON that a view shows, as new lists and objects; dates as ISO 8601 writes them."""
    seen = view(value)
    if isinstance(seen, ObjectView):
        return {key: plain(seen[key]) for key in seen}
    if isinstance(seen, ListView):
        return [plain(item) for item in seen]
    return str(seen) if isinstance(seen, Decimal | date | time) else seen


def local(value: object) -> object:
    """Return a moment in the time zone that is active; anything else as it is."""
    return timezone.localtime(value) if isinstance(value, datetime) and timezone.is_aware(value) else value


def _as_json(value: "ObjectView | ListView") -> str:
    return canonical(plain(value))
