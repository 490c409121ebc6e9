"""What a job's function takes and gives."""

import datetime
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.outcomes import Completed, Outcome
from tasks.domain.signature import read_signature
from tasks.errors import InvalidArguments, InvalidResult


class Report(BaseModel):
    rows: int
    day: datetime.date


@dataclass
class Place:
    name: str


def export(
    context: object,
    user_id: uuid.UUID,
    day: datetime.date,
    format: Literal["csv", "xlsx"] = "csv",
    *,
    limit: Annotated[int, Field(gt=0)] = 10,
) -> Report:
    return Report(rows=limit, day=day)


USER = "0193b3c0-0000-7000-8000-000000000001"


def test_arguments_are_stored_as_json_and_come_back_as_they_were_declared() -> None:
    signature = read_signature(export)
    stored = signature.to_json((uuid.UUID(USER),), {"day": datetime.date(2026, 11, 28), "limit": 3})
    assert stored == {"user_id": USER, "day": "2026-11-28", "format": "csv", "limit": 3}
    assert signature.from_json(stored) == {
        "user_id": uuid.UUID(USER),
        "day": datetime.date(2026, 11, 28),
        "format": "csv",
        "limit": 3,
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"day": "2026-11-28"}, "user_id"),
        ({"user_id": "me", "day": "2026-11-28"}, "user_id"),
        ({"user_id": USER, "day": "2026-11-28", "format": "pdf"}, "format"),
        ({"user_id": USER, "day": "2026-11-28", "limit": 0}, "limit"),
        ({"user_id": USER, "day": "2026-11-28", "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_them_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArguments, match=named) as raised:
        read_signature(export).to_json((), arguments)
    assert raised.value.fields["arguments"] == [named]


def test_one_argument_too_many_or_twice_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="3 arguments by position, and 4"):
        read_signature(export).to_json((USER, "2026-11-28", "csv", 3), {})
    with pytest.raises(InvalidArguments, match="'user_id' is given twice"):
        read_signature(export).to_json((USER,), {"user_id": USER})


def test_a_function_of_its_context_alone_takes_any_json_object() -> None:
    signature = read_signature(lambda context: None)
    assert signature.to_json((), {"a": [1, {"b": None}], "day": datetime.date(2026, 11, 28)}) == {
        "a": [1, {"b": None}],
        "day": "2026-11-28",
    }
    assert signature.input_schema() is None
    with pytest.raises(InvalidArguments, match="aren't JSON"):
        signature.to_json((), {"a": object()})


def test_the_result_is_checked_and_becomes_json() -> None:
    signature = read_signature(export)
    assert signature.result_to_json(Report(rows=1, day=datetime.date(2026, 11, 28))) == {"rows": 1, "day": "2026-11-28"}
    assert signature.result_to_json({"rows": "1", "day": "2026-11-28"}) == {"rows": 1, "day": "2026-11-28"}
    with pytest.raises(InvalidResult, match="rows"):
        signature.result_to_json({"day": "2026-11-28"})


def test_an_undeclared_result_need_only_be_json() -> None:
    signature = read_signature(lambda context: None)
    assert signature.result_to_json({"place": Place("Reykjavík"), "when": datetime.date(2026, 1, 2)}) == {
        "place": {"name": "Reykjavík"},
        "when": "2026-01-02",
    }
    with pytest.raises(InvalidResult, match="isn't JSON"):
        signature.result_to_json(object())


def returns_json(context: object) -> JSON: ...
def returns_outcome(context: object) -> Outcome: ...
def returns_completed(context: object) -> Completed: ...
def returns_either(context: object) -> Outcome | JSON: ...
def returns_nothing(context: object) -> None: ...
def returns_any(context: object) -> Any: ...


@pytest.mark.parametrize(
    "function",
    [returns_json, returns_outcome, returns_completed, returns_either, returns_nothing, returns_any],
)
def test_json_and_outcomes_declare_nothing_to_check(function: Any) -> None:
    assert read_signature(function).output_schema() is None


def test_json_may_be_an_argument() -> None:
    def store(context: object, value: JSON, fields: JSONObject) -> None: ...

    signature = read_signature(store)
    assert signature.to_json(([1, "a", None],), {"fields": {"b": 2}}) == {"value": [1, "a", None], "fields": {"b": 2}}
    with pytest.raises(InvalidArguments, match="fields"):
        signature.to_json((1,), {"fields": 2})


def test_json_may_be_part_of_what_it_takes_and_gives() -> None:
    def gather(context: object, rows: list[JSON], note: JSON | datetime.date = None) -> dict[str, JSON]: ...

    signature = read_signature(gather)
    assert signature.to_json(([{"a": [1]}, 2],), {}) == {"rows": [{"a": [1]}, 2], "note": None}
    assert signature.result_to_json({"a": {"b": [None]}}) == {"a": {"b": [None]}}
    with pytest.raises(InvalidResult):
        signature.result_to_json([1])


def test_the_schemas_say_what_it_takes_and_gives() -> None:
    signature = read_signature(export)
    taken = signature.input_schema()
    assert taken is not None
    assert taken["required"] == ["user_id", "day"]
    assert taken["properties"]["format"]["enum"] == ["csv", "xlsx"]  # type: ignore[index, call-overload]
    given = signature.output_schema()
    assert given is not None
    assert set(given["properties"]) == {"rows", "day"}  # type: ignore[arg-type]


def no_context() -> None: ...
def only_named(*, context: object) -> None: ...
def many(context: object, *rows: int) -> None: ...
def anything(context: object, **options: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (no_context, "context as its first"),
        (only_named, "context as its first"),
        (many, "name its arguments"),
        (anything, "name its arguments"),
    ],
)
def test_a_function_that_cannot_be_a_job_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        read_signature(function)
