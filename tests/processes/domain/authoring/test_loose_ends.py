"""What buttons, forms and links enter is looked for among what can be entered; what isn't there is told."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from processes.domain.authoring.loose_ends import find_loose_ends
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.entrances import Entrance, entrance_at_action
from processes.domain.merge import Layer
from processes.registry import ScriptRegistry


def two_kinds(config: Mapping[str, Any]) -> Iterator[Entrance]:
    yield from entrance_at_action(config)
    if isinstance(back := config.get("back"), str):
        yield Entrance(path=("back",), action=back, script="form")


registry = ScriptRegistry()
registry.task_script("form", entrances=two_kinds)(lambda app: None)
registry.task_script("noop")(lambda app: None)

OTHERS = [
    {"name": "confirm", "script": "noop"},
    {"name": "inner", "script": "noop", "entry": False},
    {"name": "first", "script": "form"},
    {"name": "hidden", "script": "form", "entry": False},
]


def loose_ends(config: Any, *more: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    actions = [{"name": "ask", "script": "form", "config": config}, *OTHERS, *more]
    layer = Layer(name="p", definition=parse_definition(actions))
    plan = derive([layer], name="p", catalogue=registry).plan
    assert plan is not None
    return [
        (f"{end.action.name}{end.problem.path}", end.problem.message, end.problem.suggestion)
        for end in find_loose_ends(plan, catalogue=registry)
    ]


@pytest.mark.parametrize(
    "config",
    [
        None,
        "confirm",
        {},
        {"action": None},
        {"action": "confirm"},
        {"action": "gone?"},
        {"action": "%{data:where}"},
        {"back": "first"},
        {"back": "hidden"},
        {"back": "ask"},
    ],
)
def test_what_leads_to_an_action_or_may_do_so_once_it_is_filled_is_no_loose_end(config: Any) -> None:
    assert loose_ends(config) == []


ONLY = "That is right only in a sub process whose caller has one"


@pytest.mark.parametrize(
    ("config", "place", "message", "suggestion"),
    [
        ({"action": "confrim"}, "ask/config/action", "has no action", 'Did you mean "confirm"?'),
        ({"action": "elsewhere"}, "ask/config/action", "has no action", ONLY),
        ({"action": "@start"}, "ask/config/action", "has no action", ONLY),
        ({"action": "inner"}, "ask/config/action", "can't be entered from outside", None),
        ({"back": "confirm"}, "ask/config/back", "its script isn't form", None),
        ({"back": "nowhere"}, "ask/config/back", "has no action", ONLY),
    ],
)
def test_what_leads_nowhere_is_told_with_its_place(
    config: Any, place: str, message: str, suggestion: str | None
) -> None:
    start = {"name": "@start", "script": "noop"}
    [(found, told, cure)] = loose_ends(config, start)
    assert (found, cure) == (place, suggestion)
    assert message in told


def test_where_unknown_actions_are_taken_care_of_any_may_be_entered_but_none_led_back_to() -> None:
    unknown = {"name": "@unknown", "script": "noop"}
    assert loose_ends({"action": "elsewhere"}, unknown) == []
    assert len(loose_ends({"back": "elsewhere"}, unknown)) == 1


def test_a_function_that_fails_says_so_and_hides_nothing_else() -> None:
    def broken(config: Mapping[str, Any]) -> Iterator[Entrance]:
        yield from entrance_at_action(config)
        raise KeyError("rude")

    registry.task_script("broken", entrances=broken)(lambda app: None)
    found = loose_ends({"action": "elsewhere"}, {"name": "rude", "script": "broken", "config": {"action": "x"}})
    assert [place for place, _, _ in found] == ["ask/config/action", "rude/config"]
    assert "KeyError" in found[1][1]
