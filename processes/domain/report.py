"""Report how a run ended: the same object on the command line, in code, in tests and in the admin."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias

from processes.domain.json_values import JSON, MAX_DEPTH, Path, pointer
from processes.domain.steps import TraceEntry
from processes.errors import Problem, ProcessError

__all__ = ["RunReport", "RunResult", "shown_json"]

#: `invalid` is a definition, or a call, that can't run at all.
RunResult: TypeAlias = Literal["completed", "failed", "waiting", "invalid"]

_MAX_BITS: Final = 4096
_ERROR_KEYS: Final = ("code", "message", "action", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Hold how a run ended, and what happened on its way.

    `state` and `value` are those of the last ordinary action of a completed run; `response` is None where no script
    has answered. `trace` lists the actions in the order in which they began; of a run that waits, the last one is where
    it waits. `problems` say why an invalid one couldn't run.
    """

    status: RunResult
    state: str | None = None
    value: object = None
    data: Mapping[str, object] | None = None
    response: JSON = None
    error: ProcessError | None = None
    trace: tuple[TraceEntry, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    @classmethod
    def invalid(cls, *problems: Problem) -> "RunReport":
        """Report what can't run, and why."""
        return cls(status="invalid", problems=problems)

    @property
    def unshown(self) -> tuple[str, ...]:
        """Give the JSON Pointers of what isn't JSON (a date, a row of a table): the report shows null there."""
        lost: list[Path] = []
        _shown({"value": self.value, "data": self.data, "response": self.response}, (), lost, set())
        return tuple(pointer(*path) for path in lost)

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form: all keys are always there, and what is absent is null."""
        error = None if self.error is None else self.error.to_json()
        result: dict[str, JSON] = {
            "status": self.status,
            "state": self.state,
            "value": shown_json(self.value),
            "data": shown_json(self.data),
            "response": shown_json(self.response),
            "error": None if error is None else {key: error.get(key) for key in _ERROR_KEYS},
            "trace": [_entry(entry) for entry in self.trace],
        }
        if self.status == "invalid":
            result["errors"] = [problem_json(problem) for problem in self.problems]
        return result


def problem_json(problem: Problem) -> dict[str, JSON]:
    """Give path, message and suggestion of a problem; `source` too, where it lies in another document."""
    result: dict[str, JSON] = {
        "path": problem.path, "message": problem.message, "suggestion": problem.suggestion,
    }  # fmt: skip
    if problem.source is not None:
        result["source"] = problem.source
    return result


def shown_json(value: object) -> JSON:
    """Give a value as JSON, with null in the place of whatever isn't: a report must always be printable."""
    return _shown(value, (), [], set())


def _entry(entry: TraceEntry) -> dict[str, JSON]:
    result: dict[str, JSON] = {"action": entry.action, "script": entry.script, "state": entry.state}
    if entry.process is not None:
        result["process"] = entry.process
    return result


def _shown(value: object, path: Path, lost: list[Path], around: set[int]) -> JSON:
    """Copy JSON; `lost` gets the paths of what isn't, `around` holds the containers that this one is in."""
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, Enum):
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int) and value.bit_length() <= _MAX_BITS:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, Mapping | list | tuple) and id(value) not in around and len(path) <= MAX_DEPTH:
            inside = {*around, id(value)}
            if isinstance(value, Mapping):
                return {str(key): _shown(item, (*path, str(key)), lost, inside) for key, item in value.items()}
            return [_shown(item, (*path, index), lost, inside) for index, item in enumerate(value)]
    lost.append(path)
    return None
