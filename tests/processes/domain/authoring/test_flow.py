"""Where actions lead, branch by branch."""

from dataclasses import dataclass
from typing import Any

import pytest

from processes.domain.authoring.flow import branches_of, order_of
from processes.domain.next_clause import NextClause, parse_next

ORDER = order_of(["@start", "a", "@error", "b", "c", "@end", "@unknown"])


@dataclass(frozen=True)
class Doing:
    name: str
    next: NextClause


def doing(name: str, next: object) -> Doing:
    return Doing(name, parse_next(next, "", []))


CASES: list[tuple[str, object, list[tuple[Any, ...]]]] = [
    # (action, next, [(states, otherwise, leads, target)])
    ("a", True, [((), True, "following", "b")]),
    ("a", "b", [((), True, "following", "b")]),
    ("a", "c", [((), True, "jump", "c")]),
    ("a", "a", [((), True, "jump", "a")]),
    ("c", True, [((), True, "end", None)]),
    ("a", False, [((), True, "end", None)]),
    ("a", "@end", [((), True, "end", None)]),
    ("a", "@unknown", [((), True, "jump", "@unknown")]),
    ("a", "@default", [((), True, "missing", "@default")]),
    ("a", "@error", [((), True, "missing", "@error")]),
    ("a", "gone", [((), True, "missing", "gone")]),
    ("a", {}, [((), True, "following", "b")]),
    ("a", {"*": "c"}, [((), True, "jump", "c")]),
    ("a", {"x": "c", "*": "c"}, [((), True, "jump", "c")]),
    ("a", {"x": "c"}, [(("x",), False, "jump", "c"), ((), True, "following", "b")]),
    ("a", {"x": "c", "y": "c", "z": True}, [(("x", "y"), False, "jump", "c"), (("z",), True, "following", "b")]),
    ("a", {"*": False, "x": "c"}, [(("x",), False, "jump", "c"), ((), True, "end", None)]),
    ("@start", True, [((), True, "entry", None)]),
    ("@start", {"x": "b"}, [(("x",), False, "jump", "b"), ((), True, "entry", None)]),
    ("@error", True, [((), True, "end", None)]),
    ("@end", {"x": "a"}, [(("x",), False, "jump", "a"), ((), True, "end", None)]),
]


@pytest.mark.parametrize(("name", "next", "expected"), CASES)
def test_a_next_clause_has_these_branches(name: str, next: object, expected: list[tuple[Any, ...]]) -> None:
    found = branches_of(doing(name, next), ORDER)
    assert [(branch.states, branch.otherwise, branch.leads, branch.target) for branch in found] == expected


def test_the_only_branch_is_taken_whatever_the_state() -> None:
    assert [branch.is_only for branch in branches_of(doing("a", "c"), ORDER)] == [True]
    assert [branch.is_only for branch in branches_of(doing("a", {"x": "c"}), ORDER)] == [False, True]


def test_lifecycle_actions_are_no_part_of_the_sequence() -> None:
    assert ORDER.ordinary == ("a", "b", "c")
    assert ORDER.following == {"a": "b", "b": "c"}
