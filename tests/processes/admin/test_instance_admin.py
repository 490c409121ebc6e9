"""Instances and their types in the admin: created, changed by hand, looked at; what is wrong is told at its place."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from processes.models import AuditEntry, InstanceEvent, InstanceType, ProcessInstance, StatusRules
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.instance_status import set_status
from processes.services.instances import execute_instance
from tests.processes.services.instance_kit import leave, leave_type, member
from tests.processes.services.published import action, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> User:
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    return user


@pytest.fixture
def type() -> InstanceType:
    return leave_type()


@pytest.fixture
def instance(type: InstanceType) -> ProcessInstance:
    return leave(type, member("owner"))


def place(name: str, *args: object) -> str:
    return reverse(f"admin:processes_{name}", args=args)


def edited(instance: ProcessInstance, **changes: str) -> dict[str, str]:
    due = {"due_at_0": "", "due_at_1": ""}
    return {"title": instance.title, "status": instance.status, "assigned_to": "", **due, **changes}


def typed(type: InstanceType, **changes: object) -> dict[str, object]:
    return {
        "title": type.title, "slug": type.slug, "description": "", "template": type.template_id,
        "status_rules": type.status_rules_id, "status": type.status, "bindings": "", "topics": "",
        "access": type.access, "enabled": "on", "expected_revision": type.revision, **changes,
    }  # fmt: skip


def errors_of(response: object) -> dict[str, list[str]]:
    return dict(response.context["adminform"].form.errors)  # type: ignore[attr-defined]


def test_an_instance_s_page_shows_what_is_offered_and_what_has_happened(
    client: Client, boss: User, instance: ProcessInstance
) -> None:
    text = client.get(place("processinstance_change", instance.pk)).content.decode()
    assert "Look…" in text
    assert "Hand in…" not in text
    assert "Created" in text
    assert f'href="/instances/{instance.pk}/history/"' in text


def test_it_is_changed_by_hand_and_history_and_audit_log_tell_who_did(
    client: Client, boss: User, instance: ProcessInstance
) -> None:
    member("ann")
    values = edited(
        instance, title="Winter", status="handed in", assigned_to="ann", due_at_0="2026-12-01", due_at_1="09:00"
    )
    assert client.post(place("processinstance_change", instance.pk), values).status_code == 302
    instance.refresh_from_db()
    assert (instance.title, instance.status, str(instance.assignee)) == ("Winter", "handed in", "ann")
    assert instance.due_at is not None
    kinds = list(InstanceEvent.objects.filter(actor_name="boss").order_by("pk").values_list("kind", flat=True))
    assert kinds == ["edited", "status", "assigned"]
    entry = AuditEntry.objects.get(action="instance.edited")
    assert (entry.actor_name, entry.details["changed"]) == ("boss", ["title", "status", "assignee", "due_at"])


def test_an_assignment_is_taken_away_by_hand(client: Client, boss: User, instance: ProcessInstance) -> None:
    assign(instance.pk, Assignment(users=[member("ann").pk]), doer=STEPLINE)
    client.post(place("processinstance_change", instance.pk), edited(instance))
    instance.refresh_from_db()
    assert instance.assignee is None


def test_saving_it_unchanged_changes_nothing(client: Client, boss: User, instance: ProcessInstance) -> None:
    assign(instance.pk, Assignment(users=[member("ann").pk]), doer=STEPLINE)
    before = InstanceEvent.objects.count()
    client.post(place("processinstance_change", instance.pk), edited(instance, assigned_to="ann"))
    assert InstanceEvent.objects.count() == before
    assert not AuditEntry.objects.filter(action="instance.edited").exists()


def test_a_user_who_isn_t_there_is_told_at_the_field(client: Client, boss: User, instance: ProcessInstance) -> None:
    answer = client.post(place("processinstance_change", instance.pk), edited(instance, assigned_to="nobody"))
    assert errors_of(answer) == {"assigned_to": ["There is no active user “nobody”."]}


def test_staff_who_may_only_view_change_nothing(client: Client, instance: ProcessInstance) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_processinstance"))
    client.force_login(viewer)
    address = place("processinstance_change", instance.pk)
    assert client.get(address).status_code == 200
    assert client.post(address, edited(instance, status="approved")).status_code == 403
    assert client.get(place("processinstance_add")).status_code == 403


def test_staff_who_may_only_view_see_nothing_of_its_data_and_history(client: Client, instance: ProcessInstance) -> None:
    execute_instance(instance=instance, user=instance.owner, action="change", parameters={"days": "confidential"})
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_processinstance"))
    client.force_login(viewer)
    text = client.get(place("processinstance_change", instance.pk)).content.decode()
    assert "Summer" in text
    assert "confidential" not in text
    assert f'href="/instances/{instance.pk}/history/"' not in text
    # Who may open it sees it here, too.
    assign(instance.pk, Assignment(users=[viewer.pk]), doer=STEPLINE)
    assert "confidential" in client.get(place("processinstance_change", instance.pk)).content.decode()


def test_what_its_process_did_after_the_form_was_opened_is_not_undone(
    client: Client, boss: User, instance: ProcessInstance
) -> None:
    address = place("processinstance_change", instance.pk)
    shown = client.get(address).context["adminform"].form
    set_status(instance.pk, "handed in", doer=STEPLINE)
    values = edited(instance, title="Winter", seen=shown["seen"].value())
    answer = client.post(address, values, follow=True)
    assert "Somebody else has saved this meanwhile" in answer.content.decode()
    instance.refresh_from_db()
    assert (instance.title, instance.status) == ("Summer", "handed in")


def test_what_can_t_be_a_status_is_told_at_the_field(client: Client, boss: User, instance: ProcessInstance) -> None:
    answer = client.post(place("processinstance_change", instance.pk), edited(instance, status="!open"))
    assert "status" in errors_of(answer)


def test_one_is_created_in_the_admin(client: Client, boss: User, type: InstanceType) -> None:
    assert client.get(place("processinstance_add")).status_code == 200
    values = {"type": type.pk, "title": "Spring", "data": '{"days": 4}'}
    answer = client.post(place("processinstance_add"), values)
    created = ProcessInstance.objects.get()
    assert answer.status_code == 302
    assert (created.title, created.status, created.owner, created.type) == ("Spring", "draft", boss, type)
    assert created.data_nodes.get().data == {"days": 4}


def test_the_list_is_filtered_and_searched(client: Client, boss: User, instance: ProcessInstance) -> None:
    for query, count in (("", 1), ("?due=over", 0), ("?due=dated", 0), ("?q=Summer", 1), ("?q=owner", 1), ("?q=x", 0)):
        answer = client.get(place("processinstance_changelist") + query)
        assert answer.context["cl"].result_count == count, query


def test_a_type_is_saved_with_its_revision_and_the_audit_log_tells_who_did(
    client: Client, boss: User, type: InstanceType
) -> None:
    values = typed(type, topics="leave.changed\nholidays.*", bindings='{"limit": {"value": 7}}', status="new")
    assert client.post(place("instancetype_change", type.pk), values).status_code == 302
    type.refresh_from_db()
    assert (type.topics, type.bindings, type.status) == (
        ["leave.changed", "holidays.*"],
        {"limit": {"value": 7}},
        "new",
    )
    assert type.revision == 1
    assert AuditEntry.objects.get(action="instance_type.edited").actor_name == "boss"
    created = leave(type, boss)
    assert list(created.subscriptions.values_list("topic", flat=True)) == ["holidays.*", "leave.changed"]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"topics": "Not a topic"}, "topics", "0:"),
        ({"bindings": '{"limit": {"nonsense": 7}}'}, "bindings", "limit/nonsense: Unknown kind"),
        ({"bindings": "[]"}, "bindings", "must be an object"),
        ({"bindings": "{"}, "bindings", "JSON"),
        ({"status": "!open"}, "status", "status rules"),
    ],
)
def test_what_is_wrong_with_a_type_is_told_at_its_field(
    client: Client, boss: User, type: InstanceType, changes: dict, field: str, message: str
) -> None:
    answer = client.post(place("instancetype_change", type.pk), typed(type, **changes))
    assert message in " ".join(errors_of(answer)[field])


def test_a_type_of_a_process_that_isn_t_published_can_t_be_saved(
    client: Client, boss: User, type: InstanceType
) -> None:
    unpublished = save_process("unpublished", [{"name": "go", "script": None}])
    answer = client.post(place("instancetype_change", type.pk), typed(type, template=unpublished.pk))
    assert "template" in errors_of(answer)


def test_only_who_may_edit_the_process_binds_anything_else_in_it(client: Client) -> None:
    process = publish_process("bound", [action("go", "step")], bindings={"step": {"script": "noop"}})
    type = InstanceType.objects.create(slug="bound", title="Bound", template=process)
    editor = User.objects.create_user("editor", is_staff=True)
    editor.user_permissions.add(Permission.objects.get(codename="change_instancetype"))
    client.force_login(editor)
    values = typed(type, status_rules="", bindings='{"step": {"script": "fail"}}')
    answer = client.post(place("instancetype_change", type.pk), values, follow=True)
    assert "Only those who may edit the template" in answer.content.decode()
    type.refresh_from_db()
    assert type.bindings == {}
    # What others have bound stays, whatever else is changed.
    InstanceType.objects.update(bindings={"step": {"script": "fail"}})
    client.post(place("instancetype_change", type.pk), {**values, "title": "Renamed"})
    type.refresh_from_db()
    assert type.title == "Renamed"
    editor.user_permissions.add(Permission.objects.get(codename="change_processtemplate"))
    values = typed(type, status_rules="", bindings='{"step": {"script": "noop"}}')
    client.post(place("instancetype_change", type.pk), values)
    type.refresh_from_db()
    assert type.bindings == {"step": {"script": "noop"}}


def test_of_two_editors_of_a_type_the_second_is_told(client: Client, boss: User, type: InstanceType) -> None:
    client.post(place("instancetype_change", type.pk), typed(type, title="First"))
    answer = client.post(place("instancetype_change", type.pk), typed(type, title="Second"), follow=True)
    assert "Somebody else has saved this meanwhile" in answer.content.decode()
    type.refresh_from_db()
    assert type.title == "First"


def test_a_type_with_instances_stays(client: Client, boss: User, instance: ProcessInstance) -> None:
    assert instance.type is not None
    client.post(place("instancetype_delete", instance.type.pk), {"post": "yes"})
    assert InstanceType.objects.exists()
    instance.delete()
    client.post(place("instancetype_delete", instance.type.pk), {"post": "yes"})
    assert not InstanceType.objects.exists()
    assert StatusRules.objects.exists()
