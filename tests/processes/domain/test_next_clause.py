"""Looking up where to go next."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.next_clause import NextClause, parse_next
from processes.errors import Problem


def clause(value: object) -> NextClause:
    problems: list[Problem] = []
    result = parse_next(value, "", problems)
    assert problems == []
    return result


LOOKUPS: list[tuple[object, str | None, tuple[str, ...], object]] = [
    # (clause, state, alternatives, destination)
    (True, "x", (), True),
    (False, "x", (), False),
    ("b", "x", (), "b"),
    ({"x": "b"}, "x", (), "b"),
    ({"x": "b"}, "y", (), True),
    ({"x": "b"}, None, (), True),
    ({"x": "b", "*": False}, "y", (), False),
    ({"x": "b", "*": False}, None, (), False),
    ({"alias": "b", "*": False}, "x", ("alias",), "b"),
    ({"x": "a", "alias": "b"}, "x", ("alias",), "a"),
    ({"group": "c", "alias": "b"}, "x", ("alias", "group"), "b"),
    ({"alias": "b"}, None, ("alias",), True),
]


@pytest.mark.parametrize(("value", "state", "alternatives", "destination"), LOOKUPS)
def test_a_state_leads_somewhere(
    value: object, state: str | None, alternatives: tuple[str, ...], destination: object
) -> None:
    assert clause(value).lookup(state, *alternatives) == destination


destinations = st.booleans() | st.text(min_size=1, max_size=3)


@given(st.dictionaries(st.text(max_size=2), destinations), st.none() | st.text(max_size=2))
def test_a_lookup_is_exact_then_the_star_then_true(states: dict[str, Any], state: str | None) -> None:
    expected = states.get(state, states.get("*", True)) if state is not None else states.get("*", True)
    assert clause(states).lookup(state) == expected


@given(destinations | st.dictionaries(st.text(max_size=2), destinations))
def test_a_clause_is_written_as_it_was_read(value: object) -> None:
    assert clause(value).to_json() == value


def test_a_clause_tells_its_branches_and_targets() -> None:
    lookup = clause({"a/b": "x", "y": True, "*": "z"})
    assert lookup.names_state("a/b")
    assert lookup.names_state("gone", "y")
    assert not lookup.names_state("gone")
    assert list(lookup.targets()) == [("/a~1b", "x"), ("/*", "z")]
    assert list(clause("x").targets()) == [("", "x")]
    assert list(clause(True).targets()) == []
