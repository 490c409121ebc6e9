"""Filling placeholders just before an action runs."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.placeholders import Context, compile_fillers, fill, scan_texts, texts_of
from processes.errors import PlaceholderError

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ATTRIBUTES: dict[str, object] = {"x": [1, {"y": 2}], "state": "s", "odd": object(), "none": None}
CONTEXT = Context(
    parameters={"id": "7", "many": ["a", "b"], "order": {"lines": [{"n": 1}]}, "order.lines": "typed"},
    data={"a": {"b": {"c": 3}, "list": [10, {"k": None}]}, "n": 1.5, "t": True, "text": "%{now} ${ref}", "0": "zero"},
    attribute=ATTRIBUTES.__getitem__,
    now=lambda: NOW,
)


def filled(config: Any) -> Any:
    fillers, problems = scan_texts(texts_of(config))
    assert problems == []
    return fill(config, fillers, CONTEXT)


FILLED: list[tuple[object, object]] = [
    ("%{param:id}", "7"),
    ("%{param:many}", ["a", "b"]),
    ("%{param:many.1}", "b"),
    ("%{param:order.lines.0.n}", 1),
    # What has this very name comes first.
    ("%{param:order.lines}", "typed"),
    ("%{data:a}", {"b": {"c": 3}, "list": [10, {"k": None}]}),
    ("%{data:a.b.c}", 3),
    ("%{data:a.list.0}", 10),
    ("%{data:a.list.1.k}", None),
    ("%{data:0}", "zero"),
    ("%{data:n}", 1.5),
    ("%{attr:x}", [1, {"y": 2}]),
    ("%{attr:x.1.y}", 2),
    ("%{attr:state}", "s"),
    ("%{attr:none}", None),
    ("%{now}", "2026-11-20T12:00:00+00:00"),
    ("Row %{data:a.b.c} of %{param:id}!", "Row 3 of 7!"),
    ("%{data:t}%{data:n}", "true1.5"),
    (" %{data:a.b}", ' {"c":3}'),
    ("[%{data:a.list.1.k}]", "[]"),
    # Filled text isn't looked into again.
    ("%{data:text}", "%{now} ${ref}"),
    ("%{data:text}%{param:id}", "%{now} ${ref}7"),
    # Everything else stays.
    ("%{user}", "%{user}"),
    ("100%", "100%"),
    ("%{", "%{"),
    ("%(now)s", "%(now)s"),
    ({"%{now}": ["%{param:id}", {"deep": "%{data:n}"}]}, {"%{now}": ["7", {"deep": 1.5}]}),
    (None, None),
]


@pytest.mark.parametrize(("config", "expected"), FILLED)
def test_a_placeholder_becomes_its_value(config: object, expected: object) -> None:
    assert filled(config) == expected


MISSING = [
    ("%{param:x}", "isn't among the request's parameters"),
    ("%{param:x.y}", "isn't among the request's parameters"),
    ("%{param:many.2}", "isn't there"),
    ("%{param:id.0}", "isn't there"),
    ("%{param:order.lines.1.n}", 'has no "1"'),
    ("%{data:x}", "isn't there"),
    ("%{data:a.b.x}", 'has no "x"'),
    ("%{data:a.list.2}", 'has no "2"'),
    ("%{data:a.list.-1}", 'has no "-1"'),
    ("%{data:n.x}", 'has no "x"'),
    ("in text %{data:a..b}", 'has no ""'),
    ("%{attr:gone}", "isn't set"),
    ("%{attr:odd}", "isn't JSON"),
    ("in text %{attr:odd}", "isn't JSON"),
]


@pytest.mark.parametrize(("text", "message"), MISSING)
def test_what_is_missing_is_a_clear_error(text: str, message: str) -> None:
    with pytest.raises(PlaceholderError) as caught:
        filled({"key": [text]})
    assert message in caught.value.message
    assert text[text.index("%{") :] in caught.value.message
    assert caught.value.path == "/config/key/0"


MISSPELT = [
    ("%{parm:x}", "Write it like %{param:x}"),
    ("%{dat:x}", "Write it like %{data:x}"),
    ("%{Data:x}", "Write it like %{data:x}"),
    ("%{data}", "Write it like %{data:name}"),
    ("%{param:}", "Write it like %{param:name}"),
    ("%{ now }", "Write it like %{now}"),
    ("%{now:x}", "Write it like %{now}"),
]


@pytest.mark.parametrize(("text", "suggestion"), MISSPELT)
def test_a_misspelt_placeholder_is_a_problem(text: str, suggestion: str) -> None:
    _, problems = scan_texts(texts_of({"k": ["fine", f"see {text}"]}))
    assert [(problem.path, problem.suggestion) for problem in problems] == [("/k/1", suggestion)]


def test_filling_shares_nothing_with_the_config_or_the_data() -> None:
    config = {"list": [1], "value": "%{data:a}"}
    result = filled(config)
    result["list"].append(2)
    result["value"]["b"] = "changed"
    assert config["list"] == [1]
    assert CONTEXT.data["a"]["b"] == {"c": 3}


def test_stored_pointers_compile_to_the_same_fillers() -> None:
    config = {"a/b": ["%{now}"], "c": "x %{param:id}", "d": "%{param:id}"}
    fillers, _ = scan_texts((path, text) for path, text in texts_of(config) if path != ("d",))
    assert [filler.pointer for filler in fillers] == ["/a~1b/0", "/c"]
    assert compile_fillers(config, [filler.pointer for filler in fillers]) == fillers


@given(st.text())
def test_any_text_is_filled_or_refused_clearly(text: str) -> None:
    config = [f"%{{data:{text}}}", text]
    fillers, _ = scan_texts(texts_of(config))
    with suppress(PlaceholderError):
        fill(config, fillers, CONTEXT)


# Half of a surrogate pair or a NUL can't be stored, and isn't filled in either.
storable = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.dictionaries(st.text(min_size=1, alphabet="abc"), storable, min_size=1), storable)
def test_a_value_is_put_in_as_it_is(data: dict[str, str], around: str) -> None:
    context = Context(parameters={}, data=data, attribute=ATTRIBUTES.__getitem__, now=lambda: NOW)
    key = next(iter(data))
    before = around.replace("%", "").replace("{", "")
    fillers, _ = scan_texts(texts_of(f"{before}%{{data:{key}}}"))
    assert fill(f"{before}%{{data:{key}}}", fillers, context) == before + data[key]
