"""Random processes, led on by whatever may come: the cursor keeps all that is known, and each step that began ends."""

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import Anchor, Failed, Park, Running, Suspended
from processes.domain.entering import FORM, FormAnswer
from processes.domain.interpreter import Interpreter, TraceEntry
from processes.errors import ProcessError
from tests.processes.domain.support import FakeHost, build_registry

REGISTRY = build_registry()
KINDS = ["note"] * 3 + ["park", "ask", "issue", "issue", "sub", "sub", "fail", "busy", "state", "background"]
#: A form's buttons may lead back: some processes have no end.
MOST_EVENTS = 300


@REGISTRY.task_script("issue", durable=True)
def issue(app: Application) -> Anchor:
    return Anchor(callback=f"callback {app.ordinal}")


@REGISTRY.task_script("busy")
def busy(app: Application) -> None:
    raise ProcessError("not yet", code="busy")


class Writer:
    """Write random processes, which call one another."""

    def __init__(self, draw: random.Random, host: FakeHost) -> None:
        self.draw, self.host = draw, host

    def process(self, name: str, *, depth: int = 0) -> None:
        draw = self.draw
        names = [f"{name}{number}" for number in range(draw.randint(2, 5))]
        special = [each for each, part in (("@start", 0.25), ("@end", 0.25), ("@error", 0.6)) if draw.random() < part]
        bindings: dict[str, object] = {}
        actions = []
        for place, each in enumerate([*names, *special]):
            kind = draw.choice(["reset", "reset", "note", "sub", "ask"] if each == "@error" else KINDS)
            # Only forward, so that nothing goes in circles.
            places: list[object] = [True, False, *(names[place + 1 :] if each in names else names[-1:])]
            states = {state: draw.choice(places) for state in ("x", "prepare", "*")}
            action = {
                "name": each,
                "next": draw.choice([True, draw.choice(places), states]),
                **self.script(kind, each, names, bindings, depth=depth),
            }
            if draw.random() < 0.2:
                action["retry"] = {"attempts": 2, "delay_seconds": 0}
            if draw.random() < 0.15:
                action["timeout_seconds"] = 60
            if draw.random() < 0.3:
                action["compensate"] = f"{name}undo"
            actions.append(action)
        undoes = self.script(draw.choice(["note", "park", "ask", "issue", "sub"]), f"{name}u", names, bindings, depth=3)
        self.host.add(name, [*actions, {"name": f"{name}undo", "next": False, **undoes}], bindings)

    def script(
        self, kind: str, name: str, names: list[str], bindings: dict[str, object], *, depth: int
    ) -> Mapping[str, object]:
        draw = self.draw
        if kind == "sub":
            if depth >= 3:
                return {"script": None}
            called = f"{name}s".replace("@", "at")
            self.process(called, depth=depth + 1)
            bindings[called] = {"process": called}
            return {"script": called}
        configs: dict[str, tuple[str, dict[str, object]]] = {
            "note": ("note", {"state": draw.choice(["x", "y"]), "value": draw.randint(0, 3)}),
            "fail": ("note", {"fail": "broken"}),
            "state": ("act", {"state": "x"}),
            "reset": ("act", {"reset": True}),
            "ask": ("form", {"a": draw.choice(names), "b": draw.choice([*names, "none", "none?"])}),
        }
        script, config = configs.get(kind, (kind, {}))
        return {"script": script, "config": config} if config else {"script": script}


class Driven:
    """Carry a run on; of one that is `stored` nothing is kept between two events but JSON."""

    def __init__(self, host: FakeHost, *, stored: bool) -> None:
        self.host, self.stored = host, stored
        self.trace: list[TraceEntry] = []
        self.dropped: list[str] = []
        self.app = Application(execution="run")
        self.interpreter = Interpreter.start(host.plans["main"], app=self.app, host=host, trace=self.trace.append)

    def hear(self, event: tuple[Any, ...]) -> None:
        interpreter, (kind, *details) = self.interpreter, event
        if kind == "report":
            callback, state, is_last = details
            interpreter.report(callback, state, is_last=is_last, attributes={"callbackData": callback})
        elif kind == "answer":
            interpreter.answer(FormAnswer(ordinal=details[0], button=details[1], values={"typed": details[0]}))
        elif kind == "resume":
            interpreter.resume(details[0], 5)
        elif kind == "step":
            interpreter.step()
        else:
            error = ProcessError(kind, code=kind)
            {"fail": interpreter.fail, "expire": interpreter.expire, "cancel": interpreter.cancel}[kind](error)
        self.dropped += self.interpreter.take_dropped()
        if self.stored:
            self.restore()

    def restore(self) -> None:
        cursor, data, attributes = _as_json([self.interpreter.cursor_json(), self.app.data, dict(self.app.attributes)])
        self.app = Application(data=data, attributes=attributes, execution="run")
        self.interpreter = Interpreter.restore(cursor, app=self.app, host=self.host, trace=self.trace.append)
        assert _as_json(self.interpreter.cursor_json()) == cursor

    @property
    def shown(self) -> Any:
        error = self.app.error
        told = [[*entry[:5], entry.undoes, entry.error and entry.error.code] for entry in self.trace]
        seen = [self.app.data, dict(self.app.attributes), error and error.to_json(), self.dropped, told]
        return _as_json([self.interpreter.cursor_json(), *seen])


def _as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def some_event(draw: random.Random, interpreter: Interpreter) -> tuple[Any, ...]:
    """Draw one of the things that may happen to a run as it stands."""
    outcome = interpreter.outcome
    park = outcome.directive if isinstance(outcome, Suspended) else None
    if not isinstance(park, Park):
        rare = draw.random()
        is_running = isinstance(outcome, Running)
        return ("cancel",) if is_running and rare < 0.03 else ("fail",) if is_running and rare < 0.06 else ("step",)
    choices: list[tuple[Any, ...]] = []
    for callback in interpreter.open_callbacks:
        choices += [("report", callback, state, state != "progress") for state in ("progress", "complete", "error")]
    if park.reason == FORM:
        choices += [("answer", park.at, button) for button in ("a", "b", "c")]
    elif park.at:
        choices += [("resume", draw.choice([None, "x", "y"]))]
    choices += [("fail",)] if park.at else []
    choices += [("expire",)] if interpreter.deadline is not None else []
    choices += [("cancel",)] if draw.random() < 0.1 else []
    return draw.choice(choices)


@pytest.mark.parametrize("seed", range(150))
def test_whatever_comes_a_run_goes_on_from_its_cursor_as_it_would_have_and_each_step_ends(seed: int) -> None:
    draw = random.Random(seed)
    host = FakeHost(registry=REGISTRY, durable=True)
    Writer(draw, host).process("main")
    kept, stored = Driven(host, stored=False), Driven(host, stored=True)
    began: set[int] = set()
    for _ in range(MOST_EVENTS):
        if not isinstance(kept.interpreter.outcome, Running | Suspended):
            break
        event = some_event(draw, kept.interpreter)
        for driven in (kept, stored):
            driven.hear(event)
        assert stored.shown == kept.shown, event
        interpreter = stored.interpreter
        if event == ("cancel",):
            # Whoever drives the run ends all that is open then.
            began.clear()
        under_way = {entry.ordinal for entry in interpreter.under_way[:-1]} | set(interpreter.waiting_steps)
        began |= under_way
        ended = {entry.ordinal for entry in stored.trace}
        assert not under_way & ended, "under way, and told as ended"
        if isinstance(interpreter.outcome, Running | Suspended):
            # What is pending may have begun before: it is tried again.
            pending = {entry.ordinal for entry in interpreter.under_way[-1:]}
            assert began - ended <= under_way | pending, "neither under way nor ended"
    else:
        return
    outcome = kept.interpreter.outcome
    assert not kept.interpreter.open_callbacks
    if isinstance(outcome, Failed) and outcome.compensated:
        assert not kept.interpreter.can_compensate, "all that was done is undone"
