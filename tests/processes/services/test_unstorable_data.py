"""What a durable run can't store fails the action that left it, names the place, and is never changed in silence."""

from typing import Any

import pytest

from processes.domain.application import Application


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
