"""Where a thing finds what is bound for it: itself, then upward, the nearest first."""

import pytest

from processes.domain.dynamic_bindings import MOST_CONTEXTS, chain_of, first_bound

#: What is directly above each thing; None is a relation that isn't filled in.
ABOVE: dict[str, list[str | None]] = {
    "claim": ["type", "team"],
    "type": ["tenant"],
    "team": ["department", None],
    "department": ["tenant"],
    "tenant": [],
    "self": ["self"],
    "egg": ["hen"],
    "hen": ["egg", "tenant"],
    "lonely": [None, None],
}


def chain(thing: str) -> list[str]:
    return chain_of(thing, upward=lambda one: ABOVE[one], identity=lambda one: one)


@pytest.mark.parametrize(
    ("thing", "found"),
    [
        ("tenant", ["tenant"]),
        ("type", ["type", "tenant"]),
        ("claim", ["claim", "type", "team", "tenant", "department"]),
        ("self", ["self"]),
        ("egg", ["egg", "hen", "tenant"]),
        ("lonely", ["lonely"]),
    ],
)
def test_a_chain_holds_each_thing_once_the_nearest_first(thing: str, found: list[str]) -> None:
    assert chain(thing) == found


def test_a_chain_without_an_end_is_cut_off() -> None:
    assert chain_of(0, upward=lambda one: [one + 1], identity=lambda one: one) == list(range(MOST_CONTEXTS))


def test_things_are_the_same_by_what_they_have_in_common() -> None:
    assert chain_of("Ann", upward=lambda _: ["ANN", "Bob"], identity=str.lower) == ["Ann", "Bob"]


@pytest.mark.parametrize(
    ("bound", "found"),
    [
        ({}, None),
        ({"tenant": 3}, 3),
        ({"tenant": 3, "type": 2}, 2),
        ({"claim": 1, "tenant": 3, "type": 2}, 1),
        ({"type": None, "tenant": 3}, 3),
        ({"elsewhere": 4}, None),
    ],
)
def test_the_first_that_has_something_bound_gives_it(bound: dict[str, int | None], found: int | None) -> None:
    assert first_bound(["claim", "type", "tenant"], dict(bound)) == found
