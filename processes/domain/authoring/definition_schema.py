"""Describe the definition format as a JSON Schema, for editors.

What decides is `parse_definition`; the schema says the same to machines that complete and explain, in sentences for
people. Three annotations name what a schema can't know: `x-names` (a text is the name of an `action`, a `script`, a
`process`, where `next` leads), `x-keys` (the keys are `state`s) and `x-config` (what the action's script takes).
"""

from collections.abc import Sequence
from typing import get_args

from processes.domain.bindings import KINDS
from processes.domain.definition import FORMAT, MAX_NAME_CHARACTERS, MAX_TIMEOUT_SECONDS
from processes.domain.json_values import JSON
from processes.domain.retry_policy import RetryPolicy
from tasks.domain.retry import Backoff

__all__ = ["definition_schema", "target_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def definition_schema() -> dict[str, JSON]:
    """Give the schema of a definition."""
    actions = {"type": "array", "items": {"$ref": "#/$defs/action"}, "description": "The actions, in their order."}
    return {
        "$schema": _DIALECT,
        "title": "Process definition",
        "anyOf": [
            actions,
            {
                "type": "object",
                "properties": {
                    "format": {"const": FORMAT, "description": "The version of the definition format."},
                    "actions": actions,
                },
                "required": ["actions"],
                "additionalProperties": False,
            },
        ],
        "$defs": {"action": _action(), "next": _next(), "retry": _retry()},
    }


def target_schema(*, querysets: Sequence[str] = ()) -> dict[str, JSON]:
    """Give the schema of what a reference is bound to; `querysets` are the names to offer."""
    said = {
        "script": "A task script, by name or alias.",
        "process": "A published process by its slug, or a definition written out here.",
        "value": "Any JSON; ${reference} in a config becomes just this.",
        "data_node": "The reference of stored data.",
        "status_rules": "Status rules, by name.",
        "credential": "A connection, by name; its secret stays where it is kept.",
        "queryset": "A queryset that code registers, by name: what a form offers to choose from.",
    }
    process = {"anyOf": [{"type": "string", "x-names": "process"}, {"type": "object"}, {"type": "array"}]}
    kinds: dict[str, JSON] = {kind: {"type": "string", "minLength": 1} for kind in KINDS}
    kinds |= {"script": {"type": "string", "x-names": "registered"}, "process": process, "value": {}}
    if querysets:
        kinds["queryset"] = {**kinds["queryset"], "enum": list(querysets)}
    return {
        "$schema": _DIALECT,
        "title": "Binding target",
        "anyOf": [
            {
                "type": "object",
                "properties": {kind: {**schema, "description": said[kind]} for kind, schema in kinds.items()},
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
            {"type": "string", "x-names": "registered", "description": "A bare text is a script's name."},
        ],
    }


def _action() -> dict[str, JSON]:
    return {
        "type": "object",
        "title": "Action",
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_NAME_CHARACTERS,
                "pattern": "[^?]$",
                "x-names": "new",
                "description": "What the action is called; unique, and without a ? at its end. "
                "The name of an extended template's action overrides that action, in its place.",
            },
            "script": {
                "anyOf": [{"type": "string", "minLength": 1, "x-names": "script"}, {"type": "null"}],
                "description": "What it runs: a binding's reference or a registered script. "
                "Without this key it is the name; null runs nothing.",
            },
            "caption": {
                "type": ["string", "null"],
                "description": "What people read in place of its name, as the heading of its documentation.",
            },
            "comment": {"type": ["string", "null"], "description": "What it is for; shown in the documentation."},
            "next": {"$ref": "#/$defs/next"},
            "config": {"x-config": True, "description": "What the script is told; any JSON that the script takes."},
            "retry": {
                "anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/retry"}, {"type": "null"}],
                "description": "How often it is tried again when it fails: a number of attempts, or a policy.",
            },
            "timeout_seconds": {
                "type": ["number", "null"],
                "exclusiveMinimum": 0,
                "maximum": MAX_TIMEOUT_SECONDS,
                "description": "The seconds after which it fails.",
            },
            "compensate": {
                "anyOf": [{"type": "string", "minLength": 1, "x-names": "action"}, {"type": "null"}],
                "description": "The action that undoes this one, when the run has to be taken back.",
            },
            "safe": {
                "type": "boolean",
                "default": False,
                "description": "May a link enter here? True for what only looks and changes nothing.",
            },
            "entry": {
                "type": "boolean",
                "default": True,
                "description": "May it be entered from outside? False for what is only reached from other actions.",
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def _next() -> dict[str, JSON]:
    destination: list[JSON] = [{"type": "boolean"}, {"type": "string", "minLength": 1, "x-names": "next"}]
    lookup = {
        "type": "object",
        "x-keys": "state",
        "additionalProperties": {"anyOf": destination},
        "description": 'Where each state leads; "*" stands for every other one.',
    }
    return {
        "anyOf": [*destination, lookup],
        "default": True,
        "description": "Where the process goes afterwards: true (the next action), false (exit), an action's name, "
        "or a lookup of states.",
    }


def _retry() -> dict[str, JSON]:
    usual = RetryPolicy()
    seconds = {"type": "number", "minimum": 0}
    return {
        "type": "object",
        "title": "Retry policy",
        "properties": {
            "attempts": {
                "type": "integer",
                "minimum": 1,
                "default": usual.attempts,
                "description": "All tries, the first included.",
            },
            "backoff": {
                "enum": list(get_args(Backoff)),
                "default": usual.backoff,
                "description": "How the delay grows from try to try.",
            },
            "delay_seconds": {**seconds, "default": usual.delay_seconds, "description": "The first delay."},
            "cap_seconds": {**seconds, "default": usual.cap_seconds, "description": "The longest delay."},
            "jitter": {
                **seconds,
                "maximum": 1,
                "default": usual.jitter,
                "description": "The part of a delay that is random, 0 to 1.",
            },
            "errors": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The codes of the errors that are tried again; all but permanent ones without it.",
            },
        },
        "additionalProperties": False,
    }
