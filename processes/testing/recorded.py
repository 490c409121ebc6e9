"""Let a run go again as it went: with what it was told then, and a clock that shows the times of then."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished, Park, RunAgain, Running, Suspended
from processes.domain.entering import FormAnswer
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON, copy_json
from processes.domain.plan import Plan
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.steps import TraceEntry
from processes.errors import ActionTimeoutError, ProcessError
from processes.services.documents import Runnable
from processes.services.running import local_caller
from processes.testing.answers import Answers
from processes.testing.clock import FakeClock
from processes.testing.host import KitHost
from processes.testing.stepping import Script, standing_in
from processes.testing.users import FakeUser

__all__ = ["Replayed", "replay"]

FORMAT = 1


class Replayed:
    """Hold how a recorded run went again: `status`, `error` (its code), `data` and `steps` (action and state)."""

    def __init__(
        self, *, status: str, error: str | None, data: dict[str, JSON], steps: list[list[str | None]], ends: JSON
    ) -> None:
        self.status, self.error, self.data, self.steps = status, error, data, steps
        self._ends: Mapping[str, Any] = ends

    def __repr__(self) -> str:
        return f"<Replayed {self.status}; steps {', '.join(str(action) for action, _ in self.steps) or 'none'}>"

    def check(self) -> None:
        """Raise AssertionError, saying what is other than it was, unless it went as it went then."""
        then = self._ends
        for number, (was, now) in enumerate(zip(then["steps"], self.steps, strict=False), start=1):
            assert now == was, f"Step {number} was {_step(was)}, and is {_step(now)} now"
        assert self.steps == then["steps"], f"There were {len(then['steps'])} steps, and are {len(self.steps)} now"
        assert (self.status, self.error) == (then["status"], then["error"]), (
            f"It ended {then['status']} ({then['error']}), and ends {self.status} ({self.error}) now"
        )
        changed = sorted(
            key
            for key in then["data"].keys() | self.data.keys()
            if key not in then["data"] or key not in self.data or then["data"][key] != self.data[key]
        )
        assert not changed, f"The data end otherwise: {', '.join(changed)}"


def replay(recording: Mapping[str, Any], *, scripts: Mapping[str, Script] | None = None) -> Replayed:
    """Let a saved run go again, with the scripts as they are now; `scripts` stand in for those of these names.

    A request of which no answer was kept fails its action, and then the test.
    """
    if recording.get("format") != FORMAT:
        raise ValueError(f"This recording has format {recording.get('format')}; known is {FORMAT}.")
    with standing_in(dict(scripts or {})):
        run = _Replay(recording)
        run.go()
    run.answers.check()
    return run.end(recording["ends"])


class _Replay:
    def __init__(self, recording: Mapping[str, Any]) -> None:
        begins, user = recording["begins"], recording["user"]
        self._times = {int(ordinal): datetime.fromisoformat(at) for ordinal, at in recording["times"].items()}
        self._messages: list[Mapping[str, Any]] = list(recording["messages"])
        self._ended: TraceEntry | None = None
        self._steps: list[list[str | None]] = []
        self.answers = _answers(recording["answers"])
        plans = [Plan.from_json(copy_json(plan), plan_hash=key) for key, plan in recording["plans"].items()]
        known = {plan.hash: plan for plan in plans}
        frames = begins["cursor"]["frames"]
        plan = known[frames[0]["plan"]] if frames else plans[0]
        person = None if user is None else FakeUser(user)
        self.clock = FakeClock(self._times[int(begins["cursor"]["ordinal"])])
        host = KitHost(
            runnable=Runnable(name=plan.name, plan=plan, plans=tuple(plans)),
            caller=local_caller(name=plan.name),
            clock=self.clock,
            answers=self.answers,
            durable=True,
            told={
                int(ordinal): [datetime.fromisoformat(moment) for moment in moments]
                # Recordings of older releases have none.
                for ordinal, moments in recording.get("clock", {}).items()
            },
        )
        self.app = Application(
            data=copy_json(begins["data"]),
            request=Request.from_json(begins["request"] or {}),
            response=Response.from_json(begins["response"] or {}),
            user=person,
            attributes=begins["attributes"],
            execution=recording["run"],
        )
        self.app.set("run_id", recording["run"])
        self._interpreter = Interpreter.restore(begins["cursor"], app=self.app, host=host, trace=self._note)

    def go(self) -> None:
        """Go on to the end, or to where nothing more was said."""
        while self._move():
            if self._ended is not None:
                self._steps.append([self._ended.action, self._ended.state])
                self._ended = None

    def end(self, ends: JSON) -> Replayed:
        """Give how it went."""
        outcome = self._interpreter.outcome
        status, error = "waiting", None
        if isinstance(outcome, Finished):
            status = "completed"
        elif isinstance(outcome, Failed):
            status, error = "compensated" if outcome.compensated else "failed", outcome.error.code
        return Replayed(status=status, error=error, data=self.app.data, steps=self._steps, ends=ends)

    def _note(self, entry: TraceEntry) -> None:
        self._ended = entry

    def _move(self) -> bool:
        """Do what came next; tell whether anything did."""
        outcome = self._interpreter.outcome
        if isinstance(outcome, Running):
            self._show(self._times.get(self.app.ordinal))
            self._interpreter.step()
            return True
        if not isinstance(outcome, Suspended):
            return False
        directive = outcome.directive
        if isinstance(directive, RunAgain):
            self._show(directive.until)
            self._interpreter.step()
            return True
        return isinstance(directive, Park) and self._wake(directive)

    def _wake(self, parked: Park) -> bool:
        """Let what came first end the waiting: an answer, the timer, or the time limit."""
        deadline, message = self._interpreter.deadline, self._messages[0] if self._messages else None
        said = None if message is None else datetime.fromisoformat(message["at"])
        moments = [moment for moment in (said, parked.until, deadline) if moment is not None]
        if not moments:
            return False
        first = min(moments)
        self._show(first)
        if message is not None and first == said:
            del self._messages[0]
            if "button" in message:
                self._interpreter.answer(FormAnswer.from_json(message))
            elif message["ordinal"] == parked.at:
                self._interpreter.resume(message["state"], message["value"])
        elif first == deadline:
            self._interpreter.expire(ActionTimeoutError("It took longer than it may."))
        else:
            self._interpreter.resume(parked.then)
        return True

    def _show(self, moment: datetime | None) -> None:
        if moment is not None and moment > self.clock.time:
            self.clock.set(moment)


def _answers(recorded: list[Mapping[str, Any]]) -> Answers:
    answers = Answers()
    for item in recorded:
        answer = item["answer"]
        if "error" in answer:
            answers.on(item["method"], item["url"], error=ProcessError.from_json(answer["error"]))
        else:
            answers.on(
                item["method"], item["url"], status=answer["status"], headers=answer["headers"], text=answer["text"],
                json=answer["json"],
            )  # fmt: skip
    return answers


def _step(step: list[str | None]) -> str:
    action, state = step
    return f'"{action}"' if state is None else f'"{action}" under "{state}"'
