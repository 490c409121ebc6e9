"""The definition of expense-claim is one that teams may copy: valid, explained, and changed by its bindings."""

import json
from pathlib import Path
from typing import Any

import pytest

from processes.domain.status_rules import parse_status_rules
from processes.services.authoring.templates import check_draft

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/expense_claim"
DEFINITION = EXAMPLE / "process_templates/expense-claim.json"
RULES = EXAMPLE / "status_rules/expense-claim.json"

pytestmark = pytest.mark.django_db


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    return loaded


def actions() -> dict[str, dict[str, Any]]:
    return {action["name"]: action for action in document()["definition"]["actions"]}


def test_it_is_valid() -> None:
    found = document()

    check_draft(
        slug=found["name"],
        definition=json.dumps(found["definition"]),
        bindings=found["bindings"],
        extends=found["extends"],
    )


def test_every_action_says_what_it_is_for() -> None:
    assert all(action["comment"] for action in actions().values())


def test_what_can_be_entered_from_outside_is_a_page_a_form_leads_there_or_the_rules_guard_it() -> None:
    opened = {name for name, action in actions().items() if action.get("entry", True) is not False}
    guarded = parse_status_rules(json.loads(RULES.read_text(encoding="utf-8"))["rules"]).actions

    assert guarded <= opened
    # `submit` and `decline` ask by `check_option` themselves, where a claim is executed.
    assert opened - guarded == {
        "@default",
        "@display",
        "purpose",
        "cost",
        "receipt",
        "check",
        "submit",
        "discard",
        "decline",
    }


def test_a_mere_link_enters_only_what_changes_nothing() -> None:
    safe = {name: action["script"] for name, action in actions().items() if action.get("safe")}

    assert safe == {"correct": "load_data", "reject": "load_instance"}


def test_whatever_is_done_for_a_payment_before_it_is_ordered_is_undone_when_it_fails() -> None:
    found = actions()

    assert {name: action["compensate"] for name, action in found.items() if "compensate" in action} == {
        "reserve": "release",
        "begin_payment": "note_failure",
    }


def test_every_status_that_the_rules_name_is_set_somewhere_and_every_one_is_told_in_words() -> None:
    found = actions()
    rules = parse_status_rules(json.loads(RULES.read_text(encoding="utf-8"))["rules"])
    set_somewhere = {
        action["config"]["status"] for action in found.values() if action["script"] in ("set_status", "create_instance")
    } | {"draft"}
    words = (EXAMPLE.parents[1] / "templates/expense_claim/_status.html").read_text(encoding="utf-8")

    assert rules.statuses <= set_somewhere
    assert all(f'"{status}"' in words for status in set_somewhere)


def test_every_page_can_be_kept_for_later_and_all_but_the_first_lead_back() -> None:
    forms = {
        name: action
        for name, action in actions().items()
        if action["script"] == "show_form" and name != "ask_reason"  # An approver's, about somebody else's claim.
    }
    does = {name: {button["does"] for button in form["config"]["buttons"]} for name, form in forms.items()}

    assert does == {
        "purpose": {"draft", "leave"},
        "cost": {"draft", "back"},
        "receipt": {"draft", "back"},
        "review": {"draft", "back"},
    }


def test_the_steps_name_just_the_fields_of_the_forms() -> None:
    found = actions()
    for step in document()["bindings"]["steps"]["value"]:
        assert step["fields"] == [field["name"] for field in found[step["name"]]["config"]["fields"]]


def test_a_claim_takes_over_just_what_was_asked() -> None:
    asked = [field for step in document()["bindings"]["steps"]["value"] for field in step["fields"]]

    assert actions()["create"]["config"]["data"] == {field: f"%{{data:{field}}}" for field in asked}
    assert actions()["tidy"]["config"]["keys"] == asked
    assert document()["bindings"]["kept"]["value"] == [*asked, "reason", "payment"]


@pytest.mark.parametrize("amounts", ["receipt_above", "approval_above", "budget"])
def test_every_currency_has_its_amounts(amounts: str) -> None:
    bindings = document()["bindings"]

    offered = [currency["value"] for currency in bindings["currencies"]["value"]]

    assert offered == list(bindings[amounts]["value"])
