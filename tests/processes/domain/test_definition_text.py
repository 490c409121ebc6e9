"""Reading definitions from text: mistakes of syntax have a line and a column."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.definition_text import MAX_TEXT_CHARACTERS, parse_json_text, parse_text
from processes.errors import DefinitionError

MISTAKES: list[tuple[str | bytes, str]] = [
    ("", "line 1, column 1"),
    ('[\n  {"name": "a",}\n]', "line 2"),
    ("[1, 2", "line 1, column 6"),
    ("[NaN]", "NaN isn't a JSON number"),
    ("[-Infinity]", "-Infinity isn't a JSON number"),
    ("[" * 100_000, "Nested too deeply"),
    ("[" + "9" * 10_000 + "]", "Not valid JSON"),
    (" " * (MAX_TEXT_CHARACTERS + 1), "Longer than"),
    (b"[\xff]", "not UTF-8, byte 2"),
    (b'["\\ud800"]', "surrogate"),
    ('["\\u0000"]', "NUL"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_told_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_json_text(text)
    assert message in caught.value.problems[0].message


def test_the_line_with_the_mistake_is_shown() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_text('[\n  {"name" "a"}\n]')
    assert caught.value.problems[0].value == '{"name" "a"}'


def test_a_key_that_is_given_twice_is_a_mistake() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_text('[{"name": "a", "config": {"x": 1, "y": {}, "x": 2}}]')
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == ("/0/config/x", 'The key "x" is given more than once')


@pytest.mark.parametrize("text", ['[{"name": "a"}]', '\ufeff[{"name": "a"}]', b'\xef\xbb\xbf[{"name": "a"}]'])
def test_text_with_or_without_a_byte_order_mark_is_read(text: str | bytes) -> None:
    assert [action.name for action in parse_text(text).actions] == ["a"]


@given(st.text() | st.binary())
def test_no_text_is_more_than_a_definition_error(text: str | bytes) -> None:
    with suppress(DefinitionError):
        parse_text(text)
