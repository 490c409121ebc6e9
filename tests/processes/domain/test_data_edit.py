"""Changing data by hand, compared with what the editor saw."""

from typing import Any

import pytest

from processes.domain.data_edit import DataEdit


def test_keys_are_set_and_removed_and_the_others_left_alone() -> None:
    data = {"a": 1, "b": 2, "c": 3}
    DataEdit(values={"a": [1]}, removed=frozenset({"b"})).apply(data)
    assert data == {"a": [1], "c": 3}


@pytest.mark.parametrize(
    ("data", "conflicts"),
    [
        ({"a": 1, "c": 0}, []),
        ({"a": 1.0}, []),
        ({"a": True}, ["a"]),
        ({"a": 2}, ["a"]),
        ({}, ["a"]),
        ({"a": 1, "b": 5}, ["b"]),
    ],
)
def test_an_edit_holds_only_where_its_keys_are_as_they_were_seen(data: dict[str, Any], conflicts: list[str]) -> None:
    assert DataEdit(values={"a": 7, "b": 7}, seen={"a": 1}).conflicts(data) == conflicts


def test_nested_values_are_compared_as_a_reader_in_another_language_sees_them() -> None:
    edit = DataEdit(removed=frozenset({"a"}), seen={"a": {"x": [1, {"y": None}]}})
    assert edit.conflicts({"a": {"x": [1.0, {"y": None}]}}) == []
    assert edit.conflicts({"a": {"x": [1, {"y": False}]}}) == ["a"]


def test_it_survives_as_json() -> None:
    edit = DataEdit(values={"a": 1}, removed=frozenset({"b"}), seen={"b": None})
    assert DataEdit.from_json(edit.to_json()) == edit


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"sets": {}}, "sets"),
        ({"set": []}, "objects"),
        ({"remove": "a"}, "list"),
        ({"set": {"a": 1}, "remove": ["a"]}, '"a"'),
        ({}, "at least one"),
        ({"set": {"": 1}}, "characters"),
        ({"set": {"a": "\0"}}, "/set/a"),
    ],
)
def test_what_is_no_edit_is_refused_by_name(sent: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DataEdit.from_json(sent)


@pytest.mark.parametrize(
    ("seen", "typed", "expected"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({}, {}, None),
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": {"b": [1]}}, {"a": {"b": [1]}}, None),
        ({"a": 1}, {"a": True}, {"set": {"a": True}, "remove": [], "seen": {"a": 1}}),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"set": {"b": 3}, "remove": [], "seen": {"b": 2}}),
        ({"a": 1, "b": 2}, {"b": 2}, {"set": {}, "remove": ["a"], "seen": {"a": 1}}),
        ({"a": 1}, {"a": 1, "new": None}, {"set": {"new": None}, "remove": [], "seen": {}}),
        ({"a": None}, {}, {"set": {}, "remove": ["a"], "seen": {"a": None}}),
    ],
)
def test_what_was_made_of_the_data_that_somebody_saw_is_an_edit_of_just_that(
    seen: dict[str, object], typed: dict[str, object], expected: dict[str, object] | None
) -> None:
    edit = DataEdit.between(seen, typed)
    assert (None if edit is None else edit.to_json()) == expected
