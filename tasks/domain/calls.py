"""Remote procedure calls: which kinds there are, what is sent, and in which order the calls of a batch are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.domain.json_text import read_sent
from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.errors import BadRequest

__all__ = ["MOST_CALLS", "Call", "CallKind", "check_key", "parse_arguments", "parse_batch", "parse_call", "stages"]

#: Calls in one batch at most.
MOST_CALLS = 50
_MAX_NAME_CHARS = 200
_KEYS = frozenset({"fn", "args", "key"})
MAX_KEY_CHARS = 100


class CallKind(StrEnum):
    """Say whether a function changes something: those that don't may be called side by side."""

    QUERY = "query"
    MUTATION = "mutation"


@dataclass(frozen=True, slots=True)
class Call:
    """Say which function is called, and with what."""

    name: str
    arguments: JSONObject = field(default_factory=dict)
    #: The caller's own name for it: sent again under it, nothing is started twice. Empty for none.
    key: str = ""


def parse_arguments(body: str | bytes) -> JSONObject:
    """Return the arguments of a single call, {} for an empty body; raises BadRequest."""
    if not body.strip():
        return {}
    return _arguments(read_sent(body), place="")


def parse_batch(body: str | bytes) -> list[Call]:
    """Return the calls of a batch: `[{"fn": "…", "args": {…}}]`. Raises BadRequest, which names the place."""
    value = read_sent(body)
    if not isinstance(value, list):
        raise BadRequest('Send an array of calls: [{"fn": "…", "args": {}}].')
    if len(value) > MOST_CALLS:
        raise BadRequest(f"One batch has at most {MOST_CALLS} calls, and this one has {len(value)}.")
    return [_entry(entry, place=f"/{index}") for index, entry in enumerate(value)]


def parse_call(message: Mapping[str, JSON]) -> Call:
    """Return the call that an object's `fn` and `args` say, whatever else is in it; raises BadRequest."""
    return _call(message, place="")


def stages(kinds: Sequence[CallKind]) -> list[range]:
    """Return which calls of a batch are made together, stage after stage.

    A query sees what the mutations before it have done, and nothing of those behind it: so queries that follow each
    other are made side by side, and each mutation by itself.
    """
    found: list[range] = []
    for index, kind in enumerate(kinds):
        joins = found and kind is CallKind.QUERY and kinds[index - 1] is CallKind.QUERY
        if joins:
            found[-1] = range(found[-1].start, index + 1)
        else:
            found.append(range(index, index + 1))
    return found


def _entry(entry: JSON, *, place: str) -> Call:
    if not isinstance(entry, dict):
        raise BadRequest(f'{place} is no call: send {{"fn": "…", "args": {{}}}}.', path=place)
    if unknown := sorted(entry.keys() - _KEYS):
        raise BadRequest(
            f'{place} has "{unknown[0]}"; a call has "fn", "args" and "key".', path=f"{place}/{unknown[0]}"
        )
    return _call(entry, place=place)


def _call(entry: Mapping[str, JSON], *, place: str) -> Call:
    name = entry.get("fn")
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_CHARS:
        raise BadRequest(f'{place}/fn is the name of a function: send {{"fn": "…", "args": {{}}}}.', path=f"{place}/fn")
    arguments = _arguments(entry.get("args"), place=f"{place}/args")
    return Call(name, arguments, check_key(entry.get("key"), place=f"{place}/key"))


def check_key(value: JSON, *, place: str) -> str:
    """Return an idempotency key, empty for none; raises BadRequest."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_KEY_CHARS or not value.isprintable():
        raise BadRequest(
            f"{place} is a text of at most {MAX_KEY_CHARS} characters, all of them printable: no NUL, no line breaks.",
            path=place,
        )
    return value


def _arguments(value: JSON, *, place: str) -> JSONObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{place or 'The body'} is an object with the function's arguments by name.", path=place)
    return value
