"""The definition of csv-import is one that may be published."""

import json
from pathlib import Path
from typing import Any

import pytest

from processes.services.authoring.templates import check_draft

DEFINITION = Path(__file__).resolve().parents[2] / "examples/csv_import/process_templates/csv-import.json"


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DEFINITION.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.django_db
def test_it_is_valid() -> None:
    found = document()

    check_draft(
        slug=found["name"],
        definition=json.dumps(found["definition"]),
        bindings=found["bindings"],
        extends=found["extends"],
    )


def test_nothing_that_writes_can_be_entered_from_outside() -> None:
    enterable = {action["name"] for action in document()["definition"]["actions"] if action.get("entry", True)}

    assert enterable == {"upload", "check", "confirm", "result", "renderProgress", "@error"}


def test_every_action_says_what_it_is_for() -> None:
    assert all(action["comment"] for action in document()["definition"]["actions"])
