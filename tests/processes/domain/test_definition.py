"""Reading definitions: every mistake is found, named by its place, and never a surprise."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.domain.definition import MAX_ACTIONS, parse_definition
from processes.domain.json_values import MAX_DEPTH
from processes.domain.next_clause import NextClause
from processes.domain.retry_policy import RetryPolicy
from processes.errors import DefinitionError, Problem


def problems_of(document: object, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(document, **options)
    return caught.value.problems


def test_an_action_has_defaults() -> None:
    (action,) = parse_definition([{"name": "a"}]).actions
    assert (action.reference, action.comment, action.config, action.retry, action.timeout_seconds) == (
        "a", None, None, None, None,
    )  # fmt: skip
    assert (action.next, action.compensate, action.safe, action.entry, action.path) == (
        NextClause(True), None, False, True, "/0",
    )  # fmt: skip


def test_an_action_has_all_keys() -> None:
    written = {
        "name": "a",
        "script": "s",
        "caption": "The first",
        "comment": "why",
        "next": {"x": "a", "*": False},
        "config": {"any": ["thing", None]},
        "retry": {
            "attempts": 5,
            "backoff": "linear",
            "delay_seconds": 2,
            "cap_seconds": 9,
            "jitter": 0.5,
            "errors": ["e"],
        },
        "timeout_seconds": 1.5,
        "compensate": "b",
        "safe": True,
        "entry": False,
    }
    action = parse_definition({"format": 1, "actions": [written, {"name": "b", "script": None}]}).actions[0]
    assert (action.reference, action.comment, action.config) == ("s", "why", {"any": ["thing", None]})
    assert action.retry == RetryPolicy(
        attempts=5, backoff="linear", delay_seconds=2, cap_seconds=9, jitter=0.5, errors=("e",)
    )
    assert (action.timeout_seconds, action.compensate, action.safe, action.entry) == (1.5, "b", True, False)
    assert action.path == "/actions/0"


MISTAKES: list[tuple[object, str, str, str | None]] = [
    # (document, JSON Pointer, part of the message, suggestion)
    (5, "", "array of actions", None),
    (None, "", "array of actions", None),
    ("[]", "", "array of actions", None),
    ({}, "/actions", "Must be an array", None),
    ({"format": 2, "actions": []}, "/format", "Unknown format", "This release reads 1"),
    ({"format": True, "actions": []}, "/format", "Unknown format", "This release reads 1"),
    ({"actoins": [], "actions": []}, "/actoins", "Unknown key", 'Did you mean "actions"?'),
    ([5], "/0", "must be an object", None),
    ([{}], "/0", 'needs a "name"', None),
    ([{"name": ""}], "/0/name", "isn't empty", None),
    ([{"name": 5}], "/0/name", "isn't empty", None),
    ([{"name": None}], "/0/name", "isn't empty", None),
    ([{"name": "a?"}], "/0/name", "can't end with", 'Use "a"'),
    ([{"name": "x" * 201}], "/0/name", "at most 200", None),
    ([{"name": "a"}, {"name": "a"}], "/1/name", "already used by action no. 1, at /0", "Give it a name of its own"),
    ([{"name": "a", "nxt": True}], "/0/nxt", 'Unknown key "nxt"', 'Did you mean "next"?'),
    ([{"name": "a", "a/b~c": 1}], "/0/a~1b~0c", "Unknown key", None),
    ([{"name": "a", "script": 5}], "/0/script", "binding reference or null", None),
    ([{"name": "a", "script": ""}], "/0/script", "binding reference or null", None),
    ([{"name": "a", "caption": 1}], "/0/caption", "Must be text", None),
    ([{"name": "a", "comment": ["x"]}], "/0/comment", "Must be text", None),
    ([{"name": "a", "next": None}], "/0/next", '"next" must be', "Leave the key out to go on with the next action"),
    ([{"name": "a", "next": 1}], "/0/next", '"next" must be', None),
    ([{"name": "a", "next": ["a"]}], "/0/next", '"next" must be', None),
    ([{"name": "a", "next": "b"}], "/0/next", 'No action "b"', None),
    ([{"name": "start"}, {"name": "b", "next": "strat"}], "/1/next", "No action", 'Did you mean "start"?'),
    ([{"name": "a", "next": {"x": None}}], "/0/next/x", "A lookup leads to", None),
    ([{"name": "a", "next": {"x/y": {"z": True}}}], "/0/next/x~1y", "A lookup leads to", None),
    ([{"name": "a", "next": {"x": "b"}}], "/0/next/x", 'No action "b"', None),
    ([{"name": "a", "next": "@end"}], "/0/next", 'No action "@end"', None),
    ([{"name": "a", "next": "@start"}, {"name": "@start"}], "/0/next", "@start runs by itself", None),
    ([{"name": "a", "next": {"x": "@error"}}, {"name": "@error"}], "/0/next/x", "@error runs by itself", None),
    ([{"name": "a", "next": "b?"}, {"name": "b"}], "/0/next", "may an action be optional", 'Use "b"'),
    ([{"name": "a", "retry": "often"}], "/0/retry", "number of attempts or an object", None),
    ([{"name": "a", "retry": 0}], "/0/retry", "whole number", None),
    ([{"name": "a", "retry": {"attempts": True}}], "/0/retry/attempts", "whole number", None),
    ([{"name": "a", "retry": {"backof": "fixed"}}], "/0/retry/backof", "Unknown key", 'Did you mean "backoff"?'),
    ([{"name": "a", "retry": {"backoff": "exponental"}}], "/0/retry/backoff", "Must be", 'Did you mean "exponential"?'),
    ([{"name": "a", "retry": {"backoff": ["fixed"]}}], "/0/retry/backoff", "Must be", None),
    ([{"name": "a", "retry": {"delay_seconds": -1}}], "/0/retry/delay_seconds", "Must be a number", None),
    ([{"name": "a", "retry": {"jitter": 2}}], "/0/retry/jitter", "from 0 to 1", None),
    ([{"name": "a", "retry": {"errors": "x"}}], "/0/retry/errors", "list of error codes", None),
    ([{"name": "a", "timeout_seconds": 0}], "/0/timeout_seconds", "above 0", None),
    ([{"name": "a", "timeout_seconds": True}], "/0/timeout_seconds", "above 0", None),
    ([{"name": "a", "timeout_seconds": "1"}], "/0/timeout_seconds", "above 0", None),
    ([{"name": "a", "compensate": 1}], "/0/compensate", "Must be an action's name", None),
    ([{"name": "undo_it"}, {"name": "b", "compensate": "undoit"}], "/1/compensate", "No action",
     'Did you mean "undo_it"?'),
    ([{"name": "a", "safe": 1}], "/0/safe", "Must be true or false", None),
    ([{"name": "a", "entry": "no"}], "/0/entry", "Must be true or false", None),
    ([{"name": "a", "config": {"x": "a\0b"}}], "/0/config/x", "NUL", None),
    ([{"name": "a", "config": ["\ud800"]}], "/0/config/0", "surrogate", None),
    ([{"name": "a", "config": float("nan")}], "/0/config", "Not a JSON number", None),
    ([{"name": "a", "config": {1: 2}}], "/0/config", "Keys must be text", None),
    ([{"name": "a", "config": {"x": {1, 2}}}], "/0/config/x", "Not JSON: set", None),
    ([{"name": "a", "config": 10**2000}], "/0/config", "too large", None),
    ([{"name": "a"}] * (MAX_ACTIONS + 1), "", "More than", None),
]  # fmt: skip


@pytest.mark.parametrize(("document", "path", "message", "suggestion"), MISTAKES)
def test_a_mistake_is_named_with_its_place(document: object, path: str, message: str, suggestion: str | None) -> None:
    (problem,) = problems_of(document)
    assert problem.path == path
    assert message in problem.message
    if suggestion is not None:
        assert problem.suggestion == suggestion


def test_all_mistakes_are_found_at_once() -> None:
    document = [{"nam": "a"}, {"name": "b", "next": "c", "safe": 1}, 7, {"name": "b", "script": []}]
    assert [problem.path for problem in problems_of(document)] == [
        "/0/nam", "/0", "/1/safe", "/2", "/3/script", "/3/name", "/1/next",
    ]  # fmt: skip


def test_a_problem_bears_the_offending_value() -> None:
    assert problems_of([{"name": "a", "safe": "yes"}])[0].value == "yes"


def test_an_abstract_definition_may_name_what_only_descendants_declare() -> None:
    document = [{"name": "a", "next": {"x": "later"}, "compensate": "undo"}]
    assert parse_definition(document, abstract=True).actions[0].compensate == "undo"
    assert parse_definition(document, inherited=["later", "undo"]).actions[0].name == "a"
    assert len(problems_of(document, inherited=["later"])) == 1


def test_even_an_abstract_definition_cannot_jump_to_the_start() -> None:
    # Names are checked together with the layers below, but a lifecycle action is never a target.
    assert problems_of([{"name": "a", "next": "@start"}], inherited=["@start"])[0].path == "/0/next"


def test_nesting_is_limited_without_using_the_stack() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    (problem,) = problems_of([{"name": "a", "config": deep}])
    assert f"more than {MAX_DEPTH} levels" in problem.message


def test_a_hostile_number_of_mistakes_ends_early() -> None:
    assert len(problems_of([{"name": f"a{n}", "next": f"b{n}"} for n in range(5_000)])) <= 201
    assert len(problems_of([5] * 10_000)) <= 201


DOCUMENTS: list[object] = [
    [],
    {"actions": []},
    {"actions": [{"name": "a"}], "format": 1},
    [{"script": None, "name": "a"}, {"name": "b", "script": "b", "next": True, "retry": 3}],
    [{"name": "a", "next": {"x": True, "*": "a"}, "config": None, "comment": None, "retry": {"attempts": 2}}],
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_definition_gives_its_document_back(document: Any) -> None:
    again = parse_definition(document).to_json()
    assert again == document
    assert list(map(list, again)) == list(map(list, document))


def test_what_is_given_back_is_a_copy() -> None:
    document = [{"name": "a", "config": {"x": []}}]
    definition = parse_definition(document)
    definition.to_json()[0]["config"]["x"].append(1)
    assert definition.actions[0].config == {"x": []}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["name", "script", "comment", "next", "config", "retry", "timeout_seconds", "compensate", "safe", "entry", "nmae"]
)
NEAR_MISSES = st.lists(
    st.dictionaries(KEYS, JSON_VALUES | st.sampled_from(["a", "b", "@end", "a?", True, {"x": "a"}]), max_size=5)
    | JSON_VALUES,
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(document=JSON_VALUES | NEAR_MISSES | st.fixed_dictionaries({"actions": NEAR_MISSES}), abstract=st.booleans())
def test_no_json_is_more_than_a_definition_error(document: object, abstract: bool) -> None:
    try:
        definition = parse_definition(document, abstract=abstract)
    except DefinitionError as error:
        problems = error.to_json()["fields"]["problems"]
    else:
        problems = []
        assert definition.to_json() == document
    assert all(set(problem) >= {"path", "message", "value", "suggestion"} for problem in problems)
