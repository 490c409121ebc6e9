"""Read next clauses: where a process goes after an action, given its state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from processes.domain.json_values import JSON, pointer
from processes.errors import Problem

__all__ = ["ANY_STATE", "DEFAULT_NEXT", "Destination", "NextClause", "parse_next"]

#: True: the next action of the sequence; False: exit; a text: the action of that name.
Destination: TypeAlias = bool | str

#: The state that stands for every other one, and for none.
ANY_STATE = "*"

_ALLOWED = "true (the next action), false (exit), an action's name or a lookup of states"


@dataclass(frozen=True, slots=True)
class NextClause:
    """Hold a next clause: one destination, or a lookup of states."""

    default: Destination = True
    states: Mapping[str, Destination] | None = None

    def lookup(self, state: str | None, *alternatives: str) -> Destination:
        """Give the destination under a state: exact, then the alternatives in turn, then `"*"`, then true.

        No state looks up `"*"`. Alternatives are other names for the same state: its alias, the group it belongs to.
        """
        if self.states is not None and state is not None:
            for name in (state, *alternatives):
                if name in self.states:
                    return self.states[name]
        return self.default

    def names_state(self, *states: str) -> bool:
        """Tell whether the clause has a branch of its own for one of these states."""
        return self.states is not None and any(state in self.states for state in states)

    def targets(self) -> Iterator[tuple[str, str]]:
        """Give each action that is named, with the JSON Pointer of the name inside the clause."""
        if self.states is None:
            if isinstance(self.default, str):
                yield "", self.default
            return
        for state, destination in self.states.items():
            if isinstance(destination, str):
                yield pointer(state), destination

    def to_json(self) -> JSON:
        """Give the clause as it is written in a definition."""
        return self.default if self.states is None else dict(self.states)


DEFAULT_NEXT = NextClause()


def parse_next(value: object, path: str, problems: list[Problem]) -> NextClause:
    """Read a next clause, adding what is wrong with it to `problems`."""
    if isinstance(value, bool):
        return DEFAULT_NEXT if value else NextClause(default=False)
    if isinstance(value, str):
        if not value:
            problems.append(_malformed(path, value))
        return NextClause(default=value or True)
    if not isinstance(value, dict):
        problems.append(_malformed(path, value))
        return DEFAULT_NEXT
    states: dict[str, Destination] = {}
    for state, destination in value.items():
        if isinstance(destination, bool) or (isinstance(destination, str) and destination):
            states[state] = destination
        else:
            problems.append(
                Problem(
                    path=path + pointer(state),
                    message="A lookup leads to true (the next action), false (exit) or an action's name",
                    value=destination,
                )
            )
    return NextClause(default=states.get(ANY_STATE, True), states=states)


def _malformed(path: str, value: object) -> Problem:
    suggestion = "Leave the key out to go on with the next action" if value is None or value == "" else None
    return Problem(path=path, message=f'"next" must be {_ALLOWED}', value=value, suggestion=suggestion)
