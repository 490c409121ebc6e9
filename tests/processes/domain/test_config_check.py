"""What is wrong with a config is told in the words of those who write JSON."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from processes.domain.config_check import config_problems


class Item(BaseModel):
    label: str


class Config(BaseModel):
    text: str = ""
    whole: int = Field(1, ge=1, le=5)
    number: float = 0
    yes: bool = False
    items: list[Item] = []
    pair: tuple[str, ...] = Field((), max_length=2)
    values: dict[str, int] = {}
    item: Item | None = None
    kind: Literal["a", "b"] = "a"
    name: str = Field("x", min_length=1)
    code: str = Field("xx", min_length=2, max_length=3, pattern="^x")
    either: str | int | None = None


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        ({"text": 1}, "/text", "Must be a text"),
        ({"whole": "x"}, "/whole", "Must be a whole number"),
        ({"whole": 1.5}, "/whole", "Must be a whole number"),
        ({"whole": 0}, "/whole", "Must be at least 1"),
        ({"whole": 6}, "/whole", "Must be at most 5"),
        ({"number": []}, "/number", "Must be a number"),
        ({"yes": 7}, "/yes", "Must be true or false"),
        ({"items": "x"}, "/items", "Must be a list"),
        ({"items": [["s", "Small"]]}, "/items/0", "Must be an object"),
        ({"pair": "x"}, "/pair", "Must be a list"),
        ({"pair": ["a", "b", "c"]}, "/pair", "Must have at most 2 items"),
        ({"values": 1}, "/values", "Must be an object"),
        ({"item": 3}, "/item", "Must be an object"),
        ({"kind": "c"}, "/kind", 'Must be "a" or "b"'),
        ({"name": ""}, "/name", "Must not be empty"),
        ({"code": "x"}, "/code", "Must have at least 2 characters"),
        ({"code": "xxxx"}, "/code", "Must have at most 3 characters"),
        ({"code": "yy"}, "/code", "Must match ^x"),
        ({"either": []}, "/either", "Must be a text or a whole number"),
        ([], "", "Must be an object"),
    ],
)
def test_what_is_wrong_is_told_in_words(config: Any, path: str, message: str) -> None:
    assert [(problem.path, problem.message) for problem in config_problems(Config, config)] == [(path, message)]
