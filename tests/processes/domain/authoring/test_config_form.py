"""A config as a form: each key has a field of its type, placeholders fit everywhere, and nothing changes by itself."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from processes.domain.authoring.config_form import (
    ConfigField,
    config_fields,
    further_keys,
    read_config,
    shown_text,
)
from processes.domain.scripts import config_schema
from processes.registry.scripts import scripts


class Inner(BaseModel):
    x: int = 1


class Example(BaseModel):
    model_config = ConfigDict(extra="allow")

    title: str = Field(description="What it is called.")
    limit: int = 10
    share: float | None = None
    either: int | float = 1
    wide: bool = False
    align: Literal["left", "right"] | None = None
    level: Literal[1, 2, "most"] = 1
    columns: list[str] | None = None
    inner: Inner = Inner()
    rows: list[Inner] = []
    any: Any = None
    target: str | dict[str, Any] = ""


FIELDS = config_fields(config_schema(Example))
BY_KEY = {field.key: field for field in FIELDS}


def typed(key: str, text: str, config: dict[str, Any] | None = None) -> Any:
    """Give the config after somebody typed this into one field, or the message where it can't be read."""
    read, problems = read_config(FIELDS, config or {}, {key: text}, {})
    return problems[0].message if problems else read


def test_each_key_has_a_field_of_its_type() -> None:
    assert [(field.key, field.kind) for field in FIELDS] == [
        ("title", "text"), ("limit", "integer"), ("share", "number"), ("either", "number"), ("wide", "boolean"),
        ("align", "choice"), ("level", "choice"), ("columns", "texts"), ("inner", "json"), ("rows", "json"),
        ("any", "json"), ("target", "mixed"),
    ]  # fmt: skip
    assert BY_KEY["title"] == ConfigField(key="title", kind="text", required=True, description="What it is called.")
    assert BY_KEY["level"].choices == (1, 2, "most")


READ: list[tuple[str, str, Any]] = [
    # (the key, what is typed, the value or the message)
    ("title", "Hello", "Hello"),
    ("title", "two\r\nlines", "two\nlines"),
    ("title", "5", "5"),
    ("limit", "5", 5),
    ("limit", " 5 ", 5),
    ("limit", "5.5", "Must be a whole number, or a placeholder"),
    ("limit", "true", "Must be a whole number, or a placeholder"),
    ("limit", "many", "Must be a whole number, or a placeholder"),
    ("share", "0.5", 0.5),
    ("share", "1", 1),
    ("share", "NaN", "Must be a number, or a placeholder"),
    ("wide", "true", True),
    ("wide", "false", False),
    ("wide", "1", "Must be true or false, or a placeholder"),
    ("align", "left", "left"),
    ("align", "up", "Must be one of the choices, or a placeholder"),
    ("level", "2", 2),
    ("level", "most", "most"),
    ("columns", "a\r\n\r\nb c", ["a", "b c"]),
    ("inner", '{"x": 2}', {"x": 2}),
    ("any", "null", None),
    ("target", "slug", "slug"),
    ("target", '{"name": "x"}', {"name": "x"}),
]


@pytest.mark.parametrize(("key", "text", "expected"), READ)
def test_what_is_typed_is_read_as_the_fields_type(key: str, text: str, expected: Any) -> None:
    read = typed(key, text)
    assert json.dumps(read if isinstance(read, str) else read[key]) == json.dumps(expected)


@pytest.mark.parametrize("key", ["inner", "target"])
def test_what_only_looks_like_json_is_told_with_its_place(key: str) -> None:
    assert typed(key, '{"x": 2').startswith("Not valid JSON: ")


@pytest.mark.parametrize("key", [field.key for field in FIELDS])
@pytest.mark.parametrize("text", ["${bound}", "%{data:a.b}"])
def test_a_placeholder_fits_everywhere(key: str, text: str) -> None:
    assert typed(key, text) == {key: text}


def test_a_placeholder_among_lines_is_one_of_the_texts() -> None:
    assert typed("columns", "${first}\nother") == {"columns": ["${first}", "other"]}


@pytest.mark.parametrize("key", [field.key for field in FIELDS])
def test_an_emptied_field_leaves_its_key_out(key: str) -> None:
    before = {"title": "x", "limit": 1, "share": 1, "either": 1, "wide": True, "align": "left", "level": 1,
              "columns": ["a"], "inner": {"x": 2}, "rows": [], "any": 1, "target": "t"}  # fmt: skip
    assert typed(key, " ", before) == {name: value for name, value in before.items() if name != key}


SHOWN: list[tuple[str, Any, str, str]] = [
    # (the key, its value, the kind and the text in which it is shown)
    ("title", "Hello", "text", "Hello"),
    ("title", 5, "json", "5"),
    ("title", None, "json", "null"),
    ("limit", 5, "integer", "5"),
    ("limit", 5.0, "json", "5.0"),
    ("limit", "%{data:n}", "integer", "%{data:n}"),
    ("limit", "5", "json", '"5"'),
    ("share", 0.5, "number", "0.5"),
    ("wide", True, "boolean", "true"),
    ("wide", 1, "json", "1"),
    ("level", 2, "choice", "2"),
    ("level", True, "json", "true"),
    ("columns", ["a", "b"], "texts", "a\nb"),
    ("columns", "${all}", "texts", "${all}"),
    ("columns", ["${all}"], "json", '["${all}"]'),
    ("columns", ["a\nb"], "json", '["a\\nb"]'),
    ("columns", [], "texts", ""),
    ("target", "slug", "mixed", "slug"),
    ("target", "5", "mixed", '"5"'),
    ("target", {"a": 1}, "mixed", '{"a": 1}'),
]


@pytest.mark.parametrize(("key", "value", "kind", "text"), SHOWN)
def test_a_value_is_shown_in_its_fields_manner_or_as_json(key: str, value: Any, kind: str, text: str) -> None:
    assert shown_text(BY_KEY[key], {key: value}) == (kind, text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", " ", "a", "5", "true", "left", "${x}", "a %{now} b", "a\r\nb", "\n", '{"', '["a"]', "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
configs = st.dictionaries(st.sampled_from([*BY_KEY, "further", "more"]), values)


@given(configs)
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(config: dict[str, Any]) -> None:
    # A browser sends line ends in a way of its own.
    texts = {field.key: shown_text(field, config)[1].replace("\r\n", "\n").replace("\n", "\r\n") for field in FIELDS}
    read, problems = read_config(FIELDS, config, texts, further_keys(FIELDS, config))
    assert json.dumps(read) == json.dumps(config)
    assert problems == []


@given(configs)
def test_what_is_shown_is_read_as_what_it_was(config: dict[str, Any]) -> None:
    """Typed into an empty form, the text of a value gives that value, but for what leaves a key out."""
    for field in FIELDS:
        kind, text = shown_text(field, config)
        if not text.strip() or kind != field.kind or field.kind in ("text", "texts"):
            continue
        value = config[field.key]
        if isinstance(value, str) and ("{" in value or "\r" in value) and field.kind == "mixed":
            continue
        read, problems = read_config(FIELDS, {}, {field.key: text}, {})
        assert (problems, json.dumps(read)) == ([], json.dumps({field.key: value}))


def test_keys_keep_their_order_and_new_ones_follow_the_models() -> None:
    config = {"further": 1, "wide": True, "title": "x"}
    read, _ = read_config(FIELDS, config, {"limit": "3", "align": "left"}, {"new": 2, "further": 3})
    assert list(read.items()) == [
        ("further", 3), ("wide", True), ("title", "x"), ("limit", 3), ("align", "left"), ("new", 2),
    ]  # fmt: skip


def test_a_key_with_a_field_isnt_taken_from_the_further_ones() -> None:
    read, problems = read_config(FIELDS, {"limit": 1}, {}, {"limit": 2})
    assert read == {"limit": 1}
    assert [(problem.path, problem.message) for problem in problems] == [
        ("/limit", '"limit" has a field of its own: fill that in')
    ]


def test_what_cant_be_read_keeps_its_value() -> None:
    read, problems = read_config(FIELDS, {"limit": 1}, {"limit": "many"}, {})
    assert (read, [problem.path for problem in problems]) == ({"limit": 1}, ["/limit"])


def test_every_script_of_the_library_has_a_field_for_each_key() -> None:
    specs = [spec for name in scripts.names() if (spec := scripts.find(name)) is not None and spec.config is not None]
    assert specs
    for spec in specs:
        schema = config_schema(spec.config)  # type: ignore[arg-type]
        assert [field.key for field in config_fields(schema)] == list(schema["properties"])
