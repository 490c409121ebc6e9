"""What a durable run can't store fails the action that left it, names the place, and is never changed in silence."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.directives import CallProcess, Park
from processes.errors import ProcessError


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


#: The key, the value, and what the error says.
REFUSED = [
    ("x", {1: "a"}, "data.x can't be stored: Keys must be text, unlike 1"),
    ("x", {"a": [{None: 1}]}, "data.x/a/0 can't be stored: Keys must be text, unlike None"),
    ("x", {True: 1}, "data.x can't be stored: Keys must be text, unlike True"),
    ("x", ({1.5: 1},), "data.x/0 can't be stored: Keys must be text, unlike 1.5"),
    ("x", float("nan"), "data.x can't be stored: Not a JSON number"),
    ("x", [float("-inf")], "data.x/0 can't be stored: Not a JSON number"),
    ("x", nested(102), "Nested more than 100 levels deep"),
    ("x", nested(5_000), "Nested more than 100 levels deep"),
    ("x", "\ud800", "data.x can't be stored: The text contains half of a surrogate pair"),
    ("x", {"\ud800": 1}, "data.x can't be stored: A key contains half of a surrogate pair"),
    ("x", "\0", "data.x can't be stored: The text contains a NUL character"),
    (1, "a", "data can't have the key 1: A key must be text, and 1 is int"),
    (None, "a", "data can't have the key None: A key must be text, and None is NoneType"),
    ("k" * 201, "a", "A key has at most 200 characters"),
    ("\ud800", "a", "The key contains half of a surrogate pair"),
    ("\0", "a", "The key contains a NUL character"),
]  # fmt: skip


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize(("key", "value", "message"), REFUSED, ids=range(len(REFUSED)))
def test_the_action_fails_and_the_run_goes_on_without_it(kit: Any, key: Any, value: object, message: str) -> None:
    def put(app: Application) -> None:
        app.data["good"] = 1
        app.data[key] = value

    errors: list[str] = []

    def look(app: Application) -> None:
        errors.append(app.error.message)
        app.data["seen"] = True

    run_id = kit.start(
        {"name": "put", "script": kit.script(put)},
        {"name": "@error", "script": kit.script(look), "next": "reset"},
        {"name": "reset", "script": "noop"},
    )
    kit.work()
    assert len(errors) == 1
    assert message in errors[0]
    assert kit.run(run_id).error["code"] == "not_json"
    assert kit.data(run_id) == {"good": 1, "seen": True}


@pytest.mark.parametrize("value", [nested(99), "k" * 300, {"": {"é": [None, True, 1.5, "😀"]}}])
def test_json_comes_back_as_it_was(kit: Any, value: object) -> None:
    run_id = kit.start({"name": "put", "script": kit.script(lambda app: app.data.update({"k" * 200: value}))})
    kit.work()
    assert kit.data(run_id) == {"k" * 200: value}


def leaves(what: str) -> Callable[[Application], Any]:
    """Return a script that leaves something that can't be stored, and then does what `what` says."""

    def raises(app: Application) -> None:
        app.data["bad"] = object()
        raise ProcessError("its own", code="own")

    def calls(app: Application) -> CallProcess:
        app.data["bad"] = object()
        return CallProcess(target="sub")

    def waits(app: Application) -> Park:
        app.data["bad"] = object()
        return Park(reason="human")

    def waits_with(app: Application) -> Park:
        return Park(reason="human", facts={"since": timezone.now()})

    def waits_until(app: Application) -> Park:
        return Park(reason="human", until=datetime(2100, 1, 1))  # noqa: DTZ001 - that is what is wrong with it

    def returns(app: Application) -> set[int]:
        return {1, 2}

    def says(app: Application) -> None:
        app.state = "\ud800"

    def asks(app: Application) -> None:
        app.request.parameters["bad"] = object()

    def replaces_data(app: Application) -> None:
        app.data = None  # type: ignore[assignment]

    def replaces_request(app: Application) -> None:
        app.request = None  # type: ignore[assignment]

    def replaces_response(app: Application) -> None:
        app.response = "bad"  # type: ignore[assignment]

    return {
        "raises": raises, "calls": calls, "waits": waits, "waits with": waits_with, "waits until": waits_until,
        "returns": returns, "says": says, "asks": asks, "data": replaces_data, "request": replaces_request,
        "response": replaces_response,
    }[what]  # fmt: skip


WAYS = [
    ("raises", "own"), ("calls", "not_json"), ("waits", "not_json"), ("waits with", "not_json"),
    ("waits until", "not_json"), ("returns", "not_json"), ("says", "not_json"), ("asks", "not_json"),
    ("data", "not_json"), ("request", "not_json"), ("response", "not_json"),
]  # fmt: skip


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize(("way", "code"), WAYS, ids=[way for way, _code in WAYS])
def test_however_it_is_left_the_action_fails_once_and_its_error_is_handled(kit: Any, way: str, code: str) -> None:
    begun: list[str] = []

    def leave(app: Application) -> object:
        begun.append(way)
        return leaves(way)(app)

    template = kit.template(
        {"name": "before", "script": kit.note("before")},
        {"name": "leave", "script": kit.script(leave, durable=True), "next": False},
        {"name": "@end", "script": "noop"},
        {"name": "@error", "script": kit.note("handled")},
        bindings={"sub": {"process": [{"name": "below", "script": kit.note("below")}]}},
    )
    run_id = kit.start(template=template)
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"]) == ("failed", code)
    assert (begun, kit.notes) == ([way], ["before", "handled"])
    assert kit.data(run_id) == {"before": 1, "handled": 2}


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("way", ["raises", "waits"])
def test_what_was_done_before_it_is_undone(kit: Any, way: str) -> None:
    run_id = kit.start(
        {"name": "book", "script": kit.note("book"), "compensate": "undo"},
        {"name": "leave", "script": kit.script(leaves(way), durable=True), "next": False},
        {"name": "undo", "script": kit.note("undo"), "next": False},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("compensated", ["book", "undo"])


@pytest.mark.usefixtures("unlogged")
def test_an_attribute_that_cannot_be_stored_is_what_it_was(kit: Any) -> None:
    def spoil(app: Application) -> None:
        app.set("mark", object())

    run_id = kit.start(
        {"name": "set", "script": kit.script(lambda app: app.set("mark", [1]))},
        {"name": "spoil", "script": kit.script(spoil)},
        {"name": "@error", "script": kit.script(lambda app: app.data.update(mark=app.get("mark")))},
    )
    kit.work()
    assert kit.data(run_id) == {"mark": [1]}
