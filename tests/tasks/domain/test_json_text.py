"""JSON that others have written is read in one way: what isn't JSON is refused, and said to be so."""

from collections.abc import Callable

import pytest

from tasks.domain.json_text import JsonFault, UnreadableJson, read_json, read_sent
from tasks.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, "ä", null, true]}', {"a": [1, 2.5, "ä", None, True]}),
        ('{"ä": 1}'.encode(), {"ä": 1}),
        ("\ufeff[1]", [1]),
        ("\ufeff[1]".encode(), [1]),
        (' "x" ', "x"),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_is_read_from_characters_and_from_utf8(text: str | bytes, value: object) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "fault", "message"),
    [
        (b'["\xff"]', JsonFault.ENCODING, "not UTF-8, byte 3 can't be read"),
        ('{"a": 1}'.encode("utf-16"), JsonFault.ENCODING, "not UTF-8, byte 1 can't be read"),
        ("", JsonFault.SYNTAX, "Expecting value at line 1, column 1"),
        ('{"a": 1,\n b}', JsonFault.SYNTAX, "at line 2, column 2"),
        ("[1] 2", JsonFault.SYNTAX, "Extra data at line 1, column 5"),
        ("[NaN]", JsonFault.CONSTANT, "NaN isn't a JSON number"),
        ("-Infinity", JsonFault.CONSTANT, "-Infinity isn't a JSON number"),
        ("9" * 10_000, JsonFault.NUMBER, "a number has too many digits"),
        ("[" * 100_000, JsonFault.DEPTH, "nested too deeply to be read"),
    ],
)
def test_what_is_no_json_is_refused_with_the_fault_and_its_place(
    text: str | bytes, fault: JsonFault, message: str
) -> None:
    with pytest.raises(UnreadableJson, match=message) as refused:
        read_json(text)
    assert refused.value.fault is fault
    assert (refused.value.line > 0) is (fault is JsonFault.SYNTAX)


@pytest.mark.parametrize(
    ("text", "absurd"),
    [
        ("[" * 400 + "]" * 400, False),
        ("[" * 401 + "]" * 401, True),
        ("[{}" + ",[{}]" * 1_000 + "]", False),
        ('["' + "[" * 1_000 + '"]', False),
        ('["\\"' + "[" * 1_000 + '"]', False),
        ('["\\\\"' + "[" * 1_000, True),
        ('{"a":' * 1_000, True),
        ('["' + "{" * 1_000, False),
    ],
)
def test_depth_is_counted_outside_of_texts(text: str, absurd: bool) -> None:
    fault = None
    try:
        read_json(text)
    except UnreadableJson as error:
        fault = error.fault
    assert (fault is JsonFault.DEPTH) is absurd


def test_what_is_no_number_is_read_for_who_can_name_its_place() -> None:
    value = read_json('{"a": [NaN, -Infinity]}', takes_constants=True)
    assert repr(value) == "{'a': [nan, -inf]}"


def test_little_stack_is_told_as_depth() -> None:
    # Since Python 3.12 the reader itself takes none of it, but whoever makes the objects does.
    def make(pairs: list[tuple[str, object]]) -> object:
        return below(300, lambda: dict(pairs))

    def below(levels: int, then: Callable[[], object]) -> object:
        return below(levels - 1, then) if levels else then()

    with pytest.raises(UnreadableJson) as refused:
        below(700, lambda: read_json("[" * 300 + "{}" + "]" * 300, make_object=make))
    assert refused.value.fault is JsonFault.DEPTH


def test_an_object_is_made_as_the_reader_is_told() -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise LookupError("twice")
        return dict(pairs)

    assert read_json('{"a": {"b": 1}}', make_object=once) == {"a": {"b": 1}}
    with pytest.raises(LookupError, match="twice"):
        read_json('{"a": 1, "a": 2}', make_object=once)


@pytest.mark.parametrize("text", ["", "{", "[NaN]", '"\\ud800"', b"\xff", "[" * 100_000])
def test_what_cannot_be_answered_with_is_a_bad_request(text: str | bytes) -> None:
    with pytest.raises(BadRequest, match="not JSON"):
        read_sent(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("[NaN]", "NaN isn't a JSON number"),
        (b'{"a": "\xff"}', "byte 8"),
        ('"\\ud800"', "half of a surrogate pair"),
        ("[" * 500, "nested too deeply"),
        ("[1e999]", "a number that is too large"),
    ],
)
def test_whoever_has_sent_what_is_no_json_is_told_where_or_why(text: str | bytes, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        read_sent(text)
