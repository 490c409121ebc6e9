"""A JSON Pointer leads to its place in the text, and a mistake is told where it is."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.json_positions import Lines, Position, find_places, pointer_parts
from processes.domain.json_values import pointer

_keys = st.text(max_size=6) | st.sampled_from(["a/b", "~", "~1", "", "0", "ключ", "🚲"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=15,
)


def write(value: Any, chance: random.Random) -> str:
    """Write JSON with blanks and escapes wherever they may stand."""

    def blank() -> str:
        return "".join(chance.choice([" ", "\n", "\r\n", "\t"]) for _ in range(chance.randrange(3)))

    def scalar(item: Any) -> str:
        return json.dumps(item, ensure_ascii=chance.random() < 0.5)

    if isinstance(value, list):
        inner = ",".join(blank() + write(item, chance) + blank() for item in value)
        return f"[{inner or blank()}]"
    if isinstance(value, dict):
        members = (
            f"{blank()}{scalar(k)}{blank()}:{blank()}{write(item, chance)}{blank()}" for k, item in value.items()
        )
        return f"{{{','.join(members) or blank()}}}"
    return scalar(value)


def all_pointers(value: Any, path: tuple[str | int, ...] = ()) -> dict[str, Any]:
    found = {pointer(*path): value}
    pairs = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in pairs:
        found |= all_pointers(item, (*path, key))
    return found


@given(_values, st.randoms(use_true_random=False))
def test_the_span_of_every_pointer_reads_as_the_value_and_its_key_as_the_key(value: Any, chance: random.Random) -> None:
    text = f" {write(value, chance)}\n"
    wanted = all_pointers(value)
    places = find_places(text, wanted)
    assert places.broken is None
    for path, expected in wanted.items():
        place = places.by_pointer[path]
        assert place.exact
        assert json.loads(text[place.value.start : place.value.end]) == expected
        if place.key is not None:
            assert json.loads(text[place.key.start : place.key.end]) == pointer_parts(path)[-1]


@given(st.text(alphabet='[]{}:,"\\ntrue019.eE-+ \n\u20ac🚲', max_size=40))
def test_it_breaks_exactly_where_a_json_reader_refuses(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        is_json = False
    else:
        is_json = True
    places = find_places(text, ["", "/0", "/a"])
    assert (places.broken is None) == is_json
    if places.broken is not None:
        assert 0 <= places.broken.at <= len(text)


@given(_values, st.integers(min_value=0))
def test_what_stands_before_a_mistake_is_still_found(value: Any, cut: int) -> None:
    text = json.dumps([value, value])
    text = text[: 1 + cut % len(text)]
    places = find_places(text, ["", "/0", "/1"])
    whole = json.dumps(value)
    first = places.by_pointer["/0"]
    if len(text) > 1 + len(whole):
        assert text[first.value.start : first.value.end] == whole
    assert places.by_pointer[""].value.start == 0


@pytest.mark.parametrize(
    ("text", "at", "expected", "suggestion"),
    [
        ("", 0, "a value is expected", None),
        ("[{]", 2, "a key in double quotes", None),
        ('[{"a" 1}]', 6, "a colon is expected", None),
        ("[1 2]", 3, "a comma or ] is expected", None),
        ('[{"a": 1} {}]', 10, "a comma is expected", None),
        ("[1,]", 2, "there is no comma", "Remove the comma"),
        ('{"a": 1,\n}', 7, "there is no comma", "Remove the comma"),
        ("['a']", 1, "a value", "Write texts in double quotes"),
        ("[True]", 1, "a value", "Write true, false or null in small letters"),
        ("[NaN]", 1, "a value", None),
        ("[01]", 1, "a value", None),
        ('["a\n"]', 1, "no closing quote", 'Close it with ". A line break inside is \\n'),
        (r'["a\d"]', 3, "an escape", "Write \\\\ for \\"),
        ("[]]", 2, "nothing may follow", "Remove it, or the bracket before it"),
        ('{"a": {"b": [1', 14, "a comma or ]", None),
    ],
)
def test_a_mistake_is_told_with_place_and_cure(text: str, at: int, expected: str, suggestion: str | None) -> None:
    broken = find_places(text, []).broken
    assert broken is not None
    assert broken.at == at
    assert expected in broken.expected
    assert broken.suggestion == suggestion


def test_what_is_not_there_gives_the_place_of_what_would_hold_it() -> None:
    text = '[{"name": "a"}]'
    place = find_places(text, ["/0/next/ok"]).by_pointer["/0/next/ok"]
    assert not place.exact
    assert text[place.value.start : place.value.end] == '{"name": "a"}'


def test_of_a_key_that_repeats_the_last_counts() -> None:
    text = '{"a": {"b": 1}, "a": {"c": 2}}'
    places = find_places(text, ["/a", "/a/b"]).by_pointer
    assert text[places["/a"].value.start : places["/a"].value.end] == '{"c": 2}'
    assert not places["/a/b"].exact
    assert places["/a/b"].value == places["/a"].value


@pytest.mark.parametrize(
    ("text", "offset", "position"),
    [
        ("ab", 1, Position(1, 2)),
        ("a\nb", 2, Position(2, 1)),
        ("a\r\nb", 3, Position(2, 1)),
        ("a\rb", 2, Position(2, 1)),
        ("a\u2028b", 2, Position(1, 3)),
        ("🚲b", 1, Position(1, 3)),
        ("a", 99, Position(1, 2)),
        ("a\n", 2, Position(2, 1)),
    ],
)
def test_lines_and_columns_are_counted_as_browsers_count(text: str, offset: int, position: Position) -> None:
    assert Lines(text).position(offset) == position


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":' * 10_000, '["' + "\\n" * 20_000, "[" + "1," * 30_000])
def test_an_absurd_text_takes_no_recursion_and_no_time(text: str) -> None:
    places = find_places(text, ["", "/a/a/a", "/0/0/0"])
    assert places.broken is not None
