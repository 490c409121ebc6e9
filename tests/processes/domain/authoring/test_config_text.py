"""Configs as people read them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.config_text import config_pieces, json_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def marked(config: object, bound: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [
        (piece.text, piece.kind) for piece in config_pieces(config, bound or {}) if piece.kind not in ("plain", "key")
    ]


@given(values)
def test_a_value_reads_as_the_json_that_it_is(value: object) -> None:
    assert json.loads(json_text(value)) == value


@given(values, st.dictionaries(st.text(max_size=3), values, max_size=3))
def test_a_config_that_binds_nothing_reads_as_the_json_that_it_is(value: object, bound: dict[str, Any]) -> None:
    pieces = config_pieces(value, bound)
    if not any(piece.kind == "bound" for piece in pieces):
        assert json.loads("".join(piece.text for piece in pieces)) == value


CASES: list[tuple[object, list[tuple[str, str]]]] = [
    ({"a": "plain", "b": 1}, []),
    ({"a": "${limit}"}, [("50", "bound")]),
    ({"a": ["x", {"b": "${limit}"}]}, [("50", "bound")]),
    ("${limit}", [("50", "bound")]),
    ({"a": "no ${limit} at all"}, []),
    ({"a": "${gone}"}, [('"${gone}"', "unbound")]),
    ({"a": "Hello %{data:name}, it's %{now}"}, [("%{data:name}", "placeholder"), ("%{now}", "placeholder")]),
    ({"a": "%{nothing}"}, []),
    ({"a": "${long}"}, [("[… 100 items]", "bound")]),
    ({"a": "${tricky}"}, [('"%{now} ${limit}"', "bound")]),
]


@pytest.mark.parametrize(("config", "expected"), CASES)
def test_what_was_bound_and_what_is_filled_later_is_marked(config: object, expected: list[tuple[str, str]]) -> None:
    bound = {"limit": 50, "long": list(range(100)), "tricky": "%{now} ${limit}"}
    assert marked(config, bound) == expected


def test_short_containers_stay_on_one_line_and_long_ones_get_one_for_each_item() -> None:
    assert json_text({"a": [1, 2], "b": None}) == '{"a": [1, 2], "b": null}'
    assert json_text({"a": "x" * 50, "b": "y" * 50}) == '{\n  "a": "' + "x" * 50 + '",\n  "b": "' + "y" * 50 + '"\n}'
