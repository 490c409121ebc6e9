"""What a client may say on the WebSocket, and what it is told besides updates.

    {"type": "subscribe", "taskId": "…", "since"?: 7, "snapshot"?: true}   {"type": "unsubscribe", "taskId": "…"}
    {"type": "ping"}

answered by `subscribed`, `pong`, and `error` with a stable code: `bad_request`, `not_found`, `too_many`, `interrupted`.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from tasks.domain.jsonvalue import JSON, dumps
from tasks.errors import TasksError

#: Longest message a client may send.
MAX_MESSAGE_CHARS = 4_096
MAX_SUBSCRIPTIONS = 200
#: Larger numbers don't fit the column of the log.
MAX_SEQ = 2**63 - 1


class BadRequest(TasksError):
    """The message is not one of the protocol."""

    code = "bad_request"


class TooMany(TasksError):
    """This connection follows as many tasks as it may."""

    code = "too_many"


class Interrupted(TasksError):
    """The updates could not be read; subscribe again to go on."""

    code = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Ask for a task's updates: after number `since`, or after a snapshot."""

    root_id: uuid.UUID
    since: int | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Ask for no more of a task's updates."""

    root_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a sign of life."""


def parse(text: str | None) -> Subscribe | Unsubscribe | Ping:
    """Return what a client's message says; raises BadRequest, with `taskId` where the message names one."""
    if text is None or len(text) > MAX_MESSAGE_CHARS:
        raise BadRequest(f"Send JSON text of at most {MAX_MESSAGE_CHARS} characters.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("This is not JSON.") from None
    if not isinstance(message, dict):
        raise BadRequest("Send a JSON object.")
    kind = message.get("type")
    if kind == "ping":
        return Ping()
    if kind == "subscribe":
        return Subscribe(
            root_id=_root_id(message), since=parse_since(message.get("since")), snapshot=message.get("snapshot") is True
        )
    if kind == "unsubscribe":
        return Unsubscribe(root_id=_root_id(message))
    raise BadRequest('The type is one of "subscribe", "unsubscribe" and "ping".')


def parse_since(value: Any) -> int | None:
    """Return the number of an update, or None for none; raises BadRequest for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQ:
        raise BadRequest('"since" is the number of the last update you have, from 0.')
    return value


def pong() -> str:
    """Return the encoded answer to a ping."""
    return '{"type":"pong"}'


def subscribed(root_id: uuid.UUID) -> str:
    """Return the encoded confirmation of a subscription."""
    return dumps({"type": "subscribed", "taskId": str(root_id)})


def error_text(error: TasksError, *, task_id: str | None = None) -> str:
    """Return `error` encoded for the client."""
    value: dict[str, JSON] = {"type": "error", "code": error.code, "message": error.message}
    if task_id is not None:
        value["taskId"] = task_id
    return dumps(value)


def _root_id(message: dict[str, Any]) -> uuid.UUID:
    value = message.get("taskId")
    try:
        root_id = uuid.UUID(value if isinstance(value, str) else "")
    except ValueError:
        root_id = None
    # Only the written form that the feed itself uses; uuid.UUID also takes braces and URNs.
    if root_id is None or str(root_id) != str(value).lower():
        raise BadRequest('"taskId" is the id of a task: a UUID with dashes.')
    return root_id
