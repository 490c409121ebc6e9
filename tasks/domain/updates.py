"""The updates of the feed: wire format v1.

One update is one JSON object of a root's log, numbered from 1 without gaps:

    {"v":1,"seq":7,"type":"nodeProgress","taskId":"…","timestamp":"2026-11-20T12:00:00.000Z","node":{…},"current":3}

Keys are camelCase, absent values are omitted, never null. Everything but the number and the time is encoded when an
update is drafted, outside the transaction that numbers it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

from tasks.domain.jsonvalue import JSON, storable_dumps

WIRE_VERSION = 1


class UpdateType(StrEnum):
    """Name what an update tells."""

    TASK_START = "taskStart"
    TASK_STATUS = "taskStatus"
    NODE_START = "nodeStart"
    NODE_UPDATE = "nodeUpdate"
    NODE_META = "nodeMeta"
    NODE_PROGRESS = "nodeProgress"
    NODE_OUTPUT = "nodeOutput"
    NODE_ERROR = "nodeError"
    NODE_DEFER = "nodeDefer"
    NODE_END = "nodeEnd"
    TASK_END = "taskEnd"
    TASK_ERROR = "taskError"
    TASK_ABORTED = "taskAborted"


#: Exactly one of these closes a log.
TERMINAL_TYPES = frozenset({UpdateType.TASK_END, UpdateType.TASK_ERROR, UpdateType.TASK_ABORTED})

#: What a flush between two checkpoints may write: it tells how things go, never that something is done. A worker that
#: dies after such a flush has promised nothing that its successor must keep.
OUT_OF_BAND_TYPES = frozenset({UpdateType.NODE_START, UpdateType.NODE_PROGRESS, UpdateType.NODE_OUTPUT})


class Draft(NamedTuple):
    """Hold an update that has no number yet; `node` and `fields` are encoded JSON, the latter without its braces."""

    type: UpdateType
    node: str = ""
    fields: str = ""


def draft(kind: UpdateType, *, node: str = "", **fields: object) -> Draft:
    """Return a draft of `kind`; fields that are None are omitted, and names are turned into camelCase."""
    given = {_camel(name): value for name, value in fields.items() if value is not None}
    if len(given) == 1 and "status" in given:
        return Draft(kind, node, _status(str(given["status"])))
    return Draft(kind, node, storable_dumps(given)[1:-1] if given else "")


def encode_node(
    *, node_id: str, type: str, title: str, parent_id: str | None = None, alias: str | None = None, attempt: int = 1
) -> str:
    """Return the encoded `node` object that the updates of one node share; ids are UUIDs, as text."""
    parent = "" if parent_id is None else f',"parentId":"{parent_id}"'
    known_as = f',"alias":{_quoted(alias)}' if alias else ""
    tried = f',"attempt":{attempt}' if attempt > 1 else ""
    return f'{{"id":"{node_id}"{parent},"type":{_quoted(type)},"title":{_quoted(title)}{known_as}{tried}}}'


@lru_cache(maxsize=4_096)
def _quoted(text: str) -> str:
    # The same actions are begun again and again.
    return storable_dumps(text)


@lru_cache(maxsize=64)
def _status(value: str) -> str:
    return storable_dumps({"status": value})[1:-1]


class Unnumbered(NamedTuple):
    """Hold an update as text but for its number, and, where the log is not known yet, the task's id."""

    before_seq: str
    before_task: str
    after_task: str

    def numbered(self, seq: int, task_id: str) -> str:
        """Return the update as number `seq` of the log of `task_id`."""
        return f"{self.before_seq}{seq}{self.before_task}{task_id}{self.after_task}"


def unnumbered(update: Draft, *, timestamp: str) -> Unnumbered:
    """Return the JSON text of `update`, in the parts between which its number and its task's id belong."""
    node = f',"node":{update.node}' if update.node else ""
    fields = f",{update.fields}" if update.fields else ""
    return Unnumbered(
        f'{{"v":{WIRE_VERSION},"seq":',
        f',"type":"{update.type.value}","taskId":"',
        f'","timestamp":"{timestamp}"{node}{fields}}}',
    )


def encode(update: Draft, *, seq: int, task_id: str, timestamp: str) -> str:
    """Return the JSON text of `update` as number `seq` of the log of `task_id`."""
    return unnumbered(update, timestamp=timestamp).numbered(seq, task_id)


#: Of a time in UTC as text: all but its offset, for which "Z" is shorter.
_WITHOUT_OFFSET = -len("+00:00")


def format_timestamp(moment: datetime) -> str:
    """Return an aware `moment` in UTC as RFC 3339 with milliseconds."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:_WITHOUT_OFFSET]}Z"


def is_terminal(update: Mapping[str, JSON]) -> bool:
    """Tell whether a decoded update closes its log."""
    return update.get("type") in TERMINAL_TYPES


def type_of(body: str) -> str:
    """Return the type of an encoded update or snapshot, without decoding it.

    It stands in the envelope, before the node and everything that users write (see `encode`).
    """
    return body.partition('"type":"')[2].partition('"')[0]


@cache
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
