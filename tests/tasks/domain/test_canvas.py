"""What follows a failed part of a canvas."""

import pytest

from tasks.domain.canvas import abandoned, members

CHAIN = ["chain", "a", "b", "c"]
GROUP = ["group", "a", "b", "c"]
CHORD = ["chain", ["group", "a", "b"], "c"]
NESTED = ["chain", "a", ["group", ["chain", "b", "c"], "d"], ["chain", "e", "f"]]


@pytest.mark.parametrize(
    ("plan", "failed", "rest"),
    [
        ("a", "a", []),
        (CHAIN, "a", ["b", "c"]),
        (CHAIN, "c", []),
        (GROUP, "a", []),
        (CHORD, "a", ["c"]),
        (CHORD, "b", ["c"]),
        (CHORD, "c", []),
        (NESTED, "a", ["b", "c", "d", "e", "f"]),
        (NESTED, "b", ["c", "e", "f"]),
        (NESTED, "d", ["e", "f"]),
        (NESTED, "e", ["f"]),
        (NESTED, "elsewhere", []),
        (["group"], "a", []),
    ],
)
def test_what_is_never_begun(plan, failed, rest):
    assert abandoned(plan, failed) == rest


def test_members_come_in_their_order():
    assert list(members(NESTED)) == list("abcdef")
    assert list(members(["chain", ["group"], "a"])) == ["a"]
