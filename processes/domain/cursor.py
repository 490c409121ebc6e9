"""Keep a run's place: a stack of frames, which is stored as JSON after each action of a durable run.

`{"format": 1, "ordinal": 7, "frames": […], "parked"?, "finished"? {"state", "value"}, "failed"?, "compensated"?,
"compensation"? {"done"?, "cause"?, "cancelled"?}}`; the frame at the top is the last one. A frame names its plan by
hash and its actions by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from processes.domain.callback_tokens import redacted
from processes.domain.compensation import Compensation
from processes.domain.directives import Failed, Finished, Park
from processes.domain.formats import Upcaster, upcast
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.domain.plan import EXIT, Plan
from processes.domain.scripts import ScriptFunction
from processes.errors import CursorError, NotJsonError, ProcessError

__all__ = ["CURSOR_FORMAT", "MAX_NESTING", "UPCASTERS", "Cursor", "Frame", "Phase"]

CURSOR_FORMAT = 1
UPCASTERS: Mapping[int, Upcaster] = {}

#: Frames and Python calls nested deeper than this are a recursion without an end.
MAX_NESTING: Final = 50


class Phase(StrEnum):
    """Name the part of its process that a frame is in."""

    START = "start"
    #: The sequence; `@default` and `@unknown` belong to it.
    MAIN = "main"
    END = "end"
    ERROR = "error"
    #: One action, which undoes a completed one.
    UNDO = "undo"


class Frame:
    """Hold the place in one process: the run's own, or a sub process that an action is running."""

    __slots__ = (
        "ambient", "anchors", "authority", "bare", "code", "config", "deadline", "entry", "error", "index",
        "interrupted", "label", "ordinal", "phase", "plan", "recovered", "resting", "state", "tries", "undoes", "value",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        code: list[ScriptFunction],
        *,
        bare: bool = False,
        label: str | None = None,
        authority: JSON = None,
    ) -> None:
        self.plan = plan
        #: What runs each action, by index.
        self.code = code
        #: The action that is next, or that is running a sub process; EXIT while there is none yet.
        self.index = EXIT
        self.phase: Phase = Phase.MAIN
        #: Where the main phase begins, known while `@start` runs or may run again; of a branch, the anchor that it
        #: leads on from.
        self.entry = EXIT
        #: Without lifecycle actions (an invoked action).
        self.bare = bare
        #: `@error` has begun: `@end` won't run.
        self.recovered = False
        #: The error that was in force when the process was called (by somebody's `@error`).
        self.ambient: ProcessError | None = None
        #: The error that `@error` is dealing with.
        self.error: ProcessError | None = None
        #: State and value of the last ordinary action, kept once the main phase is over.
        self.state: str | None = None
        self.value: object = None
        #: While the action runs a sub process: its ordinal, and its config where placeholders were filled.
        self.ordinal = 0
        self.config: JSON = None
        #: The sub process's name in traces, None in the run's own process.
        self.label = label
        #: What the process runs under; None is the authority of the run's caller.
        self.authority = authority
        #: How often an action has failed that is tried again: the ordinal of its next try, and the number.
        self.tries: tuple[int, int] | None = None
        #: When the time is up for the action that waits, or whose sub process runs, where it has a limit.
        self.deadline: datetime | None = None
        #: Callbacks that haven't ended, with the actions that anchor them.
        self.anchors: dict[str, str] = {}
        #: The actions are over, and the process ends once its callbacks have.
        self.resting = False
        #: Of a branch that a report has begun at the anchor `entry`: how many frames lie below the anchor's, and what
        #: the run waited for, with the attributes that the report has put others in the place of.
        self.interrupted: tuple[int, Park, Mapping[str, JSON]] | None = None
        #: Of a compensating action: the ordinal of what it undoes.
        self.undoes = 0

    @property
    def error_in_force(self) -> ProcessError | None:
        """Give what `app.error` is when the frame's next action begins."""
        return self.error if self.phase is Phase.ERROR else self.ambient

    @property
    def _may_start_again(self) -> bool:
        """Tell whether `@start` may be tried again while the process is long past it, for the error of its branch."""
        start = self.plan.lifecycle.get("@start")
        return start is not None and start.retry is not None

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form, which shares nothing with what scripts have; defaults are left out.

        Raises NotJsonError for a value that isn't JSON.
        """
        actions = self.plan.actions
        result: dict[str, JSON] = {"plan": self.plan.hash, "phase": str(self.phase)}
        if self.index != EXIT:
            result["action"] = actions[self.index].name
        if self.entry != EXIT and (self.phase is Phase.START or self.interrupted is not None or self._may_start_again):
            result["entry"] = actions[self.entry].name
        for flag in ("bare", "recovered"):
            if getattr(self, flag):
                result[flag] = True
        for name in ("state", "label"):
            if (value := getattr(self, name)) is not None:
                result[name] = value
        if self.authority is not None:
            result["authority"] = copy_json(self.authority)
        if self.config is not None:
            # Its script has read it; what comes back after the sub process is there to be looked at.
            result["config"] = copy_json(redacted(self.config))
        if self.value is not None:
            result["value"] = storable_value(self.value, self.plan.name)
        if self.ordinal:
            result["ordinal"] = self.ordinal
        if self.tries is not None:
            result["tries"] = list(self.tries)
        if self.deadline is not None:
            result["deadline"] = self.deadline.isoformat()
        if self.anchors:
            result["anchors"] = dict(self.anchors)
        if self.resting:
            result["resting"] = True
        if self.interrupted is not None:
            depth, waited_for, attributes = self.interrupted
            result["interrupted"] = [depth, copy_json(waited_for.to_json()), copy_json(dict(attributes))]
        if self.undoes:
            result["undoes"] = self.undoes
        for name in ("ambient", "error"):
            if (error := getattr(self, name)) is not None:
                result[name] = copy_json(redacted(error.to_json()))
        return result


@dataclass(slots=True, kw_only=True)
class Cursor:
    """Hold all that a run's interpreter needs to go on."""

    frames: list[Frame] = field(default_factory=list)
    ordinal: int = 0
    parked: Park | None = None
    final: Finished | Failed | None = None
    compensation: Compensation = field(default_factory=Compensation)

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form; raises NotJsonError for a value that isn't JSON."""
        result: dict[str, JSON] = {
            "format": CURSOR_FORMAT,
            "ordinal": self.ordinal,
            "frames": [frame.to_json() for frame in self.frames],
        }
        if self.parked is not None:
            result["parked"] = copy_json(self.parked.to_json())
        if isinstance(self.final, Failed):
            result["failed"] = copy_json(redacted(self.final.error.to_json()))
            if self.final.compensated:
                result["compensated"] = True
        elif self.final is not None:
            result["finished"] = {"state": self.final.state, "value": storable_value(self.final.value, None)}
        if compensation := self.compensation.to_json():
            result["compensation"] = copy_json(compensation)
        return result

    @classmethod
    def from_json(
        cls, value: object, *, find_plan: Callable[[str], Plan], link: Callable[[Plan], list[ScriptFunction]]
    ) -> "Cursor":
        """Rebuild a cursor over its plans; raises CursorError for one that is damaged or of a newer release."""
        document = upcast(value, current=CURSOR_FORMAT, chain=UPCASTERS, what="cursor")
        try:
            plans = {stored["plan"]: find_plan(stored["plan"]) for stored in document["frames"]}
            cursor = cls(ordinal=int(document["ordinal"]))
            for stored in document["frames"]:
                plan = plans[stored["plan"]]
                cursor.frames.append(_frame_from_json(stored, plan, link(plan)))
            if (parked := document.get("parked")) is not None:
                cursor.parked = Park.from_json(parked)
            if (failed := document.get("failed")) is not None:
                cursor.final = Failed(ProcessError.from_json(failed), compensated=bool(document.get("compensated")))
            elif (finished := document.get("finished")) is not None:
                cursor.final = Finished(finished.get("state"), finished.get("value"))
            cursor.compensation = Compensation.from_json(document.get("compensation", {}), find_plan=find_plan)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CursorError(f"A stored cursor is damaged: {type(error).__name__}: {error}") from error
        cursor._check()
        return cursor

    def _check(self) -> None:
        if bool(self.frames) == (self.final is not None):
            raise CursorError("A stored cursor is damaged: it neither goes on nor has ended")
        caller: Frame | None = None
        for frame in self.frames:
            if frame.index == EXIT:
                raise CursorError("A stored cursor is damaged: it is at no action")
            # Errors are compared by identity: one that was in force in several frames must be one again. A branch has
            # that of its anchor's process; what lies right below it only waits.
            if frame.interrupted is not None:
                frame.ambient = None if frame.ambient is None else self.frames[frame.interrupted[0]].ambient
            elif caller is not None and frame.ambient is not None:
                frame.ambient = caller.error_in_force
            caller = frame


def _frame_from_json(value: Mapping[str, Any], plan: Plan, code: list[ScriptFunction]) -> Frame:
    def place(key: str) -> int:
        name = value.get(key)
        if name is None:
            return EXIT
        if name not in plan.by_name:
            raise CursorError(f'A stored cursor is at "{name}", which "{plan.name}" doesn\'t declare')
        return plan.by_name[name].index

    frame = Frame(plan, code, bare=bool(value.get("bare")), label=value.get("label"), authority=value.get("authority"))
    frame.index, frame.entry = place("action"), place("entry")
    frame.phase = Phase(value["phase"])
    frame.recovered = bool(value.get("recovered"))
    frame.state, frame.value, frame.config = value.get("state"), value.get("value"), value.get("config")
    frame.ordinal = int(value.get("ordinal", 0))
    if (tries := value.get("tries")) is not None:
        frame.tries = (int(tries[0]), int(tries[1]))
    if (deadline := value.get("deadline")) is not None:
        frame.deadline = datetime.fromisoformat(deadline)
    frame.anchors = {str(callback): str(action) for callback, action in value.get("anchors", {}).items()}
    frame.resting = bool(value.get("resting"))
    if (interrupted := value.get("interrupted")) is not None:
        depth, waited_for, attributes = interrupted
        frame.interrupted = (int(depth), Park.from_json(waited_for), dict(attributes))
    frame.undoes = int(value.get("undoes", 0))
    frame.ambient, frame.error = _error_from_json(value.get("ambient")), _error_from_json(value.get("error"))
    return frame


def _error_from_json(value: Mapping[str, Any] | None) -> ProcessError | None:
    return None if value is None else ProcessError.from_json(value)


def check_park(park: Park) -> None:
    """Raise NotJsonError, naming the place, for what no cursor can keep of how an action waits."""
    if park.until is not None and park.until.tzinfo is None:
        raise NotJsonError("The action waits until a moment without a time zone: nobody knows when that is.")
    if problems := json_problems({"facts": dict(park.facts), "private": dict(park.private)}, limit=1):
        place = problems[0].path
        raise NotJsonError(f"The action waits with what can't be stored: {problems[0].message}", path=place)


def storable_value(value: object, process: str | None) -> JSON:
    """Give a script's value if it is JSON; raises NotJsonError."""
    if problems := json_problems(value, limit=1):
        whose = "The process" if process is None else f'"{process}"'
        raise NotJsonError(
            f"{whose} ends with a value that can't be stored: {problems[0].message}",
            process=process,
            path=problems[0].path,
        )
    return copy_json(value)
