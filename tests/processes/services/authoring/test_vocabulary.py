"""The vocabulary holds what an editor may write."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from processes.registry import scripts
from processes.services.authoring.vocabulary import describe_vocabulary
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


def script(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in describe_vocabulary()["scripts"] if one["name"] == name)
    return found


def test_every_script_is_described_with_the_schema_of_its_config() -> None:
    vocabulary = describe_vocabulary()
    assert [one["name"] for one in vocabulary["scripts"]] == [spec.name for spec in scripts]
    shown = script("show_page")
    assert shown["summary"].startswith("Answer with a page")
    assert shown["effect"] == "idempotent"
    assert shown["aliases"] == ["showPage"]
    assert shown["config"]["properties"]["title"]["description"] == "The heading of the page."
    json.dumps(vocabulary)


def test_states_are_those_that_the_documentation_names() -> None:
    assert script("check_progress")["states"] == ["show", "none"]


def test_a_script_whose_config_has_no_schema_is_offered_all_the_same() -> None:
    class Opaque:
        pass

    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        thing: Opaque

    with scripts.override("odd", lambda app: None, config=Odd):
        assert script("odd")["config"] == {}


def test_inherited_actions_and_bindings_come_from_what_is_published_in_order() -> None:
    first = publish_process("first", [page("a", "one"), action("b")], bindings={"limit": {"value": 1}})
    second = publish_process("second", [action("b", "noop", comment="Mine.")], bindings={"limit": {"value": 2}})
    change_draft(first, [action("unpublished")])
    inherited = describe_vocabulary(extends=[first.slug, second.slug])["inherited"]
    assert [(one["name"], one["source"]) for one in inherited["actions"]] == [("a", "first"), ("b", "second")]
    assert inherited["actions"][1]["comment"] == "Mine."
    assert inherited["bindings"] == [{"reference": "limit", "target": {"value": 2}, "source": "second"}]


def test_only_published_processes_can_be_called() -> None:
    publish_process("called", [page("a", "one")])
    publish_process("base", [], abstract=True)
    save_process("draft", [page("a", "one")])
    assert describe_vocabulary()["processes"] == [{"slug": "called", "title": "Called"}]


def test_bases_that_do_not_exist_are_left_out() -> None:
    assert describe_vocabulary(extends=["nothing"])["inherited"] == {"actions": [], "bindings": []}
