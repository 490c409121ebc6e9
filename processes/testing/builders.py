"""Write definitions in Python, briefly."""

from collections.abc import Mapping, Sequence
from typing import Any

from processes.domain.json_values import JSON

__all__ = ["action", "definition", "process"]

_SAME: Any = object()


def action(
    name: str,
    /,
    *,
    script: str | None = _SAME,
    next: bool | str | Mapping[str, bool | str] = True,
    config: JSON = None,
    caption: str | None = None,
    comment: str | None = None,
    safe: bool = False,
    entry: bool = True,
    **values: JSON,
) -> dict[str, JSON]:
    """Write an action; other keywords are keys of its config: `action("greet", greeting="Hello")`.

    A config whose keys can't be keywords is given whole: `action("check", script="choose", config={"cases": …})`.
    """
    if values and config is not None:
        raise TypeError(f'The action "{name}" has a config and keywords for it: give one of them')
    result: dict[str, JSON] = {"name": name}
    if script is not _SAME:
        result["script"] = script
    if caption is not None:
        result["caption"] = caption
    if comment is not None:
        result["comment"] = comment
    if values or config is not None:
        result["config"] = values or config
    if next is not True:
        result["next"] = dict(next) if isinstance(next, Mapping) else next
    if safe:
        result["safe"] = True
    if not entry:
        result["entry"] = False
    return result


def definition(*actions: Mapping[str, JSON]) -> dict[str, JSON]:
    """Write a definition, with its format."""
    return {"format": 1, "actions": [dict(item) for item in actions]}


def process(
    name: str,
    *actions: Mapping[str, JSON],
    bindings: Mapping[str, JSON] | None = None,
    extends: Sequence[JSON] = (),
) -> dict[str, JSON]:
    """Write a process with a name, its bindings and what it extends, as a file holds it.

    It is run like a definition, extended, or bound as a sub process: `{"pay": {"process": process("pay", …)}}`.
    """
    result: dict[str, JSON] = {"name": name, "definition": [dict(item) for item in actions]}
    if bindings:
        result["bindings"] = dict(bindings)
    if extends:
        result["extends"] = list(extends)
    return result
