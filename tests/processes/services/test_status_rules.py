"""Status rules as rows: checked against roles and processes, saved with a revision, and in the audit log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from processes.errors import DefinitionError
from processes.models import AuditEntry, InstanceType, ProcessInstance, ProcessTemplate, StatusRules
from processes.registry import roles
from processes.services.errors import SlugTakenError, StaleDraftError, StatusRulesInUseError
from processes.services.status_rules import (
    delete_status_rules,
    find_problems,
    known_roles,
    parsed_rules,
    save_status_rules,
    uses_of,
)
from tests.processes.services.published import action, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def manager() -> Iterator[str]:
    """Register a role for the length of a test."""
    roles.role("manager")(lambda user, instance: True)
    yield "manager"
    roles.unregister("manager")


def text(*rules: dict[str, Any]) -> str:
    return json.dumps(list(rules))


def saved(*rules: dict[str, Any], slug: str = "orders", editor: User | None = None) -> StatusRules:
    row = StatusRules(slug=slug, title=slug.capitalize(), rules=text(*rules))
    save_status_rules(rules=row, editor=editor)
    return row


def used_by(rules: StatusRules, template: ProcessTemplate, status: str = "") -> None:
    InstanceType.objects.create(
        slug=template.slug, title=template.title, template=template, status_rules=rules, status=status
    )


def refused(row: StatusRules) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        save_status_rules(rules=row)
    return [f"{problem.path} {problem.message} ({problem.suggestion})" for problem in caught.value.problems]


def test_rules_are_saved_with_a_revision_and_told_in_the_audit_log(editor: User) -> None:
    row = saved({"action": "a"}, editor=editor)
    row.title, row.rules = "Other", text({"action": "b"})
    save_status_rules(rules=row, editor=editor, expected_revision=1)
    row.refresh_from_db()
    assert (row.revision, row.created_by, row.title) == (2, editor, "Other")
    entries = AuditEntry.objects.order_by("id").values_list("action", "actor_name", "subject_name", "details")
    assert list(entries) == [
        ("status_rules.created", "ann", "Orders", {"revision": 1}),
        ("status_rules.edited", "ann", "Other", {"revision": 2, "changed": ["title", "rules"]}),
    ]


def test_saving_what_is_stored_already_is_no_edit() -> None:
    row = saved({"action": "a"})
    save_status_rules(rules=StatusRules.objects.get(pk=row.pk), expected_revision=1)
    assert StatusRules.objects.get(pk=row.pk).revision == 1
    assert AuditEntry.objects.count() == 1


def test_an_edit_that_began_before_somebody_elses_is_refused() -> None:
    row = saved({"action": "a"})
    mine, theirs = StatusRules.objects.get(pk=row.pk), StatusRules.objects.get(pk=row.pk)
    theirs.title = "Theirs"
    save_status_rules(rules=theirs, expected_revision=1)
    mine.title = "Mine"
    with pytest.raises(StaleDraftError):
        save_status_rules(rules=mine, expected_revision=1)
    row.refresh_from_db()
    assert row.title == "Theirs"


def test_a_name_that_is_taken_is_refused() -> None:
    saved({"action": "a"})
    with pytest.raises(SlugTakenError):
        saved({"action": "a"})


def test_what_can_not_be_read_is_not_saved() -> None:
    assert refused(StatusRules(slug="x", title="X", rules="[{}]")) == [
        '/0 A rule needs an "action": what it offers (None)'
    ]
    assert not StatusRules.objects.exists()


def test_roles_are_groups_reserved_ones_and_those_of_apps(manager: str) -> None:
    Group.objects.create(name="Sales")
    assert known_roles() >= {"Sales", "manager"}
    assert "owner" not in known_roles()
    saved({"action": "a", "role": ["Sales", "manager", "owner", "assignee", "candidate", "staff"]})
    assert refused(StatusRules(slug="x", title="X", rules=text({"action": "a", "role": "Sale"}))) == [
        '/0/role There is no role "Sale" (Did you mean "Sales"? Create the group, or register the role otherwise)'
    ]


def test_an_action_that_the_process_does_not_have_is_refused_once_a_type_uses_the_rules() -> None:
    row = saved({"action": "aprove"})
    used_by(row, publish_process("order", [action("approve")]))
    assert [use.slug for use in uses_of(row)] == ["order"]
    row.title = "Again"
    assert refused(row) == ['/0/action The process has no action "aprove" (Did you mean "approve"?)']


def test_an_action_that_only_some_of_the_processes_have_is_warned_of() -> None:
    row = saved({"action": "approve"})
    used_by(row, publish_process("order", [action("approve")]))
    used_by(row, publish_process("offer", [action("other")]))
    row.title = "Again"
    (warning,) = save_status_rules(rules=row)
    assert (warning.path, warning.message) == ("/0/action", '"approve" is no action of Offer')


def test_nothing_is_said_of_the_actions_of_a_process_that_is_not_published() -> None:
    row = saved({"action": "approve"})
    used_by(row, save_process("order", [action("other")]))
    assert find_problems(row.rules, uses=uses_of(row)).errors == []


def test_a_status_that_nothing_sets_is_warned_of() -> None:
    row = saved({"action": "a", "status": ["new", "nwe", None]})
    used_by(row, publish_process("order", [action("a")]), status="new")
    found = find_problems(row.rules, uses=uses_of(row))
    assert found.errors == []
    assert [(problem.path, problem.value) for problem in found.warnings] == [("/0/status/1", "nwe")]


def test_rules_in_use_are_not_deleted(editor: User) -> None:
    row = saved({"action": "a"})
    template = publish_process("order", [action("a")])
    used_by(row, template)
    ProcessInstance.objects.create(template=template, plan_id=template.published_plan_id, status_rules=row)
    with pytest.raises(StatusRulesInUseError) as caught:
        delete_status_rules(rules=row, editor=editor)
    assert caught.value.fields == {"types": ["order"], "instances": 1}


def test_rules_are_deleted_and_the_audit_log_tells_who_did(editor: User) -> None:
    delete_status_rules(rules=saved({"action": "a"}), editor=editor)
    assert not StatusRules.objects.exists()
    entry = AuditEntry.objects.get(action="status_rules.deleted")
    assert (entry.actor_name, entry.details) == ("ann", {"slug": "orders", "revision": 1})


def test_rules_are_parsed_once_for_each_text() -> None:
    rules = text({"action": "once"})
    assert parsed_rules(rules) is parsed_rules(rules)
