"""How far a stream of many tasks has come: the id of its events.

To clients it is opaque: they give the last one back (`Last-Event-ID`), and what they followed goes on. It bears no
secret and no right: who may follow is asked again. Written `1,t<hex>:<position>:<label>:<types>,…`; `t` is a task's id,
`r` that of a request; the position is a number, or `s` before a snapshot that is still to come. It begins with `1s`
where the stream stays open after the last of them.
"""

import uuid
from collections.abc import Iterable
from urllib.parse import quote, unquote

from tasks.domain.updates import UpdateType
from tasks.errors import BadRequest
from tasks.live.protocol import MAX_LABEL_CHARS, MAX_SEQ, MAX_SUBSCRIPTIONS, Subscribe, Target

__all__ = ["END", "MAX_CHARS", "Place", "decode", "encode", "stays_open"]

#: Longer ones aren't sent: many proxies take no longer headers.
MAX_CHARS = 2_048
#: The id of the last event: whoever comes back with it has everything.
END = "1,end"
_VERSION, _STAYS_OPEN = "1", "1s"


class Place:
    """How far one subscription has come, most of it encoded once."""

    def __init__(self, request: Subscribe) -> None:
        kind, named = ("r", request.target.request_id) if request.target.request_id else ("t", request.target.root_id)
        assert named is not None
        self._head = f"{kind}{named.hex}"
        types = "+".join(sorted(request.types)) if request.types is not None else ""
        label = quote(request.label, safe="") if request.label else ""
        self._tail = f"{label}:{types}".rstrip(":")
        self.position: int | None = None if request.snapshot else request.since or 0

    def __str__(self) -> str:
        position = "s" if self.position is None else str(self.position)
        return f"{self._head}:{position}:{self._tail}" if self._tail else f"{self._head}:{position}"


def encode(places: Iterable[Place], *, stays: bool = False) -> str:
    """Return the cursor, or an empty one where it would be too long: then the client has to say what it wants."""
    text = ",".join([_STAYS_OPEN if stays else _VERSION, *map(str, places)])
    return text if len(text) <= MAX_CHARS else ""


def decode(text: str) -> list[Subscribe]:
    """Return what the client goes on with; raises BadRequest for what `encode` never wrote."""
    version, *parts = text.split(",")
    if version not in (_VERSION, _STAYS_OPEN) or len(text) > MAX_CHARS or len(parts) > MAX_SUBSCRIPTIONS:
        raise BadRequest("Last-Event-ID is not one of this stream's.")
    try:
        return [_decode_place(part) for part in parts]
    except ValueError:
        raise BadRequest("Last-Event-ID is not one of this stream's.") from None


def stays_open(text: str) -> bool:
    """Tell whether the stream that wrote the cursor stays open when all that it follows has ended."""
    return text.partition(",")[0] == _STAYS_OPEN


def _decode_place(part: str) -> Subscribe:
    fields = part.split(":")
    if not 2 <= len(fields) <= 4 or len(fields[0]) != 33 or fields[0][0] not in ("t", "r"):
        raise ValueError(part)
    head, position, label, types = [*fields, "", ""][:4]
    found = uuid.UUID(hex=head[1:])
    label = unquote(label)
    if len(label) > MAX_LABEL_CHARS or not label.isprintable():
        raise ValueError(part)
    since = None if position == "s" else int(position)
    if since is not None and not 0 <= since <= MAX_SEQ:
        raise ValueError(part)
    return Subscribe(
        target=Target(request_id=found) if head[0] == "r" else Target(root_id=found),
        since=since,
        snapshot=since is None,
        types=frozenset(map(UpdateType, types.split("+"))) if types else None,
        label=label or None,
    )
