"""A run's data is a dict to whoever uses it, though its values are parsed only when somebody reads them."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from processes.domain.json_values import json_problems
from processes.domain.lazy_data import LazyData

VALUES = {"rows": [1, {"a": 2}], "total": 3, "name": "Ada"}


@pytest.fixture
def reads() -> list[str]:
    """Note which texts were asked for."""
    return []


@pytest.fixture
def data(reads: list[str]) -> LazyData:
    """Give data of which nothing has been read."""

    def text_of(key: str) -> str:
        reads.append(key)
        return json.dumps(VALUES[key])

    return LazyData(VALUES, text_of)


def _popped(data: LazyData) -> dict[str, Any]:
    return dict(data.popitem() for _ in range(len(data)))


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(dict, id="dict"),
        pytest.param(lambda data: {**data}, id="unpacked"),
        pytest.param(lambda data: dict(data.items()), id="items"),
        pytest.param(lambda data: dict(zip(data, data.values(), strict=True)), id="values"),
        pytest.param(lambda data: {key: data[key] for key in data}, id="keys"),
        pytest.param(lambda data: {key: data.get(key) for key in data}, id="get"),
        pytest.param(lambda data: {key: data.pop(key) for key in list(data)}, id="pop"),
        pytest.param(lambda data: {key: data.setdefault(key, 0) for key in data}, id="setdefault"),
        pytest.param(_popped, id="popitem"),
        pytest.param(lambda data: data.copy(), id="copy"),
        pytest.param(copy.copy, id="copied"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda data: pickle.loads(pickle.dumps(data)), id="pickle"),
        pytest.param(lambda data: data | {}, id="or"),
        pytest.param(lambda data: {} | data, id="or-into"),
        pytest.param(lambda data: json.loads(json.dumps(data)), id="json"),
        pytest.param(lambda data: json.loads(json.dumps(data, indent=1, sort_keys=True)), id="json-indented"),
        pytest.param(lambda data: eval(repr(data)), id="repr"),
        pytest.param(lambda data: TypeAdapter(Any).dump_python(data), id="pydantic"),
        pytest.param(lambda data: json.loads(TypeAdapter(Any).dump_json(data)), id="pydantic-json"),
        pytest.param(lambda data: TypeAdapter(dict[str, Any]).validate_python(data), id="pydantic-validated"),
    ],
)
def test_whatever_takes_a_dict_finds_the_values(data: LazyData, whole: Callable[[LazyData], Any]) -> None:
    assert whole(data) == VALUES


def test_an_update_of_a_dict_takes_the_values(data: LazyData) -> None:
    other: dict[str, Any] = {}
    other.update(data)
    assert other == VALUES


def test_it_equals_a_dict_with_the_same_values_and_no_other(data: LazyData) -> None:
    assert data == VALUES
    assert data != {**VALUES, "total": 4}


def test_two_of_which_nothing_was_read_are_equal(data: LazyData) -> None:
    assert data == LazyData(VALUES, lambda key: json.dumps(VALUES[key]))


def test_it_is_storable_where_its_values_are(data: LazyData) -> None:
    assert json_problems(data) == []


def test_a_missing_key_is_missing(data: LazyData) -> None:
    with pytest.raises(KeyError):
        data["other"]
    with pytest.raises(KeyError):
        data.pop("other")
    assert data.get("other", 5) == data.pop("other", 5) == 5


def test_of_nothing_there_is_no_last_item() -> None:
    with pytest.raises(KeyError):
        LazyData({}, str).popitem()


def test_only_what_is_asked_for_is_read_and_only_once(data: LazyData, reads: list[str]) -> None:
    assert "rows" in data
    assert len(data) == 3
    assert list(data) == list(VALUES)
    assert reads == []
    assert data["total"] == data["total"] == 3
    assert reads == ["total"]


def test_what_was_read_or_written_is_looked_at_and_nothing_else(data: LazyData) -> None:
    rows = data["rows"]
    rows.append(7)
    data["new"] = 1
    del data["name"]
    assert data.looked_at() == {"rows": [1, {"a": 2}, 7], "new": 1}


def test_what_is_put_away_is_read_anew(data: LazyData, reads: list[str]) -> None:
    data["rows"].append(7)
    data.put_away("rows")
    data.put_away("never there")
    assert data.looked_at() == {}
    assert "never there" not in data
    assert data["rows"] == VALUES["rows"]
    assert reads == ["rows", "rows"]
