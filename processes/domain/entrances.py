"""Where configs let people in: the actions that buttons, forms and links of a script enter."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from processes.domain.json_values import Path

__all__ = ["Entrance", "FindEntrances", "entrance_at_action"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Name an action that is entered from what a config describes, and where the config says so.

    `script` is what the action has to run, where that must be a certain script.
    """

    path: Path
    action: str
    script: str | None = None


def entrance_at_action(config: Mapping[str, Any]) -> Iterator[Entrance]:
    """Find the one action that a config enters by its key `action`."""
    if isinstance(action := config.get("action"), str):
        yield Entrance(path=("action",), action=action)


#: Finds the entrances in a config as it is written, placeholders unfilled; of what doesn't have the shape that the
#: script's model has, it tells nothing.
FindEntrances: TypeAlias = Callable[[Mapping[str, Any]], Iterable[Entrance]]
