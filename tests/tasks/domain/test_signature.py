"""What a job's function takes and gives."""

import datetime
import enum
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field

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


class Called(BaseModel):
    user_name: str = Field(alias="userName")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    when: datetime.datetime


class Sized(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.width**2


def takes(hint: Any) -> Any:
    def function(context: object, value: Any) -> None: ...

    function.__annotations__["value"] = hint
    return function


NOON = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
MIDNIGHT = datetime.datetime(2026, 11, 28)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Called, Called(userName="ada")),
        (Strict, Strict(when=NOON)),
        (Sized, Sized(width=3)),
        (datetime.date | datetime.datetime, MIDNIGHT),
        (list["Place"], [Place("Reykjavík")]),
        (list["Place"] | None, [Place("Reykjavík")]),
        (dict[str, "list[Place]"], {"a": [Place("Reykjavík")]}),
        (Annotated[int, "a count"], 3),
    ],
)
def test_what_is_taken_when_it_is_enqueued_is_read_again_by_the_worker(hint: Any, value: object) -> None:
    signature = read_signature(takes(hint))
    assert signature.from_json(signature.to_json((value,), {})) == {"value": value}


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("hint", "value", "reason"),
    [
        (Literal[Colour.RED], Colour.RED, "Stored as JSON, it couldn't be read again: value"),
        (bytes, b"\xff", "value: It can't be stored as JSON"),
        (float, float("nan"), "value: It can't be stored as JSON"),
        (Any, float("inf"), "value: It can't be stored as JSON"),
        (Any, object(), "value: It can't be stored as JSON"),
    ],
)
def test_what_a_worker_could_not_read_is_refused_where_it_is_enqueued(hint: Any, value: object, reason: str) -> None:
    with pytest.raises(InvalidArguments, match=reason) as raised:
        read_signature(takes(hint)).to_json((value,), {})
    assert raised.value.fields["arguments"] == ["value"]


def test_json_from_outside_is_read_as_json_even_where_a_class_is_strict() -> None:
    given: JSONObject = {"value": {"when": "2026-11-28T12:00:00Z"}}
    assert read_signature(takes(Strict)).as_stored(given) == given


def test_a_result_has_the_names_of_its_schema() -> None:
    def give(context: object) -> Called: ...

    signature = read_signature(give)
    given, schema = signature.result_to_json(Called(userName="ada")), signature.output_schema()
    assert schema is not None
    assert given == {"userName": "ada"}
    assert set(schema["properties"]) == {"userName"}  # type: ignore[arg-type]


def test_a_result_that_no_json_expresses_is_refused_as_such() -> None:
    def give(context: object) -> float: ...

    with pytest.raises(InvalidResult, match="isn't JSON"):
        read_signature(give).result_to_json(float("nan"))


def late(context: "NotThereAtAll", name: str, model_dump: int = 1) -> None: ...  # type: ignore[name-defined] # noqa: F821


def test_the_context_may_be_annotated_for_type_checkers_only_and_arguments_may_be_called_anything() -> None:
    assert read_signature(late).to_json(("a",), {"model_dump": 3}) == {"name": "a", "model_dump": 3}


class Opaque: ...


class Login(BaseModel):
    password: SecretStr


def unknown(context: object, rows: "list[NotThereAtAll]") -> None: ...  # type: ignore[name-defined] # noqa: F821
def opaque(context: object, it: Opaque) -> None: ...
def returns_opaque(context: object) -> Opaque: ...
def none_by_default(context: object, count: int = None) -> None: ...  # type: ignore[assignment] # noqa: RUF013
def secret(context: object, login: Login | None) -> None: ...
def hidden(context: object, _row: int) -> None: ...
def yields(context: object) -> Any:
    yield 1


async def yields_async(context: object) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (unknown, r"unknown: its argument 'rows' is declared as list\[NotThereAtAll\], but name 'NotThereAtAll'"),
        (opaque, "opaque: its argument 'it' is a Opaque, which can't be stored as JSON: take a key"),
        (returns_opaque, "returns_opaque: its result is a Opaque"),
        (none_by_default, "none_by_default: the default of 'count', None, isn't what it declares"),
        (secret, "argument 'login' is a secret"),
        (hidden, "called '_row'"),
        (yields, "yields: nobody would take"),
        (yields_async, "yields: nobody would take"),
    ],
)
def test_what_would_fail_in_a_worker_is_refused_where_it_is_declared(function: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        read_signature(function)
