"""Let a run that waits at a form go on with the answer, at the action to which the pressed button leads.

Which action that is was read from the definition when the form was shown: the park holds `{"leads": {button: action}}`
in its private part, and an answer only names the button. The action is looked for in the process that shows the form,
and then in those that have called it, from the innermost outward; what lies above the one that has it ends there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from processes.domain.cursor import Frame, Phase
from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import JSON
from processes.domain.rules import Rules
from processes.errors import NotFoundError, ProcessError

__all__ = ["FORM", "LEADS", "Entering", "FormAnswer"]

#: Why a run waits that waits for an answer to a form.
FORM: Final = "form"
#: The key in the private part of such a park that tells where each button leads.
LEADS: Final = "leads"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormAnswer:
    """Hold an answer to a form: the step that shows it, the button that was pressed, and the cleaned values.

    `values` are None where the button takes none along (Back, Leave).
    """

    ordinal: int
    button: str
    values: Mapping[str, JSON] | None = None
    #: Those of the values that hold infos of files.
    files: Mapping[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form."""
        result: dict[str, JSON] = {"ordinal": self.ordinal, "button": self.button}
        if self.values is not None:
            result["values"] = dict(self.values)
        if self.files:
            result["files"] = dict(self.files)
        return result

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FormAnswer":
        """Rebuild an answer; other keys are somebody else's."""
        return cls(
            ordinal=int(value["ordinal"]),
            button=str(value["button"]),
            values=value.get("values"),
            files=value.get("files", {}),
        )


class Entering(Rules):
    """Take answers to forms."""

    __slots__ = ()

    def answer(self, answer: FormAnswer) -> bool:
        """Put the values of an answer among the data, and go on where its button leads.

        Returns False where nobody waits for it. The step that showed the form is done then. Where a process undoes
        something the button leads nowhere: what is to be undone next comes next. Where `@error` showed the form, the
        answer counts as resetting the error. An action that isn't there any more (the run was moved to another plan) is
        an error of the step.
        """
        parked = self._parked
        if parked is None or parked.reason != FORM or parked.at != answer.ordinal:
            return False
        app = self.app
        app.data.update(answer.values or {})
        entry = dict(parked.private.get(LEADS, {})).get(answer.button)
        parameters = {**app.request.parameters, "action": entry, "button": answer.button}
        app.request = replace(app.request, parameters=parameters, files=dict(answer.files))
        frame, ordinal = self._take_up(parked_only=True)
        action = self._back_to(frame)
        app.state = None
        try:
            depth, place = self._place_of(entry)
        except ProcessError as error:
            # Tried again it is another step: this one's form was answered.
            self._fail_action(error, ordinal, called=True)
            return True
        self._report(frame, action, None, ordinal)
        self._leave_above(depth)
        self._enter_at(self._frames[depth], place)
        return True

    def _place_of(self, entry: str | None) -> tuple[int, int | Nothing]:
        """Give the depth of the process that has an action, and where it is there; raises NotFoundError."""
        last = len(self._frames) - 1
        if entry is None:
            raise NotFoundError("The form that was answered has no such button")
        name = entry.removesuffix("?")
        lowest = last
        for depth in range(last, -1, -1):
            frame, lowest = self._frames[depth], depth
            if frame.phase is Phase.UNDO or name in frame.plan.ordinary:
                return depth, find_entry(frame.plan, entry, outside=False) if frame.phase is not Phase.UNDO else 0
            if frame.interrupted is not None:
                # Below a branch others wait, whom no answer of this one concerns.
                break
        return lowest, find_entry(self._frames[lowest].plan, entry, outside=False)

    def _leave_above(self, depth: int) -> None:
        """End the processes above a frame, and the actions that have called them: they are done, with no state."""
        while len(self._frames) > depth + 1:
            self._drop(self._frames.pop())
            caller = self._frames[-1]
            action = self._back_to(caller)
            self._report(caller, action, None, self._called_at(caller))

    def _enter_at(self, frame: Frame, place: int | Nothing) -> None:
        """Go on at a place of the process at the top; Nothing ends it."""
        app, action = self.app, self._back_to(frame)
        if frame.phase is Phase.UNDO:
            self._complete(frame, action, None, None)
            return
        frame.error, app.error = None, frame.ambient
        if isinstance(place, Nothing):
            frame.phase = Phase.MAIN
            self._end_main(frame, None, None)
        else:
            self._begin_main(frame, place)
