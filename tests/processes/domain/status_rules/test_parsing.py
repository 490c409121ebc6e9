"""Reading status rules: what may be written, and that every mistake is told at its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.status_rules import OfferedAction, OptionGroup, parse_status_rules, status_problem
from processes.domain.status_rules.parsing import MAX_PROBLEMS, MAX_RULES
from processes.errors import DefinitionError, Problem


def problems_of(value: object) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as caught:
        parse_status_rules(value)
    return caught.value.problems


def test_an_action_is_a_name_or_an_object() -> None:
    written = {
        "action": "a", "caption": "Do it", "popup": True, "disabled": True, "url": "/x/", "group": "exceptional",
    }  # fmt: skip
    (rule,) = parse_status_rules([{"comment": "why", "action": ["b", written]}]).rules
    assert rule.comment == "why"
    assert rule.actions == (
        OfferedAction(action="b", group=OptionGroup.OPTIONAL),
        OfferedAction(action="a", caption="Do it", popup=True, disabled=True, url="/x/", group=OptionGroup.EXCEPTIONAL),
    )


def test_text_and_value_say_the_same() -> None:
    assert parse_status_rules('[{"action": "a", "status": null}]') == parse_status_rules(
        [{"action": "a", "status": None}]
    )


#: A rule with one mistake, where it is, and what is said of it.
MISTAKES: list[tuple[Any, str, str]] = [
    ("x", "/0", "must be an object"),
    ({}, "/0", 'needs an "action"'),
    ({"action": "a", "rol": "b"}, "/0/rol", "Unknown key"),
    ({"action": "a", "comment": 1}, "/0/comment", "Must be text"),
    ({"action": "a", "role": None}, "/0/role", "must be a name"),
    ({"action": "a", "role": ["x", "*"]}, "/0/role/1", "must be a name"),
    ({"action": "a", "role": []}, "/0/role", "never applies"),
    ({"action": "a", "role": [["x"]]}, "/0/role/0", "not a list of lists"),
    ({"action": "a", "role": " x"}, "/0/role", "no blanks"),
    ({"action": "a", "role": "x" * 201}, "/0/role", "at most 200"),
    ({"action": "a", "status": 5}, "/0/status", "must be a name, null"),
    ({"action": "a", "status": []}, "/0/status", "never applies"),
    ({"action": "a", "status": ""}, "/0/status", "can't be empty"),
    ({"action": "a", "status": "!"}, "/0/status", "can't be empty"),
    ({"action": "a", "status": "null"}, "/0/status", "in quotes"),
    ({"action": "a", "status": "!*"}, "/0/status", "apply to no status"),
    ({"action": "a", "status": "!!x"}, "/0/status", "meaning of its own"),
    ({"action": "a", "status": "x" * 61}, "/0/status", "at most 60"),
    ({"action": "a", "status": ["x", " y"]}, "/0/status/1", "no blanks"),
    ({"action": "a", "status": ["x", "!x"]}, "/0/status", "applies to no status"),
    ({"action": "a", "status": [None, "!null"]}, "/0/status", "applies to no status"),
    ({"action": None}, "/0/action", "must be a name"),
    ({"action": ""}, "/0/action", "must be a name"),
    ({"action": []}, "/0/action", "never applies"),
    ({"action": ["a", 1]}, "/0/action/1", "must be a name"),
    ({"action": "a?"}, "/0/action", "must be there"),
    ({"action": "@start"}, "/0/action", "runs by itself"),
    ({"action": {}}, "/0/action", 'needs an "action" or a "url"'),
    ({"action": {"action": ""}}, "/0/action/action", "must be a name"),
    ({"action": {"url": "/x/"}}, "/0/action", 'needs a "caption"'),
    ({"action": {"action": "a", "url": "javascript:alert(1)"}}, "/0/action/url", "No page may link"),
    ({"action": {"action": "a", "url": "//elsewhere.example"}}, "/0/action/url", "No page may link"),
    ({"action": {"action": "a", "popup": "yes"}}, "/0/action/popup", "true or false"),
    ({"action": {"action": "a", "disabled": 1}}, "/0/action/disabled", "true or false"),
    ({"action": {"action": "a", "group": "expcted"}}, "/0/action/group", "no such group"),
    ({"action": {"action": "a", "group": []}}, "/0/action/group", "no such group"),
    ({"action": [{"action": "a", "caption": None}]}, "/0/action/0/caption", "Must be text"),
    ({"action": {"action": "a", "label": "A"}}, "/0/action/label", "Unknown key"),
    ({"action": "a", "if": True}, "/0/if", "must be text"),
    ({"action": "a", "if": ""}, "/0/if", "can't be empty"),
    ({"action": "a", "if": "data.x >"}, "/0/if", "can't be read"),
    ({"action": "a", "if": "param.x == '1'"}, "/0/if", 'no "param" in status rules'),
    ({"action": "a", "if": "dta.x"}, "/0/if", 'no variable "dta"'),
]


@pytest.mark.parametrize(("rule", "path", "message"), MISTAKES, ids=lambda part: str(part)[:40])
def test_a_mistake_is_told_at_its_place(rule: object, path: str, message: str) -> None:
    (problem,) = problems_of([rule])
    assert problem.path == path
    assert message in problem.message


@pytest.mark.parametrize("value", [{}, "{}", None, 3, "[", '[{"action": "a", "action": "b"}]', [{"action": "a\0"}]])
def test_what_is_no_array_of_rules_is_refused(value: object) -> None:
    assert problems_of(value)


def test_every_mistake_is_told_at_once() -> None:
    found = problems_of([{"action": "a", "role": 1, "status": 2, "if": 3}, {"actoin": "a", "action": "b"}])
    assert [problem.path for problem in found] == ["/0/role", "/0/status", "/0/if", "/1/actoin"]
    assert found[-1].suggestion == 'Did you mean "action"?'


def test_a_flood_of_rules_or_mistakes_is_cut_short() -> None:
    assert "at most" in problems_of([{"action": "a"}] * (MAX_RULES + 1))[0].message
    assert len(problems_of([{f"key{number}": 1 for number in range(5_000)}])) == MAX_PROBLEMS


KEYS = st.sampled_from(["comment", "role", "status", "action", "if", "url", "group", "x"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(any_json)
def test_any_json_is_read_or_refused_with_problems(value: object) -> None:
    told: tuple[Problem, ...] = ()
    count = 0
    try:
        count = len(parse_status_rules([value]).rules)
    except DefinitionError as error:
        told = error.problems
    assert bool(told) is (count == 0)


@pytest.mark.parametrize("status", ["*", "null", "!x", " x", "x ", "x" * 61])
def test_what_rules_could_not_name_can_be_no_status(status: str) -> None:
    assert status_problem(status)


@pytest.mark.parametrize("status", ["", "open", "in Prüfung", "a!b", "x" * 60])
def test_other_texts_can_be_statuses(status: str) -> None:
    assert status_problem(status) is None
