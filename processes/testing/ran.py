"""Look at a run when it is over."""

from collections.abc import Mapping
from typing import Any

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.report import RunReport
from processes.domain.response import Response
from processes.domain.steps import TraceEntry
from processes.errors import ProcessError
from processes.testing.answers import Answers
from processes.testing.clock import FakeClock
from processes.testing.reports import Reported

__all__ = ["Ran"]

_SHOWN = 300


class Ran:
    """Hold what came of a run; its repr tells how it ended, and what it did, when an assertion fails.

    `clock` and `answers` are those of the run.
    """

    def __init__(
        self, *, report: RunReport, app: Application, clock: FakeClock, answers: Answers, reported: Reported
    ) -> None:
        self.report, self.app = report, app
        self.clock, self.answers = clock, answers
        #: What the scripts reported of their progress.
        self.progress = reported

    def __repr__(self) -> str:
        parts: list[str] = [self.report.status]
        error = self.error
        if error is not None:
            place = f' at "{error.action}"' if error.action else ""
            parts[0] += f"{place}: [{error.code}] {_short(error.message)}"
        if self.state is not None:
            parts.append(f"state {self.state!r}")
        parts.append(f"actions {', '.join(self.actions) or 'none'}")
        parts.append(f"data {_short(repr(self.data))}")
        return f"<Ran {'; '.join(parts)}>"

    @property
    def status(self) -> str:
        """Give `completed`, `failed` or `waiting`."""
        return self.report.status

    @property
    def completed(self) -> bool:
        """Tell whether the run ended well."""
        return self.report.status == "completed"

    @property
    def failed(self) -> bool:
        """Tell whether the run ended with an error."""
        return self.report.status == "failed"

    @property
    def waiting(self) -> bool:
        """Tell whether the run stopped because it has to wait."""
        return self.report.status == "waiting"

    @property
    def state(self) -> str | None:
        """Give the state of the last action."""
        return self.report.state

    @property
    def value(self) -> Any:
        """Give what the last action's script returned."""
        return self.report.value

    @property
    def data(self) -> dict[str, Any]:
        """Give the data as the run left them."""
        return self.app.data

    @property
    def attributes(self) -> Mapping[str, JSON]:
        """Give the named attributes as the run left them."""
        return self.app.attributes

    @property
    def response(self) -> Response:
        """Give the answer: title, content, redirect and so on."""
        return self.app.response

    @property
    def error(self) -> ProcessError | None:
        """Give the error that the run ended with."""
        return self.report.error

    @property
    def trace(self) -> tuple[TraceEntry, ...]:
        """Give every action in the order in which they began, with script, state and error."""
        return self.report.trace

    @property
    def actions(self) -> list[str]:
        """Give the actions in the order in which they began, by name; those of sub processes as `process.action`."""
        return [entry.action if entry.process is None else f"{entry.process}.{entry.action}" for entry in self.trace]

    @property
    def output(self) -> str:
        """Give the text that the scripts streamed."""
        return self.progress.text

    def or_raise(self) -> "Ran":
        """Give the run itself if it ended well; raises its error otherwise, with the traceback into the script."""
        if self.error is not None:
            raise self.error
        if not self.completed:
            raise AssertionError(f"The run hasn't ended: {self!r}")
        return self


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
