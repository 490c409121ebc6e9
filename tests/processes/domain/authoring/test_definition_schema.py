"""The schema for editors says what the reader of definitions does."""

import re
from typing import Any

import pytest

from processes.domain.authoring.definition_schema import definition_schema, target_schema
from processes.domain.bindings import KINDS, parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.retry_policy import parse_retry
from processes.errors import DefinitionError, Problem

ACTION: dict[str, Any] = definition_schema()["$defs"]["action"]
RETRY: dict[str, Any] = definition_schema()["$defs"]["retry"]


def known_keys(problem: Problem) -> list[str]:
    assert problem.suggestion is not None
    return re.sub("^Known keys: ", "", problem.suggestion).split(", ")


def test_it_knows_the_keys_of_an_action_in_their_order() -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_definition([{"name": "a", "@@@@": 1}])
    assert list(ACTION["properties"]) == known_keys(refused.value.problems[0])


def test_it_knows_the_keys_of_a_retry_policy_and_their_defaults() -> None:
    problems: list[Problem] = []
    parse_retry({"@@@@": 1}, "", problems)
    assert list(RETRY["properties"]) == known_keys(problems[0])
    defaults = {key: schema["default"] for key, schema in RETRY["properties"].items() if "default" in schema}
    policy = parse_retry(defaults, "", [])
    assert policy == parse_retry({}, "", [])


def test_it_knows_the_kinds_of_a_target() -> None:
    kinds = target_schema()["anyOf"][0]["properties"]
    assert tuple(kinds) == KINDS
    for kind in kinds:
        assert parse_bindings({"it": {kind: "name"}})["it"].kind == kind


@pytest.mark.parametrize("key", [key for key, schema in ACTION["properties"].items() if "default" in schema])
def test_its_defaults_are_those_of_an_action_without_the_key(key: str) -> None:
    (without,) = parse_definition([{"name": "a"}]).actions
    (written,) = parse_definition([{"name": "a", key: ACTION["properties"][key]["default"]}]).actions
    assert getattr(written, key) == getattr(without, key)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("name", "ask?"),
        ("name", ""),
        ("name", "a" * 201),
        ("script", ""),
        ("caption", 1),
        ("comment", 1),
        ("retry", 0),
        ("timeout_seconds", 0),
        ("timeout_seconds", 10**9),
        ("compensate", ""),
        ("safe", "yes"),
        ("entry", None),
        ("next", 1),
    ],
)
def test_what_it_excludes_is_refused(key: str, wrong: object) -> None:
    with pytest.raises(DefinitionError):
        parse_definition([{"name": "a", key: wrong}])


def test_every_key_is_explained() -> None:
    schemas = [*ACTION["properties"].values(), *RETRY["properties"].values()]
    schemas += target_schema()["anyOf"][0]["properties"].values()
    for schema in schemas:
        resolved = definition_schema()["$defs"]["next"] if "$ref" in schema else schema
        assert resolved["description"].endswith(".")


def test_the_names_of_querysets_are_offered_where_there_are_some() -> None:
    kinds = target_schema(querysets=["teams"])["anyOf"][0]["properties"]
    assert kinds["queryset"]["enum"] == ["teams"]
    assert "enum" not in target_schema()["anyOf"][0]["properties"]["queryset"]
