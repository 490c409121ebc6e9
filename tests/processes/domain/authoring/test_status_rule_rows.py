"""Status rules as rows: nothing is lost on the way there and back, and a change changes just that."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.status_rule_rows import FIELDS, RuleRow, compile_rows, field_of, rows_of
from processes.errors import DefinitionError

names = st.sampled_from(["a", "b", "null", "x, y", ' "q"', "!a", "*", "", " b ", "{c}", "zwei\nZeilen", "[d", "1"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
groups = st.sampled_from(["expected", "optional", "anytime", "exceptional", "odd"])
options = names | st.fixed_dictionaries(
    {},
    optional={
        "action": names,
        "caption": names,
        "group": groups,
        "url": names,
        "popup": st.booleans(),
        "else": any_json,
    },
)
listed = names | st.none() | st.lists(names | st.none(), max_size=3) | any_json
rules = st.fixed_dictionaries(
    {},
    optional={
        "if": names | any_json,
        "action": options | st.lists(options, max_size=3) | any_json,
        "role": listed,
        "status": listed,
        "comment": names | any_json,
        "more": any_json,
    },
)


def as_sent(row: RuleRow) -> RuleRow:
    """Give a row as a browser sends it back untouched: its own line ends, and none in fields of one line."""
    long = ("comment", "condition")
    texts = {name: getattr(row, name).replace("\r\n", "\n").replace("\r", "\n") for name in FIELDS}
    return replace(row, **{name: text.replace("\n", "\r\n" if name in long else "") for name, text in texts.items()})


@given(st.lists(rules | any_json, max_size=4))
def test_json_to_rows_and_back_changes_nothing(document: list[Any]) -> None:
    rows = [as_sent(row) for row in rows_of(document)]
    # Texts, so that the order of keys counts, and 1 isn't true.
    assert json.dumps(compile_rows(rows)) == json.dumps(document)


def changed(rule: Any, **texts: str) -> Any:
    (row,) = rows_of([rule])
    (result,) = compile_rows([replace(row, **texts)])
    return result


FULL = {"action": "a", "caption": "A", "popup": True, "group": "expected"}

#: A rule, what is written into its row, and the rule that comes of it.
CHANGES: list[tuple[Any, dict[str, str], Any]] = [
    ({"action": "a"}, {"role": "boss"}, {"action": "a", "role": "boss"}),
    ({"action": "a"}, {"role": "boss, owner"}, {"action": "a", "role": ["boss", "owner"]}),
    ({"action": "a"}, {"role": '"Sales, North", owner'}, {"action": "a", "role": ["Sales, North", "owner"]}),
    ({"action": "a", "role": "boss"}, {"role": ""}, {"action": "a"}),
    ({"action": "a", "role": ["boss", "owner"]}, {"role": "boss"}, {"action": "a", "role": ["boss"]}),
    ({"action": "a"}, {"status": "null"}, {"action": "a", "status": None}),
    ({"action": "a"}, {"role": "null"}, {"action": "a", "role": "null"}),
    ({"action": "a"}, {"action": "null", "role": "b, null"}, {"action": "null", "role": ["b", "null"]}),
    ({"action": "a"}, {"status": "!null, !done"}, {"action": "a", "status": ["!null", "!done"]}),
    ({"action": "a", "status": None}, {"status": "null, new"}, {"action": "a", "status": [None, "new"]}),
    ({"action": "a"}, {"action": "b"}, {"action": "b"}),
    ({"action": "a"}, {"action": "a, b"}, {"action": ["a", "b"]}),
    ({"action": "a"}, {"action": ""}, {}),
    ({"action": FULL}, {"action": "b"}, {"action": {**FULL, "action": "b"}}),
    ({"action": [FULL, "b"]}, {"action": "b, c, a"}, {"action": ["b", "c", FULL]}),
    ({"action": FULL}, {"action": "a, b"}, {"action": [FULL, "b"]}),
    ({"action": "a"}, {"action": '{"url": "/x/", "caption": "X"}'}, {"action": {"url": "/x/", "caption": "X"}}),
    ({"action": "a"}, {"caption": "Do"}, {"action": {"action": "a", "caption": "Do"}}),
    ({"action": FULL}, {"caption": ""}, {"action": {"action": "a", "popup": True, "group": "expected"}}),
    (
        {"action": ["a", FULL]},
        {"group": "anytime"},
        {"action": [{"action": "a", "group": "anytime"}, {**FULL, "group": "anytime"}]},
    ),
    ({"action": FULL}, {"group": "optional"}, {"action": {**FULL, "group": "optional"}}),
    ({"action": "a"}, {"condition": " data.x > 1 "}, {"action": "a", "if": "data.x > 1"}),
    ({"action": "a", "if": "true"}, {"condition": ""}, {"action": "a"}),
    ({"action": "a", "more": [1]}, {"comment": "why\r\nso"}, {"action": "a", "more": [1], "comment": "why\nso"}),
    ("odd", {"action": "a"}, {"action": "a"}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "texts", "result"), CHANGES, ids=str)
def test_a_change_changes_just_that(rule: Any, texts: dict[str, str], result: Any) -> None:
    assert changed(rule, **texts) == result


def test_a_new_row_makes_a_rule_with_its_keys_in_the_usual_order() -> None:
    row = RuleRow(
        role="boss", status="open", action="a", caption="A", group="expected", condition="true", comment="why"
    )
    assert json.dumps(compile_rows([row])) == json.dumps(
        [
            {
                "comment": "why",
                "role": "boss",
                "status": "open",
                "action": {"action": "a", "caption": "A", "group": "expected"},
                "if": "true",
            }
        ]
    )


def test_a_row_in_which_nothing_was_written_is_blank() -> None:
    assert RuleRow().is_blank
    assert RuleRow(group="expected", role=" ").is_blank
    assert not RuleRow(comment="x").is_blank
    assert not rows_of([{}])[0].is_blank


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        ({"role": '"open'}, "/0/role"),
        ({"status": '"a" b'}, "/0/status"),
        ({"action": "{a}"}, "/0/action"),
        ({"action": "a, b", "caption": "Two"}, "/0/caption"),
    ],
)
def test_what_can_not_be_read_is_told_at_its_field(texts: dict[str, str], path: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        compile_rows([RuleRow(**texts)])
    assert [problem.path for problem in caught.value.problems] == [path]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/3/role/0", (3, "role")),
        ("/0/if", (0, "condition")),
        ("/1/action/2/caption", (1, "caption")),
        ("/1/action/group", (1, "group")),
        ("/1/action/0/url", (1, "action")),
        ("/2/caption", (2, "")),
        ("/2/odd", (2, "")),
        ("/2", (2, "")),
        ("", (None, "")),
    ],
)
def test_a_problem_belongs_to_the_field_that_shows_it(path: str, place: tuple[int | None, str]) -> None:
    assert field_of(path) == place
