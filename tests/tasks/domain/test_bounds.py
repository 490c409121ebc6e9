"""Texts of a tree are bounded, and what is reported is what every database stores."""

import json
from decimal import Decimal

import pytest

from tasks.domain.bounds import measure, pieces, shorten, tail
from tasks.domain.jsonvalue import JSON, storable, storable_dumps


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_the_tail_begins_at_a_line_where_it_can() -> None:
    assert tail("one\ntwo\nthree\n", 10) == "three\n"
    assert tail("x" * 20, 10) == "x" * 10


def test_long_output_is_split_without_loss() -> None:
    text = "".join(str(number) for number in range(100))
    assert "".join(pieces(text, 7)) == text
    assert pieces("", 7) == []


@pytest.mark.parametrize(
    ("reported", "taken"),
    [
        (3, 3),
        (2.5, 2.5),
        (Decimal("1.5"), 1.5),
        (True, 1.0),
        (2**80, float(2**80)),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        ("many", None),
        (None, None),
    ],
)
def test_a_reported_number_is_taken_as_databases_and_json_have_it(reported: object, taken: float | None) -> None:
    assert measure(reported) == taken


def test_text_holds_nothing_that_a_database_refuses() -> None:
    assert shorten("a\0b\ud800c\U0001f600", 10) == "a\ufffdb\ufffdc\U0001f600"


@pytest.mark.parametrize("value", ["a\0b", "\ud83d", {"k\0": ["\\u0000", "\\\0"]}, "\U0001f600", "\\u0000"])
def test_json_for_the_database_differs_only_in_what_it_refuses(value: JSON) -> None:
    text = storable_dumps(value)
    text.encode()
    decoded = json.loads(text)
    assert "\0" not in str(decoded)
    assert storable(value) == decoded
    if value in ("\U0001f600", "\\u0000"):
        assert decoded == value
