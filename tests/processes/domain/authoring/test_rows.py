"""A definition as rows: nothing is lost on the way there and back, and what is moved or renamed fits where it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.json_layout import lay_out
from processes.domain.authoring.rows import (
    ABSENT,
    BuilderRows,
    FlowRule,
    Step,
    add_action,
    add_step,
    move_action,
    move_step,
    remove,
    renamed,
    rows_text,
    to_definition,
    to_rows,
)
from processes.domain.authoring.rows.arranging import arrange
from processes.domain.definition import parse_definition
from processes.domain.entrances import Entrance
from processes.errors import DefinitionError

HOUSE = Path(__file__).parents[4]
#: Every definition that comes with Stepline, and those of the patterns.
DEFINITIONS = sorted(
    [*HOUSE.glob("examples/*/process_templates/*.json"), *HOUSE.glob("tests/patterns/definitions/*.json")]
)

names = st.sampled_from(["a", "b", "c", "d", "e", "@start", "@end", "@error"])
targets = st.booleans() | names
#: What JSON can hold, and databases too.
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
keys = st.fixed_dictionaries(
    {},
    optional={
        "script": st.none() | st.sampled_from(["noop", "a"]),
        "caption": st.none() | texts,
        "comment": st.none() | texts,
        "next": targets | st.dictionaries(st.sampled_from(["x", "*", "", "y"]), targets),
        "config": values,
        "retry": st.integers(1, 3) | st.fixed_dictionaries({"attempts": st.integers(1, 3)}),
        "timeout_seconds": st.sampled_from([1, 2.5, None]),
        "compensate": names,
        "safe": st.booleans(),
        "entry": st.booleans(),
        "unknown": values,
    },
)


@st.composite
def actions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw actions whose keys stand in any order."""
    result = []
    for name in draw(st.lists(names, unique=True, max_size=6)):
        items = draw(st.permutations([("name", name), *draw(keys).items()]))
        result.append(dict(items))
    return result


documents = (
    actions()
    | actions().map(lambda found: {"format": 1, "actions": found})
    | actions().map(lambda found: {"actions": found})
)


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same down to the order of their keys."""
    return json.dumps(one) == json.dumps(other)


def shape(rows: BuilderRows) -> list[list[str]]:
    return [[step.name for step in action.steps] for action in rows.actions]


def rows_of(*written: str) -> BuilderRows:
    """Give rows by the names of their steps: those that begin with `-` can't be entered from outside."""
    entries = [{"name": name.removeprefix("-"), **({"entry": False} if name[0] == "-" else {})} for name in written]
    return to_rows(entries)


@given(documents)
def test_there_and_back_changes_nothing(document: Any) -> None:
    assert same(to_definition(to_rows(document)), document)


@given(documents)
def test_what_is_written_back_as_it_is_shown_changes_nothing(document: Any) -> None:
    rows = to_rows(document)
    written = [
        (
            action.is_entrance,
            [
                step.with_text("caption", step.caption)
                .with_text("comment", step.comment)
                .with_rules(step.rules)
                .put("config", step.config)
                .with_rest(step.rest)
                for step in action.steps
            ],
        )
        for action in rows.actions
    ]
    again = arrange(written, rows.envelope)
    assert shape(again) == shape(rows)
    assert same(to_definition(again), document)


@given(documents, st.integers(0, 8))
def test_the_text_of_rows_that_nobody_changed_stays_byte_for_byte(document: Any, indent: int) -> None:
    text = json.dumps(document, indent=indent or None)
    assert rows_text(to_rows(document), text) == text


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.stem)
def test_definitions_of_the_house_come_back_as_they_are(file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    document = content["definition"] if isinstance(content, dict) and "definition" in content else content
    rows = to_rows(document)
    assert same(to_definition(rows), document)
    assert rows.actions


def test_the_text_of_changed_rows_is_laid_out() -> None:
    rows = to_rows([{"name": "a"}])
    changed = renamed(rows, {"a": "b"})
    assert rows_text(changed, '[ {"name":"a"} ]') == lay_out([{"name": "b", "script": "a"}])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["a", "b"], [["a"], ["b"]]),
        (["a", "-b", "-c", "d"], [["a", "b", "c"], ["d"]]),
        (["-a", "-b", "c"], [["a", "b"], ["c"]]),
        (["a", "-b", "@end", "-c"], [["a", "b"], ["@end"], ["c"]]),
        (["@start", "@end"], [["@start"], ["@end"]]),
    ],
)
def test_an_action_is_an_entrance_and_the_steps_behind_it(written: list[str], expected: list[list[str]]) -> None:
    assert shape(rows_of(*written)) == expected


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"x": 1}, ""),
        ("text", ""),
        ([1], "/0"),
        ([{"script": "noop"}], "/0/name"),
        ([{"name": ""}], "/0/name"),
        ([{"name": "a"}, {"name": "a"}], "/1/name"),
        ({"actions": [{"name": "a", "script": 1}]}, "/actions/0/script"),
        ([{"name": "a", "caption": 1}], "/0/caption"),
        ([{"name": "a", "comment": []}], "/0/comment"),
        ([{"name": "a", "next": 1}], "/0/next"),
        ([{"name": "a", "next": {"x": None}}], "/0/next/x"),
        ([{"name": "a", "entry": "no"}], "/0/entry"),
    ],
)
def test_what_rows_cant_show_is_told_with_its_place(document: Any, path: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        to_rows(document)
    assert [problem.path for problem in refused.value.problems] == [path]


@given(actions())
def test_whatever_is_a_definition_can_be_shown(document: list[dict[str, Any]]) -> None:
    try:
        parse_definition(document, abstract=True)
    except DefinitionError:
        return
    assert len(to_rows(document).steps) == len(document)


def test_a_new_name_goes_wherever_the_step_is_named() -> None:
    rows = to_rows(
        [
            {"name": "a", "script": None, "next": {"x": "b", "*": "c"}, "compensate": "b"},
            {"name": "b", "script": None, "next": "b"},
            {"name": "c", "script": None, "next": "a"},
        ]
    )
    assert to_definition(renamed(rows, {"b": "c", "c": "b"})) == [
        {"name": "a", "script": None, "next": {"x": "c", "*": "b"}, "compensate": "c"},
        {"name": "c", "script": None, "next": "c"},
        {"name": "b", "script": None, "next": "a"},
    ]


def test_a_new_name_goes_where_forms_and_links_lead() -> None:
    def entered(step: Step) -> list[Entrance]:
        return [Entrance(path=("buttons", 0, "action"), action="b"), Entrance(path=("action",), action="c")]

    config = {"action": "c", "buttons": [{"action": "b"}], "text": "b"}
    rows = renamed(to_rows([{"name": "b", "script": None, "config": config}]), {"b": "x"}, entered=entered)
    assert rows.steps[0].config == {"action": "c", "buttons": [{"action": "x"}], "text": "b"}
    assert config["buttons"] == [{"action": "b"}]


def test_a_step_that_is_its_script_by_name_goes_on_running_it_under_another_name() -> None:
    (step,) = renamed(to_rows([{"name": "noop"}]), {"noop": "rest"}).steps
    assert step.written == {"name": "rest", "script": "noop"}


MOVES: list[tuple[list[str], str, int, list[list[str]]]] = [
    # (the rows, which step moves, by how much, what comes of it)
    (["a", "-b", "-c"], "c", -1, [["a", "c", "b"]]),
    (["a", "-b"], "b", -1, [["b", "a"]]),
    (["a", "-b", "c"], "c", -1, [["a", "b", "c"]]),
    (["a", "-b", "c", "-d"], "b", 1, [["a"], ["c", "b", "d"]]),
    (["a", "b"], "a", 1, [["b", "a"]]),
    (["a", "-b"], "a", -1, [["a", "b"]]),
    (["a", "-b"], "b", 1, [["a", "b"]]),
    (["a", "@end", "b"], "b", -1, [["a", "b"], ["@end"]]),
    (["a", "@end"], "@end", -1, [["@end"], ["a"]]),
]


@pytest.mark.parametrize(("written", "name", "by", "expected"), MOVES)
def test_a_step_moves_through_its_action_and_into_the_next(
    written: list[str], name: str, by: int, expected: list[list[str]]
) -> None:
    moved = move_step(rows_of(*written), name, by)
    assert shape(moved) == expected
    ordinary = [action for action in moved.actions if not action.is_lifecycle]
    assert all(action.is_entrance and not any(step.entry for step in action.steps[1:]) for action in ordinary)


@given(st.lists(names, unique=True, min_size=1, max_size=6), st.data())
def test_moving_loses_no_step(chosen: list[str], data: st.DataObject) -> None:
    rows = rows_of(*(data.draw(st.sampled_from([name, f"-{name}"])) for name in chosen))
    by = data.draw(st.sampled_from([-1, 1]))
    step = move_step(rows, data.draw(st.sampled_from(chosen)), by)
    action = move_action(rows, data.draw(st.sampled_from([action.reference for action in rows.actions])), by)
    for moved in (step, action):
        assert sorted(step.name for step in moved.steps) == sorted(chosen)


def test_actions_move_with_their_steps() -> None:
    rows = rows_of("a", "-b", "c", "-d")
    assert shape(move_action(rows, "c", -1)) == [["c", "d"], ["a", "b"]]
    assert shape(move_action(rows, "a", -1)) == shape(rows)


def test_what_is_left_of_an_action_keeps_its_entrance() -> None:
    rows = remove(rows_of("a", "-b", "-c", "d"), ["a", "d"])
    assert shape(rows) == [["b", "c"]]
    assert rows.actions[0].is_entrance


def test_a_new_action_stands_before_the_lifecycle_actions_at_the_end() -> None:
    rows, name = add_action(rows_of("action", "-b", "@end", "@error"))
    assert (shape(rows), name) == ([["action", "b"], ["action_2"], ["@end"], ["@error"]], "action_2")
    assert shape(add_action(to_rows([]))[0]) == [["action"]]


def test_a_new_step_is_the_last_of_its_action() -> None:
    rows, name = add_step(rows_of("a", "-b", "c"), "a")
    assert (shape(rows), name) == ([["a", "b", "step"], ["c"]], "step")
    assert to_definition(rows)[2] == {"name": "step", "script": None, "entry": False}


def test_behind_a_lifecycle_action_a_new_step_begins_an_action() -> None:
    rows, _ = add_step(rows_of("@start", "a"), "@start")
    assert shape(rows) == [["@start"], ["step"], ["a"]]
    assert rows.actions[1].is_entrance


def test_a_new_key_stands_where_a_definition_usually_has_it() -> None:
    step = Step({"name": "a", "config": {}, "entry": False}).put("script", "noop").put("retry", 2)
    assert list(step.written) == ["name", "script", "config", "retry", "entry"]
    assert list(step.put("config", ABSENT).written) == ["name", "script", "retry", "entry"]


RULES: list[tuple[tuple[FlowRule, ...], Any]] = [
    ((), ABSENT),
    ((FlowRule(None, False),), False),
    ((FlowRule(None, "b"),), "b"),
    ((FlowRule("ok", "b"),), {"ok": "b"}),
    ((FlowRule("ok", "b"), FlowRule(None, False)), {"ok": "b", "*": False}),
]


@pytest.mark.parametrize(("rules", "written"), RULES)
def test_rules_are_written_as_the_shortest_next_clause(rules: tuple[FlowRule, ...], written: Any) -> None:
    step = Step({"name": "a", "next": {"old": True}}).with_rules(rules)
    assert step.written.get("next", ABSENT) == written
