"""What a history tells of changed data: where, what was there and what is, and never too much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.data_changes import MAX_CHANGES, MAX_CHARS, data_changes

CHANGES = [
    ({}, {}, []),
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, [{"path": "/a", "before": 1, "after": 2}]),
    ({}, {"a": None}, [{"path": "/a", "after": None}]),
    ({"a": []}, {}, [{"path": "/a", "before": []}]),
    ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [{"path": "/a/b/c", "before": 1, "after": 2}]),
    ({"a/b": 1}, {"a/b": 2}, [{"path": "/a~1b", "before": 1, "after": 2}]),
    ({"a": [1, 2]}, {"a": [1, 2, 3]}, [{"path": "/a/2", "after": 3}]),
    ({"a": "1"}, {"a": 1}, [{"path": "/a", "before": "1", "after": 1}]),
    ({"a": 1}, {"a": True}, [{"path": "/a", "before": 1, "after": True}]),
]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(("before", "after", "changes"), CHANGES)
def test_each_change_is_told_with_its_place(before: dict, after: dict, changes: list) -> None:
    assert data_changes(before, after) == changes


def test_a_long_value_is_told_by_its_length() -> None:
    text = "x" * MAX_CHARS
    assert data_changes({"a": "short"}, {"a": text}) == [
        {"path": "/a", "before": "short", "after_chars": MAX_CHARS + 2}
    ]


def test_of_many_changes_the_rest_is_counted() -> None:
    changes = data_changes({}, {str(number): number for number in range(MAX_CHANGES + 7)})
    assert len(changes) == MAX_CHANGES + 1
    assert changes[-1] == {"more": 7}


def test_a_value_of_megabytes_is_not_looked_into() -> None:
    large = list(range(50_000))
    assert data_changes({"a": large}, {"a": [*large, 1]}) == [
        {
            "path": "/a",
            "before_chars": len(str(large).replace(" ", "")),
            "after_chars": len(str([*large, 1]).replace(" ", "")),
        }
    ]


@given(st.dictionaries(st.text(), VALUES))
def test_what_is_the_same_has_not_changed(data: dict) -> None:
    assert data_changes(data, dict(data)) == []
