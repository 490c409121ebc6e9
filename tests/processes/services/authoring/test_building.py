"""Rows of a draft: what they stand among, what is wrong with them, and saving just what was changed."""

import json
from typing import Any

import pytest

from processes.domain.authoring.rows import BuilderAction, BuilderRows, add_action, move_action, remove, to_definition
from processes.errors import DefinitionError
from processes.models import AuditEntry, InstanceType, ProcessTemplate, StatusRules
from processes.services.authoring.building import draft_rows, entrance_finder, look_around, save_rows
from processes.services.authoring.offers import offers_of, rules_used_with
from processes.services.errors import StaleDraftError
from tests.processes.services.published import action, form, publish_process, save_process

pytestmark = pytest.mark.django_db


def example() -> ProcessTemplate:
    base = publish_process("base", [action("greet"), action("ask", "noop")])
    actions = [action("ask", "mine", next={"ok": "pay"}), action("pay", entry=False)]
    bindings = {"mine": {"script": "set_state"}, "limit": {"value": 3}}
    return save_process(
        "work", [{**actions[0], "config": {"state": "ok"}}, actions[1]], bindings=bindings, extends=[base]
    )


def test_saving_rows_changes_the_definition_and_nothing_else() -> None:
    template = example()
    rows, _ = add_action(draft_rows(template))
    assert save_rows(template=template, rows=rows, expected_revision=1)
    template.refresh_from_db()
    assert json.loads(template.definition) == to_definition(rows)
    assert {row.reference for row in template.bindings.all()} == {"mine", "limit"}
    assert [row.base.slug for row in template.extensions.all()] == ["base"]
    assert AuditEntry.objects.filter(action="template.edited").latest("pk").details["changed"] == ["definition"]


def test_rows_that_nobody_changed_arent_saved() -> None:
    template = example()
    assert not save_rows(template=template, rows=draft_rows(template), expected_revision=1)
    template.refresh_from_db()
    assert template.revision == 1


def test_what_was_saved_meanwhile_stays() -> None:
    template = example()
    rows = move_action(draft_rows(template), "ask", 1)
    changed, _ = add_action(rows)
    with pytest.raises(StaleDraftError):
        save_rows(template=template, rows=changed, expected_revision=7)


def test_rows_with_problems_arent_saved() -> None:
    template = example()
    with pytest.raises(DefinitionError):
        save_rows(template=template, rows=remove(draft_rows(template), ["pay"]), expected_revision=1)
    template.refresh_from_db()
    assert len(json.loads(template.definition)) == 2


def test_problems_are_led_to_their_steps() -> None:
    template = example()
    rows = draft_rows(template)
    bad = rows.steps[0].put("config", {"state": "ok", "odd": 1}).put("next", "gone")
    around = look_around(template, BuilderRows(actions=(BuilderAction((bad, rows.steps[1])),)))
    assert [(found.step, found.inside, found.is_warning) for found in around.problems] == [
        ("ask", "/next", False), ("ask", "/config/odd", False),
    ]  # fmt: skip


def test_a_slip_in_one_step_leaves_the_diagram() -> None:
    template = save_process("work", [action("a"), action("b")])
    rows = draft_rows(template)
    slip = rows.steps[1].put("retry", 0).put("odd", 1)
    around = look_around(template, BuilderRows(actions=(rows.actions[0], BuilderAction((slip,)))))
    assert [(found.step, found.inside) for found in around.problems] == [("b", "/retry"), ("b", "/odd")]
    assert around.documentation.diagram is not None
    assert [node.name for node in around.documentation.diagram.nodes if node.name] == ["a", "b"]


def test_it_knows_what_is_inherited_and_what_references_lead_to() -> None:
    around = look_around(template := example(), draft_rows(template))
    assert [entry.name for entry in around.inherited] == ["greet"]
    assert around.bound == {"mine": ("script", "set_state")}
    names = {
        ref: None if (spec := around.script_of(ref)) is None else spec.name for ref in ("mine", "noop", "gone", None)
    }
    assert names == {"mine": "set_state", "noop": "noop", "gone": None, None: None}
    assert around.documentation.diagram is not None


def test_forms_are_asked_where_they_lead_by_what_is_bound() -> None:
    ask = {**form("ask", "take", {"name": "n"}), "script": "shown"}
    template = save_process("work", [ask, action("take")], bindings={"shown": {"script": "show_form"}})
    find = entrance_finder(template)
    found: list[Any] = [list(find(step)) for step in draft_rows(template).steps]
    assert [[(entrance.path, entrance.action) for entrance in entrances] for entrances in found] == [
        [(("action",), "take")], []
    ]  # fmt: skip


def test_offers_are_those_of_the_rules_that_types_of_the_template_use() -> None:
    template = example()
    rules = [{"status": "new", "role": ["b", "a"], "action": ["ask", {"url": "/x", "caption": "X"}], "if": "true"}]
    used = StatusRules.objects.create(slug="used", title="Used", rules=json.dumps(rules))
    StatusRules.objects.create(slug="other", title="Other", rules='[{"action": "ask"}]')
    for number in range(2):
        InstanceType.objects.create(slug=f"t{number}", title="T", template=template, status_rules=used)
    found = offers_of(rules_used_with(template))
    assert list(found) == ["ask"]
    (offer,) = found["ask"]
    assert (offer.rules, offer.roles, offer.condition, offer.is_disabled) == (used, ("b", "a"), "true", False)
    assert offer.statuses.included == {"new"}
