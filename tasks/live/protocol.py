"""What a client may say, and what it is told besides updates.

    {"type": "subscribe", "taskId": "…", "since"?: 7, "snapshot"?: true, "types"?: ["nodeOutput"]}
    {"type": "subscribe", "requestId": "…", …}          the tree of a request of the client's own, before it exists
    {"type": "subscribe", "scope": "mine", "since"?: "2026-11-20T12:00:00Z", "status"?: […], "function"?: […],
     "open"?: true, "text"?: "…"}
    {"type": "call", "requestId": "…", "fn": "…", "args": {…}}   {"type": "cancel", "requestId": "…"}
    {"type": "unsubscribe", "taskId" or "requestId" or "scope": "…"}   {"type": "ping"}   {"type": "pong"}

Any of them may bear a `clientSubId`, which the answers bear too. On a WebSocket `"batch": true` lets several updates
come in one message, as a JSON array, and `"acks": true` promises a `pong` for every `ping`.

Answered by `subscribed`, `pong`, `result`, and `error` with a stable code: `bad_request`, `not_found`, `forbidden`,
`too_many`, `interrupted`; of a call, whatever code its function gives.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.dateparse import parse_datetime

from tasks.domain.calls import Call, parse_call
from tasks.domain.json_text import read_sent
from tasks.domain.jsonvalue import JSON, dumps, storable_dumps
from tasks.domain.listing import EVERYTHING, ListFilter, ListScope
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import UpdateType
from tasks.errors import BadRequest, TasksError
from tasks.registry import Problem

#: Longest message a client may send, and the longest call.
MAX_MESSAGE_CHARS = 4_096
MAX_CALL_CHARS = 262_144
MAX_SUBSCRIPTIONS = 200
MAX_LABEL_CHARS = 64
MAX_TEXT_CHARS = 200
#: Names that one filter may list.
MAX_NAMES = 50
#: Larger numbers don't fit the column of the log.
MAX_SEQ = 2**63 - 1
_STATUSES = frozenset(map(str, (*JobStatus, *NodeStatus)))


class TooMany(TasksError):
    """This connection follows as many tasks as it may."""

    code = "too_many"


class Interrupted(TasksError):
    """The updates could not be read; subscribe again to go on."""

    code = "interrupted"


class Unavailable(TasksError):
    """The server can't pass this on at the moment; try again."""

    code = "unavailable"


class Target(NamedTuple):
    """Name what a subscription is for: exactly one of the three, and for a list the client's name for it."""

    root_id: uuid.UUID | None = None
    request_id: uuid.UUID | None = None
    scope: ListScope | None = None
    label: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """Return what messages about the subscription bear."""
        value: dict[str, JSON] = {}
        if self.root_id is not None:
            value["taskId"] = str(self.root_id)
        if self.request_id is not None:
            value["requestId"] = str(self.request_id)
        if self.scope is not None:
            value["scope"] = self.scope.value
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Ask for a task's updates, after number `since` or after a snapshot; or for a list."""

    target: Target
    since: int | None = None
    snapshot: bool = False
    types: frozenset[UpdateType] | None = None
    wanted: ListFilter = EVERYTHING
    label: str | None = None
    batch: bool = False
    acks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Ask for no more of it."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFunction:
    """Call a function; what it reports is the tree of this request."""

    request_id: uuid.UUID
    call: Call


@dataclass(frozen=True, slots=True)
class CancelCall:
    """End a call that was made on this socket."""

    request_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a sign of life."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Say that everything sent before the server's ping has arrived."""


def parse(text: str | None) -> Subscribe | Unsubscribe | CallFunction | CancelCall | Ping | Pong:
    """Return what a client's message says; raises BadRequest."""
    message = parse_object(text, most_chars=MAX_CALL_CHARS)
    kind = message.get("type")
    if kind == "call":
        return _call(message)
    if len(text or "") > MAX_MESSAGE_CHARS:
        raise BadRequest(f"Send JSON text of at most {MAX_MESSAGE_CHARS} characters.")
    if kind == "cancel":
        return CancelCall(parse_id(message.get("requestId"), name="requestId"))
    if kind == "ping":
        return Ping()
    if kind == "pong":
        return Pong()
    if kind == "subscribe":
        return parse_subscribe(message)
    if kind == "unsubscribe":
        return Unsubscribe(target=parse_target(message))
    raise BadRequest('The type is one of "subscribe", "unsubscribe", "call", "cancel", "ping" and "pong".')


def parse_object(text: str | None, *, most_chars: int = MAX_MESSAGE_CHARS) -> dict[str, Any]:
    """Return the JSON object that a text holds; raises BadRequest."""
    if text is None:
        raise BadRequest("Send JSON as text: binary messages aren't read.")
    if len(text) > most_chars:
        raise BadRequest(f"Send JSON text of at most {most_chars} characters.")
    message = read_sent(text)
    if not isinstance(message, dict):
        raise BadRequest("Send a JSON object.")
    return message


def parse_subscribe(message: Mapping[str, Any]) -> Subscribe:
    """Return the subscription that a message asks for; raises BadRequest."""
    target = parse_target(message)
    batch, acks = parse_flag(message, "batch"), parse_flag(message, "acks")
    label = parse_label(message)
    if target.scope is not None:
        return Subscribe(target=target, wanted=parse_filter(message), label=label, batch=batch, acks=acks)
    return Subscribe(
        target=target,
        since=parse_since(message.get("since")),
        snapshot=parse_flag(message, "snapshot"),
        types=parse_types(message.get("types")),
        label=label,
        batch=batch,
        acks=acks,
    )


def parse_target(message: Mapping[str, Any]) -> Target:
    """Return what a message is about; raises BadRequest unless it names exactly one thing."""
    given = [name for name in ("taskId", "requestId", "scope") if message.get(name) is not None]
    if len(given) != 1:
        raise BadRequest('Name one of "taskId", "requestId" and "scope".')
    value = message[given[0]]
    if given[0] == "scope":
        return Target(scope=parse_scope(value), label=parse_label(message))
    if given[0] == "requestId":
        return Target(request_id=parse_id(value, name="requestId"))
    return Target(root_id=parse_id(value, name="taskId"))


def parse_scope(value: Any) -> ListScope:
    """Return the scope that is named; raises BadRequest."""
    if isinstance(value, str) and value in list(ListScope):
        return ListScope(value)
    raise BadRequest('The scope is one of "mine", "shared" and "all".')


def parse_id(value: Any, *, name: str) -> uuid.UUID:
    """Return the UUID that is written out; raises BadRequest."""
    try:
        found = uuid.UUID(value if isinstance(value, str) else "")
    except ValueError:
        found = None
    # Only the written form that the feed itself uses; uuid.UUID also takes braces and URNs.
    if found is None or str(found) != str(value).lower():
        raise BadRequest(f'"{name}" is a UUID with dashes.')
    return found


def parse_label(message: Mapping[str, Any]) -> str | None:
    """Return the client's own name for a subscription, where it gives one; raises BadRequest."""
    value = message.get("clientSubId")
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_LABEL_CHARS or not value.isprintable():
        raise BadRequest(f'"clientSubId" is a text of 1 to {MAX_LABEL_CHARS} characters.')
    return value


def parse_flag(message: Mapping[str, Any], name: str) -> bool:
    """Return whether a message says yes to something; raises BadRequest where it says neither yes nor no."""
    value = message.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadRequest(f'"{name}" is true or false.')


def parse_since(value: Any) -> int | None:
    """Return the number of an update, or None for none; raises BadRequest for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise BadRequest('"since" is the number of the last update you have, from 0.')
    return value


def parse_types(value: Any) -> frozenset[UpdateType] | None:
    """Return the types of update that are wanted, or None for all; raises BadRequest."""
    if value is None:
        return None
    names = _names(value, name="types")
    try:
        return frozenset(map(UpdateType, names))
    except ValueError:
        raise BadRequest('"types" are types of update, as "nodeProgress".') from None


def parse_filter(message: Mapping[str, Any]) -> ListFilter:
    """Return which tasks a list shall hold; raises BadRequest."""
    statuses = _names(message.get("status", ()), name="status")
    if unknown := statuses - _STATUSES:
        raise BadRequest(f'"{min(unknown)}" is not a status.')
    text = message.get("text", "")
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS or "\0" in text:
        raise BadRequest(f'"text" is a text of at most {MAX_TEXT_CHARS} characters.')
    return ListFilter(
        statuses=statuses,
        functions=_names(message.get("function", ()), name="function"),
        open_only=parse_flag(message, "open"),
        text=text,
        since=parse_time(message.get("since")),
    )


def parse_time(value: Any) -> datetime | None:
    """Return the moment that is written as RFC 3339, or None for none; raises BadRequest."""
    if value is None:
        return None
    try:
        moment = parse_datetime(value if isinstance(value, str) else "")
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999:
        raise BadRequest('"since" of a list is a time with its zone, as "2026-11-20T12:00:00Z".')
    return moment


def pong() -> str:
    """Return the encoded answer to a ping."""
    return '{"type":"pong"}'


def ping() -> str:
    """Return the encoded question whether everything sent before has arrived."""
    return '{"type":"ping"}'


def subscribed(target: Target, *, label: str | None = None, root_id: uuid.UUID | None = None) -> str:
    """Return the encoded confirmation of a subscription; `root_id` is the id that a request's tree has or will have."""
    value: dict[str, JSON] = {"type": "subscribed", **target.to_json(), **_labelled(label)}
    if root_id is not None:
        value["taskId"] = str(root_id)
    return dumps(value)


def unsubscribed(target: Target, *, label: str | None = None) -> str:
    """Return the encoded confirmation that something is followed no more."""
    return dumps({"type": "unsubscribed", **target.to_json(), **_labelled(label)})


def error_text(error: TasksError, *, target: Target | None = None, label: str | None = None) -> str:
    """Return `error` encoded for the client, with what it is about."""
    about = target.to_json() if target is not None else {}
    return dumps({"type": "error", "code": error.code, "message": error.message, **about, **_labelled(label)})


def result_text(request_id: uuid.UUID, result: JSON) -> str:
    """Return the encoded result of a call."""
    return storable_dumps({"type": "result", "requestId": str(request_id), "data": result})


def problem_text(request_id: uuid.UUID, problem: Problem) -> str:
    """Return what went wrong with a call, encoded."""
    return dumps({"type": "error", "requestId": str(request_id), **problem.to_json()})


def _call(message: Mapping[str, Any]) -> CallFunction:
    request_id = parse_id(message.get("requestId"), name="requestId")
    return CallFunction(request_id=request_id, call=parse_call(message))


def _labelled(label: str | None) -> dict[str, JSON]:
    return {} if label is None else {"clientSubId": label}


def _names(value: Any, *, name: str) -> frozenset[str]:
    names = [value] if isinstance(value, str) else value
    if (
        not isinstance(names, (list, tuple))
        or len(names) > MAX_NAMES
        or not all(isinstance(one, str) and one and "\0" not in one for one in names)
    ):
        raise BadRequest(f'"{name}" is a name, or a list of at most {MAX_NAMES} names.')
    return frozenset(names)
