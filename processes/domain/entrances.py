"""Where configs name actions: those that buttons, forms and links of a script enter, and those at which parts begin."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from processes.domain.json_values import JSON, Path

__all__ = ["Entrance", "FindEntrances", "UntoldEntrances", "entrance_at_action", "entrances_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Name an action that is entered by what a config describes, and where the config says so.

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


class UntoldEntrances(Exception):
    """Say that a script's own function fails at a config, and with what."""


def entrances_in(config: JSON, find: FindEntrances | None, *, unknown: Collection[Path] = ()) -> list[Entrance]:
    """List the entrances that a script's function finds in a config.

    Those at the `unknown` paths are left out: what stands there is filled before the action runs. Raises
    UntoldEntrances, whatever the function raises.
    """
    if find is None or not isinstance(config, dict):
        return []
    try:
        return [entrance for entrance in find(config) if entrance.path not in unknown]
    except Exception as error:
        raise UntoldEntrances(f"{type(error).__name__}: {error}") from error
