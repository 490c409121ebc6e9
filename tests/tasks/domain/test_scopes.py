"""What an API token is good for."""

import pytest

from tasks.domain.calls import CallKind
from tasks.domain.scopes import MOST_SCOPES, allows_address, allows_call, check_scopes
from tasks.errors import BadRequest

Q, M = CallKind.QUERY, CallKind.MUTATION


@pytest.mark.parametrize(
    "scopes", [["read"], ["write"], ["tasks:read", "instances:write"], ["call:shop.get_order", "subscribe-job:read"]]
)
def test_what_says_something_is_a_scope(scopes: list[str]) -> None:
    assert check_scopes([*scopes, scopes[0]]) == scopes


@pytest.mark.parametrize(
    "scopes",
    [
        [], [""], ["admin"], ["read "], ["tasks"], ["tasks:"], [":read"], ["tasks:delete"], ["call:"], ["a b:read"],
        ["call:a\nb"], [7], [None], ["call:" + "x" * 300], ["read"] * (MOST_SCOPES + 1), ["READ"],
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused_by_name(scopes: list[object]) -> None:
    with pytest.raises(BadRequest):
        check_scopes(scopes)


@pytest.mark.parametrize(
    ("scope", "looks", "changes"),
    [
        ("read", True, False),
        ("write", True, True),
        ("instances:read", True, False),
        ("instances:write", True, True),
        ("tasks:write", False, False),
        ("call:instances.get", False, False),
    ],
)
def test_a_part_of_the_api_is_open_as_the_scope_says(scope: str, looks: bool, changes: bool) -> None:
    assert allows_address([scope], "instances", is_safe=True) == looks
    assert allows_address([scope], "instances", is_safe=False) == changes


@pytest.mark.parametrize("area", ["events", "subscribe-job", "unsubscribe-job"])
def test_following_tasks_is_looking_whatever_the_method(area: str) -> None:
    assert allows_address(["tasks:read"], area, is_safe=False)
    assert not allows_address(["instances:read"], area, is_safe=True)


@pytest.mark.parametrize(
    ("scope", "queries", "mutations"),
    [
        ("read", True, False),
        ("write", True, True),
        ("rpc:read", True, False),
        ("rpc:write", True, True),
        ("call:a", True, True),
        ("call:b", False, False),
        ("tasks:write", False, False),
    ],
)
def test_calls_are_open_as_the_scope_says(scope: str, queries: bool, mutations: bool) -> None:
    assert (allows_call([scope], "a", Q), allows_call([scope], "a", M)) == (queries, mutations)
    # Which ones is asked of each; whether any, at the door.
    assert allows_address([scope], "rpc", is_safe=False) == (scope != "tasks:write")
