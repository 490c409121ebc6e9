"""Plans: named by their content, stored as JSON, read back the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain import formats
from processes.domain.formats import upcast
from processes.domain.plan import Plan
from processes.errors import CursorError
from tests.processes.domain.support import FakeHost, action


def plan_of(definition: object, bindings: dict[str, Any] | None = None, name: str = "main") -> Plan:
    host = FakeHost()
    host.add("sub", [action("s")])
    return host.add(name, definition, bindings)


FULL: list[Any] = [
    {"name": "@start", "script": None},
    {
        "name": "a", "script": "act", "caption": "First", "comment": "why", "next": {"x": "b", "*": False},
        "safe": True, "entry": False,
        "config": {"value": "%{data:n}", "list": ["x %{now}", "${text}"]}, "timeout_seconds": 2.5, "compensate": "b",
        "retry": {"attempts": 2, "errors": ["e"]},
    },
    {"name": "b", "script": "sub", "config": {"action": "s"}},
    {"name": "@end", "script": "once"},
]  # fmt: skip
BINDINGS = {"text": {"value": "%{now}"}, "sub": {"process": "sub"}, "rules": {"status_rules": "r"}}


def test_a_plan_survives_json() -> None:
    plan = plan_of(FULL, BINDINGS)
    restored = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert restored == plan
    assert restored.hash == plan.hash
    assert [filler.pointer for filler in restored.actions[1].fillers] == ["/value", "/list/0"]


def test_a_plan_knows_what_it_needs() -> None:
    plan = plan_of(FULL, BINDINGS)
    assert [script.name for script in plan.scripts] == ["act", "once"]
    assert [(process.name, bool(process.plan_hash)) for process in plan.processes] == [("sub", True)]


def test_the_stored_form_is_this() -> None:
    plan = plan_of([{"name": "a", "script": "act", "config": {"n": "%{now}"}}], {"v": {"value": 1}})
    assert plan.to_json() == {
        "format": 1,
        "name": "main",
        "actions": [
            {
                "name": "a",
                "target": {"script": {"name": "act", "version": 1, "effect": "idempotent"}},
                "next": True,
                "reference": "act",
                "config": {"n": "%{now}"},
                "placeholders": ["/n"],
            }
        ],
        "bindings": {"v": {"value": 1}},
    }


def test_a_stored_plan_of_the_first_format_is_still_read() -> None:
    stored = {
        "format": 1,
        "name": "old",
        "actions": [
            {"name": "a", "target": {"script": {"name": "act", "version": 2, "effect": "once"}}, "next": {"x": "b"}},
            {"name": "b", "target": {"process": {"name": "sub", "plan_hash": "h"}}, "next": False, "entry": False},
            {"name": "c", "target": None, "next": True, "retry": {"attempts": 2}, "safe": True},
        ],
        "bindings": {"b": {"process": {"name": "sub", "plan_hash": "h"}}},
    }
    plan = Plan.from_json(stored, plan_hash="as stored")
    assert (plan.hash, [a.script for a in plan.actions], plan.actions[0].routes) == (
        "as stored",
        ["act", "sub", None],
        {"x": 1},
    )


def test_the_hash_tells_content_and_nothing_else() -> None:
    one = plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 2}}])
    same = plan_of([{"script": "act", "config": {"y": 2, "x": 1}, "name": "a", "next": True, "safe": False}])
    assert one.hash == same.hash
    assert len(one.hash) == 64
    different = [
        plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 3}}]),
        plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 2}, "safe": True}]),
        plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 2}, "next": False}]),
        plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 2}}], {"v": {"value": 1}}),
        plan_of([{"name": "a", "script": "act", "config": {"x": 1, "y": 2}}], name="other"),
    ]
    assert len({plan.hash for plan in [one, *different]}) == 1 + len(different)


NAMES = ["a", "b", "@start", "@end", "@error", "@default", "@unknown"]
destinations = st.booleans() | st.sampled_from(["a", "b"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["t", "%{now}", "x %{data:a}", "${v}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("k/~"), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.permutations(["a", "b", *draw(st.lists(st.sampled_from(NAMES[2:]), unique=True))]))
    return [
        {
            "name": name,
            "script": draw(st.sampled_from(["act", "noop", None])),
            "next": draw(destinations | st.dictionaries(st.sampled_from(["x", "*"]), destinations)),
            "config": draw(json_values),
        }
        for name in names
    ]


@given(definitions())
def test_every_plan_survives_json(definition: list[Any]) -> None:
    plan = plan_of(definition, {"v": {"value": ["%{now}"]}})
    restored = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert (restored, restored.hash) == (plan, plan.hash)


DAMAGED: list[object] = [
    None,
    [],
    {},
    {"format": 1},
    {"format": 9, "name": "x", "actions": [], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{"name": "a", "target": None, "next": "gone"}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{"name": "a", "target": None, "next": "@error"}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{"name": "a", "target": {"value": 1}, "next": True}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{"name": "a", "target": {}, "next": True}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [{"name": "a", "target": None, "next": 5}], "bindings": {}},
    {"format": 1, "name": "x", "actions": [], "bindings": []},
]


@pytest.mark.parametrize("stored", DAMAGED)
def test_a_damaged_plan_is_refused(stored: object) -> None:
    with pytest.raises(CursorError):
        Plan.from_json(stored)


def test_formats_lead_on_step_by_step() -> None:
    chain: dict[int, formats.Upcaster] = {
        1: lambda document: {**document, "steps": ["one"]},
        2: lambda document: {**document, "steps": [*document["steps"], "two"]},
    }
    assert upcast({"format": 1}, current=3, chain=chain, what="thing") == {"format": 3, "steps": ["one", "two"]}
    assert upcast({"format": 3}, current=3, chain=chain, what="thing") == {"format": 3}
    with pytest.raises(CursorError, match="newer release"):
        upcast({"format": 4}, current=3, chain=chain, what="thing")
    with pytest.raises(CursorError, match="Nothing leads on from format 1"):
        upcast({"format": 1}, current=3, chain={}, what="thing")


def test_a_caption_stands_in_a_plan_only_where_there_is_one() -> None:
    plain, named = (plan_of([{"name": "a", "script": "act", **keys}]) for keys in ({}, {"caption": "The first"}))
    assert "caption" not in plain.to_json()["actions"][0]
    assert named.to_json()["actions"][0] == {**plain.to_json()["actions"][0], "caption": "The first"}
