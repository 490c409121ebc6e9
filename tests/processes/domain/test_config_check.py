"""What is wrong with a config is told in the words of those who write JSON."""

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from processes.domain.config_check import config_problems


class Item(BaseModel):
    label: str


class Button(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leads_to: str | None = Field(None, alias="action")
    label: str = ""


class FileSource(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str = ""
    number: int = 1


class QuerySource(BaseModel):
    model_config = ConfigDict(extra="forbid")

    query: str = ""
    number: int = 1


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
    span: timedelta | None = None
    moment: datetime | None = None
    source: list[int] | FileSource | QuerySource = []
    buttons: dict[str, str | Button] = {}


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
        ({"span": "soon"}, "/span", "Must be a time span, such as PT30M, PT8H, P3D or a number of seconds"),
        ({"moment": "soon"}, "/moment", "Must be a moment, such as 2026-12-01T09:00:00+01:00 or 2026-12-01"),
        ({"source": 7}, "/source", "Must be a list or an object"),
        ({"source": {"nr": 1}}, "/source/nr", 'Unknown key "nr"'),
        ({"source": {"number": "x"}}, "/source/number", "Must be a whole number"),
    ],
)
def test_what_is_wrong_is_told_in_words(config: Any, path: str, message: str) -> None:
    assert [(problem.path, problem.message) for problem in config_problems(Config, config)] == [(path, message)]


@pytest.mark.parametrize(
    ("config", "suggestion"),
    [
        ({"buttons": {"go": {"actoin": "a"}}}, 'Did you mean "action"?'),
        ({"buttons": {"go": {"zzz": "a"}}}, "Known keys: action, label"),
        ({"source": {"zzz": 1}}, "Known keys: file, number, query"),
    ],
)
def test_an_unknown_key_is_told_with_those_that_are_known_there(config: Any, suggestion: str) -> None:
    assert {problem.suggestion for problem in config_problems(Config, config)} == {suggestion}
