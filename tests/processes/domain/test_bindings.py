"""Bindings: reading targets, and putting them in the place of references."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.bindings import Binding, parse_bindings, reference_of, replace_references
from processes.errors import DefinitionError

FORMS: list[tuple[object, Binding]] = [
    ("noop", Binding("script", "noop")),
    ({"script": "noop"}, Binding("script", "noop")),
    ({"process": "approval"}, Binding("process", "approval")),
    ({"process": {"name": "x", "definition": []}}, Binding("process", {"name": "x", "definition": []})),
    ({"process": [{"name": "a"}]}, Binding("process", [{"name": "a"}])),
    ({"value": None}, Binding("value", None)),
    ({"value": {"any": ["json"]}}, Binding("value", {"any": ["json"]})),
    ({"data_node": "abc"}, Binding("data_node", "abc")),
    ({"status_rules": "claims"}, Binding("status_rules", "claims")),
    ({"credential": "smtp"}, Binding("credential", "smtp")),
    ({"queryset": "teams"}, Binding("queryset", "teams")),
]


@pytest.mark.parametrize(("written", "expected"), FORMS)
def test_a_target_has_these_forms(written: object, expected: Binding) -> None:
    (binding,) = parse_bindings({"ref": written}).values()
    assert binding == expected
    assert parse_bindings({"ref": binding.to_json()}) == {"ref": binding}


MISTAKES: list[tuple[object, str, str | None]] = [
    # (bindings, JSON Pointer, suggestion)
    ([], "", None),
    (None, "", None),
    ({"a": 5}, "/a", None),
    ({"a": ""}, "/a", None),
    ({"a": {}}, "/a", None),
    ({"a": {"script": "x", "value": 1}}, "/a", None),
    ({"a": {"scrpt": "x"}}, "/a/scrpt", 'Did you mean "script"?'),
    ({"a/b": {"script": 5}}, "/a~1b/script", None),
    ({"a": {"process": ""}}, "/a/process", None),
    ({"a": {"process": 5}}, "/a/process", None),
    ({"a": {"credential": None}}, "/a/credential", None),
    ({"": "noop"}, "/", None),
    ({"a}": "noop"}, "/a}", None),
    ({"a": {"value": float("inf")}}, "/a/value", None),
]


@pytest.mark.parametrize(("written", "path", "suggestion"), MISTAKES)
def test_a_mistake_is_named_with_its_place(written: object, path: str, suggestion: str | None) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_bindings(written, "/bindings")
    (problem,) = caught.value.problems
    assert problem.path == "/bindings" + path
    if suggestion is not None:
        assert problem.suggestion == suggestion


IN_CONFIG: list[tuple[Binding, object]] = [
    (Binding("value", {"x": 1}), {"x": 1}),
    (Binding("value", "${other}"), "${other}"),
    (Binding("data_node", "abc"), {"$ref": "data_node", "reference": "abc"}),
    (Binding("status_rules", "claims"), {"$ref": "status_rules", "name": "claims"}),
    (Binding("credential", "smtp"), {"$ref": "credential", "name": "smtp"}),
    (Binding("queryset", "teams"), {"$ref": "queryset", "name": "teams"}),
]


@pytest.mark.parametrize(("binding", "expected"), IN_CONFIG)
def test_a_config_gets_the_value_or_a_typed_reference(binding: Binding, expected: object) -> None:
    assert binding.in_config() == expected


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("${a}", "a"), ("${a b.c}", "a b.c"), ("${}", None), (" ${a}", None), ("${a} ", None), ("${a}${b}", None),
        ("x${a}", None), ("$a", None), ("${a", None), ("${a}\n", None), ("%{a}", None), ("${${a}}", None),
    ],
)  # fmt: skip
def test_only_a_text_that_is_exactly_a_reference_is_one(text: str, reference: str | None) -> None:
    assert reference_of(text) == reference


def replaced(config: object, values: dict[str, Any]) -> tuple[Any, list[object]]:
    unresolved: list[object] = []
    result, _ = replace_references(config, values.__getitem__, lambda path, name: unresolved.append((path, name)))
    return result, unresolved


def test_references_are_replaced_at_any_depth() -> None:
    config = {"a": "${x}", "b": [{"c": "${y}"}, "in ${x} text"], "${x}": 1}
    assert replaced(config, {"x": 1, "y": [2]}) == ({"a": 1, "b": [{"c": [2]}, "in ${x} text"], "${x}": 1}, [])
    assert replaced("${x}", {"x": None}) == (None, [])


def test_the_texts_that_may_hold_placeholders_are_listed_without_what_was_put_in() -> None:
    config = ["%{now}", {"a": "${x}", "b": "x %{data:y}", "c": "100%"}]
    _, texts = replace_references(config, {"x": "%{now}"}.__getitem__, lambda path, name: None)
    assert texts == [((0,), "%{now}"), ((1, "b"), "x %{data:y}")]


def test_what_is_put_in_is_not_replaced_again() -> None:
    assert replaced(["${x}"], {"x": "${y}", "y": 1}) == (["${y}"], [])


def test_what_is_not_bound_is_told_with_its_path() -> None:
    assert replaced({"a": ["${x}", "${y}"]}, {"y": 1}) == ({"a": ["${x}", 1]}, [(("a", 0), "x")])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_a_config_without_references_stays_equal_and_becomes_a_copy(config: Any) -> None:
    result, unresolved = replaced(config, {})
    if not unresolved:
        assert result == config
        assert result is not config or not isinstance(config, dict | list)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4) | json_values)
def test_no_json_is_more_than_a_definition_error(written: object) -> None:
    with suppress(DefinitionError):
        parse_bindings(written)
