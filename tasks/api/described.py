"""What the API's description holds besides the framework's views: streams, and functions that are called by name."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.urls import reverse

from tasks.api.schema import PROBLEM_TYPE
from tasks.domain.signature import Signature
from tasks.registry import functions
from tasks.registry.access import may_call
from tasks.registry.functions import Function

__all__ = ["add_functions", "add_what_streams"]

_SECURITY: Final[list[dict[str, list[str]]]] = [{"token": []}, {"session": []}, {}]
_UUID: Final = {"type": "string", "format": "uuid"}
_ANYTHING: Final[dict[str, Any]] = {}
_ID: Final = "00000000-0000-0000-0000-000000000000"
_DEFINITIONS: Final = "#/$defs/"


def add_what_streams(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """Add the addresses of streams, of lists, and of batches (docs/feed.md, docs/rpc.md)."""
    task = reverse("tasks-api:updates", kwargs={"task_id": _ID}).replace(_ID, "{task_id}")
    of_task = {"name": "task_id", "in": "path", "required": True, "schema": _UUID}
    paths = {
        task: {"get": _operation("tasks_updates", "tasks", "Stream the updates of a task, or page through its log.",
            [of_task, _query("since", _number()), _query("snapshot", _flag()), _query("types", _text())],
            {200: {"text/event-stream": {"schema": {"type": "string"}}, "application/json": {"schema": _LOG}}, 204: {}},
            problems=(404, 406, 503))},
        reverse("tasks-api:tasks"): {"get": _operation("tasks_list", "tasks", "List the newest tasks of a scope.",
            [_query("scope", {"type": "string", "enum": ["mine", "shared", "all"]}), _query("status", _text()),
             _query("function", _text()), _query("open", _flag()), _query("text", _text()),
             _query("since", _text()), _query("limit", _number(1, 200))],
            {200: _json(_ANYTHING)})},
        reverse("tasks-api:events"): {"get": _operation("events", "tasks", "Stream the updates of many tasks.",
            [_query("task", _text()), _query("request", _text()), _query("scope", _text()), _query("types", _text()),
             _query("snapshot", _flag())],
            {200: {"text/event-stream": {"schema": {"type": "string"}}}, 204: {}}, problems=(503,))},
        reverse("tasks-api:subscribe-job"): {"post": _operation("subscribe_job", "tasks", "Follow more on a stream.",
            [], {202: _json({"type": "object"})}, body=_LINE, problems=(404, 413, 415, 503))},
        reverse("tasks-api:unsubscribe-job"): {"post": _operation("unsubscribe_job", "tasks", "Follow less on it.",
            [], {202: _json({"type": "object"})}, body=_LINE, problems=(404, 413, 415, 503))},
        _without_slash(reverse("tasks-api:rpc-batch")): {"post": _operation("rpc_batch", "rpc", "Make several calls.",
            [], {200: _json(_ANSWERS)}, body=_BATCH, problems=(406, 413))},
    }  # fmt: skip
    result["paths"] |= paths
    return result


def add_functions(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """Add the functions that whoever asks may call, with what they take and give, and processes by their address."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    user = None if request is None else request.user
    for name, function in sorted(functions.declared().items()):
        if user is None or may_call(function.access, user):
            result["paths"][_address(name)] = {"post": _call(function, schemas)}
    return result


def _call(function: Function, schemas: dict[str, Any]) -> dict[str, Any]:
    signature = function.signature
    name = re.sub(r"\W", "_", function.name)
    body = signature.input_schema() or {"type": "object"}
    answer = _STARTED if function.starts_job else _output_of(signature)
    kind = "Start the job" if function.starts_job else f"Call the {function.kind.value}"
    key = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 100}}
    streamed = {"text/event-stream": {"schema": {"type": "string"}}}
    return _operation(
        f"rpc_{name}", "rpc", f"{kind} {function.name}.", [key] if function.starts_job else [],
        {200: {**_json(_lifted(answer, f"{name}_result", schemas)), **streamed}},
        body=_lifted(body, f"{name}_arguments", schemas), problems=(404, 406, 409, 413),
        # Nothing at all is no arguments.
        needs_body=bool(signature.required),
    )  # fmt: skip


def _output_of(signature: Signature) -> Mapping[str, Any]:
    return signature.output_schema() or _ANYTHING


def _lifted(schema: Mapping[str, Any], name: str, schemas: dict[str, Any]) -> Any:
    """Return a schema whose definitions lie among the components, where the description's references can find them."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            found = {key: renamed(inner) for key, inner in value.items() if key != "$defs"}
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith(_DEFINITIONS):
                found["$ref"] = f"#/components/schemas/{name}_{reference.removeprefix(_DEFINITIONS)}"
            return found
        return [renamed(inner) for inner in value] if isinstance(value, list) else value

    for part, inner in schema.get("$defs", {}).items():
        schemas[f"{name}_{part}"] = renamed(inner)
    return renamed(dict(schema))


def _operation(
    name: str,
    tag: str,
    description: str,
    parameters: list[dict[str, Any]],
    answers: Mapping[int, Any],
    *,
    body: Any = None,
    needs_body: bool = True,
    problems: tuple[int, ...] = (),
) -> dict[str, Any]:
    told = {
        str(status): {"description": "", **({"content": content} if content else {})}
        for status, content in answers.items()
    }
    problem = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    told |= {str(status): {"description": "", "content": problem} for status in (400, 401, 403, 429, *problems)}
    operation = {
        "operationId": name,
        "description": description,
        "tags": [tag],
        "parameters": parameters,
        "security": _SECURITY,
        "responses": told,
    }
    if body is not None:
        operation["requestBody"] = {"required": needs_body, "content": _json(body)}
    return operation


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _number(least: int = 0, most: int | None = None) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, **({} if most is None else {"maximum": most})}


def _text() -> dict[str, Any]:
    return {"type": "string"}


def _flag() -> dict[str, Any]:
    return {"type": "string", "enum": ["0", "1", "true", "false"]}


def _without_slash(address: str) -> str:
    return address.rstrip("/")


def _address(name: str) -> str:
    return _without_slash(reverse("tasks-api:rpc", kwargs={"name": name}))


_STARTED: Final = {"type": "object", "required": ["job_id"], "properties": {"job_id": _UUID}}
_LOG: Final = {
    "type": "object",
    "required": ["updates", "next", "incomplete"],
    "properties": {
        "updates": {"type": "array", "items": {"type": "object"}},
        "next": {
            "type": ["integer", "null"],
            "description": "The `since` of the next page; null behind the last update.",
        },
        "incomplete": {
            "type": "boolean",
            "description": "What came before is kept no more, or `since` is ahead of the log.",
        },
    },
}
_LINE: Final = {
    "type": "object",
    "required": ["connectionId"],
    "oneOf": [{"required": ["taskId"]}, {"required": ["requestId"]}, {"required": ["scope"]}],
    "properties": {
        "connectionId": {"type": "string"},
        "taskId": _UUID,
        "requestId": _UUID,
        "scope": {"type": "string", "enum": ["mine", "shared", "all"]},
        "clientSubId": {"type": "string", "maxLength": 64},
    },
}
_BATCH: Final = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "type": "object",
        "required": ["fn"],
        "properties": {"fn": {"type": "string"}, "args": {"type": "object"}, "key": {"type": "string"}},
    },
}
_ANSWERS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["ok"],
        "properties": {"ok": {"type": "boolean"}, "data": {}, "error": {"type": "object"}},
    },
}
