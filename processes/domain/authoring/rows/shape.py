"""Find what keeps an action from being shown as a row; whatever else is wrong with it can be seen and mended there."""

from collections.abc import Mapping

from processes.domain.json_values import JSON
from processes.domain.next_clause import parse_next
from processes.errors import Problem

__all__ = ["step_problems"]


def step_problems(entry: object, path: str) -> list[Problem]:
    """List what a row couldn't hold; `path` is the action's JSON Pointer."""
    if not isinstance(entry, Mapping):
        return [Problem(path=path, message="An action must be an object", value=entry)]
    problems: list[Problem] = []
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        problems.append(Problem(path=f"{path}/name", message="A name must be a text that isn't empty", value=name))
    script = entry.get("script")
    if not isinstance(script, str | None):
        message = "Must be a binding reference or null (run nothing)"
        problems.append(Problem(path=f"{path}/script", message=message, value=script))
    problems.extend(_text_problems(entry, path))
    if "next" in entry:
        parse_next(entry["next"], f"{path}/next", problems)
    if not isinstance(entry.get("entry", True), bool):
        problems.append(Problem(path=f"{path}/entry", message="Must be true or false", value=entry["entry"]))
    return problems


def _text_problems(entry: Mapping[str, JSON], path: str) -> list[Problem]:
    return [
        Problem(path=f"{path}/{key}", message="Must be text", value=entry[key])
        for key in ("caption", "comment")
        if not isinstance(entry.get(key), str | None)
    ]
