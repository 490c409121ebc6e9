"""What a form's description may say, and what is said about one that can't be."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group

from processes.domain.bindings import parse_bindings
from processes.domain.config_check import config_problems
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.merge import Layer
from processes.errors import DefinitionError, NotFoundError, RegistrationError
from processes.registry import QuerysetRegistry, queryset, querysets, scripts
from processes.services.form_fields import FIELD_TYPES, FieldConfig
from processes.services.forms import FormConfig, to_json

CHOICE = {"type": "choice", "choices": ["a"]}


def problems(*fields: dict[str, Any], **config: Any) -> list[tuple[str, str, str | None]]:
    found = config_problems(
        FormConfig, {"action": "next", "fields": [{"name": "x", **item} for item in fields], **config}
    )
    return [(problem.path.removeprefix("/fields/0"), problem.message, problem.suggestion) for problem in found]


@pytest.mark.parametrize("kind", FIELD_TYPES)
def test_each_type_needs_no_more_than_a_name_and_its_choices(kind: str) -> None:
    assert problems({"type": kind, **({"choices": ["a"]} if kind in ("choice", "choices") else {})}) == []


@pytest.mark.parametrize(
    ("field", "path", "message", "suggestion"),
    [
        ({"type": "string"}, "/type", 'There is no type "string"', 'Did you mean "text"?'),
        ({"type": "chioce"}, "/type", 'There is no type "chioce"', 'Did you mean "choice"?'),
        ({"type": "integer", "max_length": 3}, "/max_length", '"max_length" is for fields of the type email or', None),
        ({"choices": ["a"]}, "/choices", '"choices" is for fields of the type choice or choices', None),
        ({"multiple": True}, "/multiple", '"multiple" is for fields of the type file or image', None),
        ({"type": "password", "initial": "x"}, "/initial", '"initial" is for', None),
        ({"type": "choice"}, "", 'needs "choices"', None),
        ({"type": "integer", "widget": "radio"}, "/widget", 'can\'t be shown as "radio"', "One of range, hidden"),
        ({**CHOICE, "widget": "raido"}, "/widget", 'no widget "raido"', 'Did you mean "radio"?'),
        ({"type": "file", "widget": "select"}, "/widget", "can't be shown", 'Leave "widget" out'),
        ({"type": "integer", "step": 2.5}, "/step", "in steps of 2.5", 'Take a whole number, or the type "number"'),
        ({"type": "integer", "widget": "range"}, "", 'needs "min_value" and "max_value"', None),
        ({"type": "number", "min_value": 2, "max_value": 1}, "", '"min_value" is larger than "max_value"', None),
        ({"pattern": "("}, "/pattern", "unclosed group", None),
        ({"pattern": "a)|(b"}, "/pattern", "unopened group", None),
        ({"pattern": "(?=a)b"}, "/pattern", "look-around", None),
        ({"pattern": r"(\w{0,90}){9}"}, "/pattern", "too large a one", None),
        ({"pattern": "a" * 501}, "/pattern", "at most 500 characters", None),
        ({"pattern_message": "x"}, "", 'needs a "pattern"', None),
        ({"type": "date", "earliest": "soon"}, "/earliest", '"earliest" must be a day', None),
        ({"type": "date", "earliest": "2026-02-30"}, "/earliest", '"earliest" must be a day', None),
        ({"type": "date", "earliest": "now"}, "/earliest", '"earliest" must be a day', None),
        ({"type": "time", "latest": "today"}, "/latest", '"latest" must be a time', None),
        ({"type": "datetime", "latest": "tomorrow"}, "/latest", '"latest" must be a time', None),
        ({"type": "file", "accept": ["csv"]}, "/accept", '"csv" is neither a suffix', 'Did you mean ".csv"?'),
        ({"type": "file", "accept": ["*.csv"]}, "/accept", "neither a suffix", 'Did you mean ".csv"?'),
        ({"type": "file", "max_files": 2}, "", 'needs "multiple": true', None),
        ({"type": "choice", "choices": "teams"}, "/choices", "Must be a list of choices", None),
        ({"type": "choice", "choices": [True]}, "/choices/0", "Must be", None),
        ({"type": "choice", "choices": [{"label": "A"}]}, "/choices/0", '"value" is required', None),
        ({"type": "choice", "choices": [""]}, "/choices/0", "Must not be empty", None),
        ({"type": "choice", "choices": [1, "1"]}, "/choices", 'two choices have the value "1"', None),
        ({"type": "choice", "choices": list(range(1_001))}, "/choices", "more than 1,000 choices", None),
        ({"type": "choice", "choices": {"$ref": "script", "name": "x"}}, "/choices/$ref", 'Must be "queryset"', None),
        ({"name": "promise"}, "/name", "has a meaning of its own", None),
        ({"rows": 3}, "", "several lines", None),
    ],
)
def test_what_can_not_be_is_refused_in_clear_words(
    field: dict[str, Any], path: str, message: str, suggestion: str | None
) -> None:
    found = problems(field)
    assert found, "nothing was refused"
    assert found[0][0].startswith(path)
    assert message in found[0][1]
    assert found[0][2] == suggestion


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([{"title": "A", "fields": ["xx"]}], 'there is no field "xx" for a group. Did you mean "x"?'),
        ([{"title": "A", "fields": ["x"]}, {"title": "B", "fields": ["x"]}], 'the field "x" is in two groups'),
        ([{"title": "A", "fields": []}], "Must not be empty"),
        ([{"title": "", "fields": ["x"]}], "Must not be empty"),
    ],
)
def test_groups_name_fields_that_there_are_each_once(groups: Any, message: str) -> None:
    (found,) = problems({}, groups=groups)
    assert message in found[1]


def test_repetitions_such_as_data_may_hold_are_left_out() -> None:
    config = FieldConfig.model_validate({"name": "x", "type": "choice", "choices": ["a", "b", "a"]})
    assert isinstance(config.choices, tuple)
    assert len(config.choices) == 2


def test_a_config_survives_its_json() -> None:
    choices = ["a", 1, {"label": "G", "choices": [{"value": 2.5, "label": "x"}]}]
    fields = [{"name": "x", "type": "choice", "choices": choices}, {"name": "y", "type": "file", "accept": [" .CSV"]},
              {"name": "z", "type": "choices", "choices": {"$ref": "queryset", "name": "teams"}}]  # fmt: skip
    config = FormConfig.model_validate({"action": "a", "fields": fields, "groups": [{"title": "G", "fields": ["y"]}]})
    again = FormConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json"))))
    assert again == config
    assert again.querysets == ("teams",)
    assert again.fields[1].accept == (".csv",)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (date(2026, 11, 20), "2026-11-20"),
        (time(8, 30), "08:30:00"),
        (datetime(2026, 11, 20, 8, 30, tzinfo=UTC), "2026-11-20T08:30:00+00:00"),
        (timedelta(hours=1), "P0DT01H00M00S"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1000"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2.0, 2),
        (2.5, 2.5),
        (1e300, 1e300),
        ([Decimal("1.0"), {"a": date(2026, 1, 1)}], ["1.0", {"a": "2026-01-01"}]),
        (None, None),
    ],
)
def test_every_cleaned_value_becomes_json(value: object, kept: Any) -> None:
    assert to_json(value) == kept


# -- querysets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def teams() -> Iterator[None]:
    queryset("active_teams", label="name")(lambda user: Group.objects.all())
    yield
    querysets.unregister("active_teams")


def derived(name: str) -> Any:
    fields = [{"name": "team", "type": "choice", "choices": "${teams}"}]
    definition = [{"name": "ask", "script": "show_form", "config": {"action": "ask", "fields": fields}}]
    layer = Layer(
        name="own", definition=parse_definition(definition), bindings=parse_bindings({"teams": {"queryset": name}})
    )
    return derive([layer], name="own", catalogue=scripts, querysets=querysets.check)


def test_a_queryset_is_bound_by_its_name(teams: None) -> None:
    plan = derived("active_teams").plan
    assert plan.actions[0].config["fields"][0]["choices"] == {"$ref": "queryset", "name": "active_teams"}


def test_an_unknown_queryset_is_refused_with_a_suggestion(teams: None) -> None:
    with pytest.raises(DefinitionError) as caught:
        derived("active_team")
    (problem,) = caught.value.problems
    assert problem.path.endswith("/teams/queryset")
    assert problem.message == 'No queryset "active_team" is registered'
    assert problem.suggestion == 'Did you mean "active_teams"?'


def no_argument() -> None: ...


async def waiting(user: object) -> None: ...


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("", lambda user: None, "without blanks"),
        (" a", lambda user: None, "without blanks"),
        ("a", no_argument, "one argument, the user"),
        ("a", waiting, "async"),
        ("a", dict, "no function"),
    ],
)
def test_what_can_not_be_a_queryset_is_refused_when_it_is_registered(name: str, function: Any, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        QuerysetRegistry().queryset(name)(function)


def test_a_decorator_without_its_name_is_refused() -> None:
    with pytest.raises(RegistrationError, match='write @queryset\\("no_argument"\\)'):
        QuerysetRegistry().queryset(no_argument)  # type: ignore[arg-type]


def test_a_name_is_given_once_and_the_same_function_may_come_again() -> None:
    registry = QuerysetRegistry()

    def rows(user: object) -> None: ...

    registry.queryset("a")(rows)
    registry.queryset("a", label="name")(rows)
    assert registry.get("a").label == "name"
    with pytest.raises(RegistrationError, match="already taken"):
        registry.queryset("a")(lambda user: None)
    assert registry.unregister("a").name == "a"
    with pytest.raises(NotFoundError):
        registry.get("a")
