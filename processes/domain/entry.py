"""Find where a run enters its process."""

from dataclasses import dataclass
from typing import Final

from processes.domain.json_values import JSON
from processes.domain.plan import EXIT, Plan
from processes.domain.suggestions import did_you_mean
from processes.errors import NotFoundError

__all__ = ["NOTHING", "Nothing", "find_entry"]


@dataclass(frozen=True, slots=True)
class Nothing:
    """Say that nothing at all is to run: an optional action isn't declared."""


NOTHING: Final = Nothing()


def find_entry(plan: Plan, name: JSON, *, outside: bool) -> int | Nothing:
    """Give the index of the entry action, EXIT where the sequence is empty, or NOTHING.

    No name (None or empty) enters at `@default`, else at the first ordinary action. Lifecycle names count as
    undeclared, and so does, from outside, an action marked `"entry": false`: what is forbidden looks like what is
    missing. An undeclared name enters at `@unknown`; without that, NotFoundError is raised.
    """
    if name is None or name == "":
        default = plan.lifecycle.get("@default") or plan.first
        return EXIT if default is None else default.index
    text = name if isinstance(name, str) else None
    optional = text is not None and text.endswith("?")
    if text is not None:
        wanted = text[:-1] if optional else text
        action = plan.ordinary.get(wanted)
        if action is not None and (action.entry or not outside):
            return action.index
    if optional:
        return NOTHING
    unknown = plan.lifecycle.get("@unknown")
    if unknown is not None:
        return unknown.index
    enterable = [action.name for action in plan.ordinary.values() if action.entry or not outside]
    suggestion = did_you_mean(name, enterable)
    shown = name if text is not None and len(text) <= 200 else "…"
    raise NotFoundError(
        f'The process has no action "{shown}"' + (f". {suggestion}" if suggestion else ""),
        fields={"requested": shown, "process": plan.name, "suggestion": suggestion},
    )
