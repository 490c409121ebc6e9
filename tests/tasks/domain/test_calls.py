"""What is sent as a call, and in which order the calls of a batch are made."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domain.calls import MOST_CALLS, Call, CallKind, parse_arguments, parse_batch, stages
from tasks.errors import BadRequest

Q, M = CallKind.QUERY, CallKind.MUTATION


@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"{}"])
def test_nothing_means_no_arguments(body: bytes) -> None:
    assert parse_arguments(body) == {}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[1]", "The body is an object"),
        (b'"text"', "The body is an object"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_are_no_arguments_is_told(body: bytes, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        parse_arguments(body)


def test_a_batch_keeps_the_order_of_its_calls() -> None:
    body = json.dumps([{"fn": "get_user", "args": {"id": 1}}, {"fn": "get_team"}])

    assert parse_batch(body) == [Call("get_user", {"id": 1}), Call("get_team", {})]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, None),
        ([1], "/0"),
        ([{"fn": "a"}, {"args": {}}], "/1/fn"),
        ([{"fn": ""}], "/0/fn"),
        ([{"fn": 7}], "/0/fn"),
        ([{"fn": "a" * 201}], "/0/fn"),
        ([{"fn": "a", "args": []}], "/0/args"),
        ([{"fn": "a", "arguments": {}}], "/0/arguments"),
        ([{"fn": "a"}] * (MOST_CALLS + 1), None),
    ],
)
def test_what_is_no_batch_names_the_place(value: object, path: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_batch(json.dumps(value))
    assert caught.value.fields.get("path") == path


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ([], []),
        ([Q, Q, Q], [[0, 1, 2]]),
        ([M, M], [[0], [1]]),
        ([Q, M, Q, Q, M], [[0], [1], [2, 3], [4]]),
    ],
)
def test_queries_are_made_together_and_mutations_one_by_one(kinds: list[CallKind], wanted: list[list[int]]) -> None:
    assert [list(stage) for stage in stages(kinds)] == wanted


@given(st.lists(st.sampled_from(list(CallKind)), max_size=30))
def test_each_call_is_made_once_in_its_turn(kinds: list[CallKind]) -> None:
    found = stages(kinds)

    assert [index for stage in found for index in stage] == list(range(len(kinds)))
    assert all(len(stage) == 1 or all(kinds[index] is Q for index in stage) for stage in found)
