"""The definition of expense-claim is one that teams may copy: valid, explained, and changed by its bindings."""

import json
from pathlib import Path
from typing import Any

import pytest

from processes.services.authoring.templates import check_draft

DEFINITION = Path(__file__).resolve().parents[2] / "examples/expense_claim/process_templates/expense-claim.json"

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


def test_nothing_that_makes_a_claim_can_be_entered_from_outside() -> None:
    closed = {name for name, action in actions().items() if action.get("entry", True) is False}

    assert closed == {"review", "create", "lead_to_claim", "leave", "describe", "show_claim"}


def test_nothing_is_entered_by_a_mere_link_but_the_beginning_and_the_claim() -> None:
    assert not any(action.get("safe") for action in actions().values())


def test_every_page_can_be_kept_for_later_and_all_but_the_first_lead_back() -> None:
    forms = {name: action for name, action in actions().items() if action["script"] == "show_form"}
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


def test_every_currency_has_an_amount_above_which_a_receipt_is_needed() -> None:
    bindings = document()["bindings"]

    offered = [currency["value"] for currency in bindings["currencies"]["value"]]

    assert offered == list(bindings["receipt_above"]["value"])
