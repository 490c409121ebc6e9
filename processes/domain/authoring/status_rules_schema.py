"""Describe the format of status rules as a JSON Schema, for editors; what decides is `parse_status_rules`."""

from collections.abc import Collection

from processes.domain.json_values import JSON
from processes.domain.status_rules import MAX_STATUS_CHARACTERS, OptionGroup

__all__ = ["status_rules_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_GROUPS = {
    OptionGroup.EXPECTED: "What usually comes next",
    OptionGroup.OPTIONAL: "what may be done now",
    OptionGroup.ANYTIME: "what may be done at any time",
    OptionGroup.EXCEPTIONAL: "what is done only where something went wrong",
}


def status_rules_schema(
    *, roles: Collection[str] = (), statuses: Collection[str] = (), actions: Collection[str] = ()
) -> dict[str, JSON]:
    """Give the schema of status rules; the names are those to offer, others may be written, too."""
    action = _name(actions, "The action of the process that is offered.")
    return {
        "$schema": _DIALECT,
        "title": "Status rules",
        "type": "array",
        "description": "The rules, in the order in which options are shown.",
        "items": {
            "type": "object",
            "title": "Rule",
            "properties": {
                "comment": {"type": ["string", "null"], "description": "What the rule is for."},
                "role": _one_or_list(
                    [_name(roles, "A group, a role of an app, or owner, assignee, candidate, staff.")],
                    "Whom the rule is for; without this key, everyone.",
                ),
                "status": _one_or_list(
                    [
                        {
                            **_name(["*", "!null", *statuses, *(f"!{status}" for status in statuses)], ""),
                            "maxLength": MAX_STATUS_CHARACTERS + 1,
                        },
                        {"type": "null", "description": "No status."},
                    ],
                    'Where the rule applies: a status, null (none), "*" (every one), "!x" (every one but x), "!null" '
                    "(any that is set). Without this key, everywhere.",
                ),
                "action": _one_or_list([action, _option(action)], "What is offered."),
                "if": {
                    "type": "string",
                    "description": "A condition over data, user, now, state and attr, as in data.total > 100.",
                },
            },
            "required": ["action"],
            "additionalProperties": False,
        },
    }


def _option(action: JSON) -> JSON:
    return {
        "type": "object",
        "title": "Option",
        "properties": {
            "action": action,
            "caption": {"type": "string", "description": "What people read; the action's name without it."},
            "group": {
                "enum": [group.value for group in OptionGroup],
                "default": OptionGroup.OPTIONAL.value,
                "description": ", ".join(f"{said} ({group.value})" for group, said in _GROUPS.items()) + ".",
            },
            "popup": {"type": "boolean", "default": False, "description": "Opens over the page."},
            "disabled": {"type": "boolean", "default": False, "description": "Shown, and can't be chosen."},
            "url": {"type": "string", "description": "Where it leads instead: a path of this site, or https://…"},
        },
        "additionalProperties": False,
    }


def _name(known: Collection[str], description: str) -> dict[str, JSON]:
    schema: dict[str, JSON] = {"type": "string", "minLength": 1, "description": description}
    # An offer, and no limit: the check tells what is unknown.
    return {"anyOf": [{**schema, "enum": list(known)}, schema]} if known else schema


def _one_or_list(options: list[JSON], description: str) -> JSON:
    return {
        "anyOf": [*options, {"type": "array", "items": {"anyOf": options}, "minItems": 1}],
        "description": description,
    }
