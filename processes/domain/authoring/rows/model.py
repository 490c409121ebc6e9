"""Hold a definition as rows.

A builder's *action* is an entrance: an action of the definition that may be entered from outside, and those after it
that may not, which are its further *steps*. Lifecycle actions are actions of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from processes.domain.definition import LIFECYCLE
from processes.domain.json_values import JSON
from processes.domain.next_clause import ANY_STATE, Destination

__all__ = ["ABSENT", "SHOWN", "BuilderAction", "BuilderRows", "FlowRule", "Step"]

#: Stands for a key that isn't there, where null is a value.
ABSENT: Final[Any] = object()

#: Keys that have a place of their own in a row; all others are its rest.
SHOWN = ("name", "script", "caption", "comment", "next", "config", "entry")
#: Where a new key is put among those that are there.
_ORDER = (
    "name", "script", "caption", "comment", "next", "config", "retry", "timeout_seconds", "compensate", "safe", "entry",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FlowRule:
    """Lead on under one state; None is whatever the state, where a next clause is no lookup."""

    state: str | None
    to: Destination


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one action of a definition as it is written; its fields are read from there, and changed one by one."""

    written: Mapping[str, JSON]

    @property
    def name(self) -> str:
        """Give the name, by which jumps lead here."""
        return str(self.written["name"])

    @property
    def reference(self) -> str | None:
        """Give what names the script: the name where nothing else does, None where nothing runs."""
        reference: str | None = self.written.get("script", self.name)
        return reference

    @property
    def names_script(self) -> bool:
        """Tell whether the script is named, and isn't only the step's own name."""
        return "script" in self.written

    @property
    def caption(self) -> str:
        """Give the caption, empty where there is none."""
        return self.written.get("caption") or ""

    @property
    def comment(self) -> str:
        """Give the comment, empty where there is none."""
        return self.written.get("comment") or ""

    @property
    def config(self) -> JSON:
        """Give the config; ABSENT where there is none."""
        return self.written.get("config", ABSENT)

    @property
    def rules(self) -> tuple[FlowRule, ...]:
        """Give where it leads on, in the order in which that is written; nothing where it just goes on."""
        clause = self.written.get("next", ABSENT)
        if clause is ABSENT:
            return ()
        if isinstance(clause, Mapping):
            return tuple(FlowRule(state, to) for state, to in clause.items())
        return (FlowRule(None, clause),)

    @property
    def rest(self) -> dict[str, JSON]:
        """Give the keys that have no place of their own."""
        return {key: value for key, value in self.written.items() if key not in SHOWN}

    @property
    def entry(self) -> bool:
        """Tell whether it may be entered from outside."""
        return self.written.get("entry", True) is not False

    @property
    def is_lifecycle(self) -> bool:
        """Tell whether the interpreter calls it by itself."""
        return self.name in LIFECYCLE

    def put(self, key: str, value: JSON) -> "Step":
        """Give the step with another value of a key, in its place; ABSENT takes the key away."""
        if key in self.written:
            kept = {name: value if name == key else old for name, old in self.written.items()}
            return Step({name: item for name, item in kept.items() if item is not ABSENT})
        if value is ABSENT:
            return self
        later = _ORDER[_ORDER.index(key) + 1 :] if key in _ORDER else ()
        before = next((name for name in self.written if name in later), None)
        written: dict[str, JSON] = {}
        for name, old in self.written.items():
            if name == before:
                written[key] = value
            written[name] = old
        return Step({**written, key: value})

    def with_text(self, key: str, text: str) -> "Step":
        """Give the step with another caption or comment; an empty text takes away what there was."""
        if text == (self.written.get(key) or ""):
            return self
        return self.put(key, text or ABSENT)

    def with_rules(self, rules: tuple[FlowRule, ...]) -> "Step":
        """Give the step with other flow rules; those that it has already change nothing."""
        if rules == self.rules:
            return self
        if not rules:
            return self.put("next", ABSENT)
        if len(rules) == 1 and rules[0].state is None:
            return self.put("next", rules[0].to)
        return self.put("next", {ANY_STATE if rule.state is None else rule.state: rule.to for rule in rules})

    def with_rest(self, rest: Mapping[str, JSON]) -> "Step":
        """Give the step with other keys besides those that have a place of their own."""
        step = self
        for key in self.rest.keys() - rest.keys():
            step = step.put(key, ABSENT)
        for key, value in rest.items():
            step = step.put(key, value)
        return step

    def with_entry(self, entry: bool) -> "Step":
        """Give the step that may, or may not, be entered from outside; what says so already stays as it is."""
        if entry == self.entry:
            return self
        return self.put("entry", ABSENT if entry else False)


@dataclass(frozen=True, slots=True)
class BuilderAction:
    """Hold an entrance with its steps, of which there is at least one; the first gives it reference and caption."""

    steps: tuple[Step, ...]

    @property
    def reference(self) -> str:
        """Give the name by which it is entered, and offered."""
        return self.steps[0].name

    @property
    def caption(self) -> str:
        """Give what people read in place of the reference; empty where there is none."""
        return self.steps[0].caption

    @property
    def comment(self) -> str:
        """Give the comment of its first step."""
        return self.steps[0].comment

    @property
    def is_entrance(self) -> bool:
        """Tell whether it may be entered from outside: steps before the first entrance may not."""
        return self.steps[0].entry

    @property
    def is_lifecycle(self) -> bool:
        """Tell whether the interpreter calls it by itself."""
        return self.steps[0].is_lifecycle


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderRows:
    """Hold the rows of one definition; `envelope` is the object around its actions, if there is one, without them."""

    actions: tuple[BuilderAction, ...]
    envelope: Mapping[str, JSON] | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """Give all steps in the order of the definition."""
        return tuple(step for action in self.actions for step in action.steps)
