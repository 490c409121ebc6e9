"""The keys of a config, in rows."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, Field

from processes.domain.authoring.config_fields import ConfigField, config_fields
from processes.domain.scripts import ScriptSpec


class Item(BaseModel):
    label: str = Field(description="What is read.")
    amount: int | None = None


class Config(BaseModel):
    name: str
    kind: Literal["a", "b"] = "a"
    items: list[Item] = Field(default=[], description="The items.")
    best: Item | None = None
    tags: tuple[str, ...] = ()
    anything: Any = None


class Tree(BaseModel):
    children: list["Tree"] = []


class Odd(BaseModel):
    call: Callable[[], None] | None = None


def rows(model: type[BaseModel] | None) -> list[ConfigField]:
    return config_fields(ScriptSpec(name="x", function=lambda app: None, config=model))


def test_each_key_has_a_row_and_those_of_nested_objects_follow() -> None:
    assert [(row.name, row.type, row.required) for row in rows(Config)] == [
        ("name", "text", True),
        ("kind", "a | b", False),
        ("items", "list of objects", False),
        ("items[].label", "text", True),
        ("items[].amount", "whole number", False),
        ("best", "object", False),
        ("best.label", "text", True),
        ("best.amount", "whole number", False),
        ("tags", "list of texts", False),
        ("anything", "any JSON", False),
    ]
    items = rows(Config)[2]
    assert items.description == "The items."
    assert items.default_text == "[]"


def test_a_model_that_holds_itself_ends() -> None:
    assert [row.name for row in rows(Tree)] == ["children", "children[].children", "children[].children[].children"]


def test_what_json_schema_cannot_describe_and_no_model_at_all_give_no_rows() -> None:
    assert rows(Odd) == []
    assert rows(None) == []
