"""Config models in words."""

from collections.abc import Callable
from typing import Literal

import pytest
from pydantic import BaseModel, Field, create_model
from typing_extensions import TypeAliasType

from processes.domain.authoring.schema_words import ConfigKey, config_tables
from processes.domain.json_values import JSON


class Item(BaseModel):
    """This is for those who read the code."""

    label: str = Field(description="What people see.")


class Tree(BaseModel):
    children: "list[Tree]" = []


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (int, "whole number"),
        (float, "number"),
        (bool, "true or false"),
        (JSON, "any JSON"),
        (dict[str, JSON], "object"),
        (dict[str, int], "object of whole numbers"),
        (list[str], "list of texts"),
        (list[JSON], "list"),
        (list[list[int]], "list of list of whole numbers"),
        (tuple[int, str], "list of whole number, text"),
        (str | None, "text"),
        (str | int, "text or whole number"),
        (str | list[str] | None, "text or list of texts"),
        (Literal["a", "b"], '`"a"` or `"b"`'),
        (Literal["a"], '`"a"`'),
        (list[Literal["a", "b"]], 'list of `"a"` or `"b"`'),
        (Item, "object"),
        (list[Item], "list of objects"),
        (Item | str, "object or text"),
    ],
)
def test_a_type_is_told_in_words(annotation: object, words: str) -> None:
    model = create_model("Config", x=(annotation, ...))
    assert config_tables(model)[0].keys[0].type == words


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field(ge=1, le=5), "whole number, at least 1, at most 5"),
        (Field(gt=1, lt=5), "whole number, more than 1, less than 5"),
    ],
)
def test_limits_are_told(field: object, words: str) -> None:
    assert config_tables(create_model("Config", x=(int, field)))[0].keys[0].type == words


def test_the_limits_of_texts_and_lists_are_told() -> None:
    model = create_model(
        "Config",
        a=(str, Field(min_length=1)),
        b=(str, Field(min_length=2, max_length=9, pattern="^x")),
        c=(list[str], Field(min_length=1, max_length=3)),
    )
    assert [key.type for key in config_tables(model)[0].keys] == [
        "text, not empty",
        "text, at least 2 characters, at most 9 characters, matching `^x`",
        "list of texts, not empty, at most 3 of them",
    ]


def test_keys_tell_default_and_description_under_the_name_that_definitions_use() -> None:
    class Config(BaseModel):
        needed: int = Field(description="How many.")
        other: str = Field("é", alias="else", description="Else.")
        absent: str | None = None
        empty: list[str] = []

    assert config_tables(Config)[0].keys == (
        ConfigKey(name="needed", type="whole number", required=True, default=None, description="How many."),
        ConfigKey(name="else", type="text", required=False, default='"é"', description="Else."),
        ConfigKey(name="absent", type="text", required=False, default=None, description=""),
        ConfigKey(name="empty", type="list of texts", required=False, default=None, description=""),
    )


def test_objects_inside_have_tables_of_their_own_once() -> None:
    class Config(BaseModel):
        first: Item
        many: list[Item]
        by_name: dict[str, "Other"]
        maybe: Tree | None = None

    class Other(BaseModel):
        items: list[Item]

    Config.model_rebuild(_types_namespace={"Other": Other})
    assert [table.place for table in config_tables(Config)] == ["", "first", "by_name.*", "maybe"]


def test_a_type_may_contain_itself() -> None:
    Nested = TypeAliasType("Nested", "int | list[Nested]")  # noqa: N806
    (table,) = config_tables(create_model("Config", x=(Nested, ...)))
    assert table.keys[0].type == "whole number or list of the same"


def test_a_model_without_keys_has_an_empty_table() -> None:
    (table,) = config_tables(create_model("Config"))
    assert (table.place, table.keys) == ("", ())


def test_what_json_schema_cannot_describe_has_no_table() -> None:
    class Odd(BaseModel):
        call: Callable[[], None] | None = None

    assert config_tables(Odd) == []


def test_a_table_says_what_it_is_about() -> None:
    class Config(BaseModel):
        one: Item
        many: list[Tree]

    assert [table.about for table in config_tables(Config)] == ["", "`one`", "Each of `many[]`"]
