"""Who may edit and delete a template, what saving and publishing tell, and what an editor can't do to rights."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from processes.models import AuditEntry, Connection, EditAccess, ProcessInstance, ProcessTemplate
from tests.processes.admin.test_template_admin import ADD, address, sent
from tests.processes.admin.test_versions_tab import readable
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups() -> dict[str, Group]:
    return {name: Group.objects.create(name=name) for name in ("red", "blue")}


@pytest.fixture
def ada(groups: dict[str, Group]) -> User:
    """Return an editor who is in the red group."""
    user = User.objects.create_user("ada", is_staff=True)
    names = [f"{verb}_processtemplate" for verb in ("view", "add", "change", "delete")]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    user.groups.add(groups["red"])
    return user


@pytest.fixture
def editor(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def kept_for(template: ProcessTemplate, *groups: Group) -> ProcessTemplate:
    template.edit_access = EditAccess.GROUPS
    template.save(update_fields=["edit_access"])
    template.edit_groups.set(groups)
    return template


def posted(client: Client, template: ProcessTemplate, **values: Any) -> str:
    template.refresh_from_db()
    own = {"edit_access": template.edit_access, "edit_groups": list(template.edit_groups.values_list("pk", flat=True))}
    definition = values.pop("definition", [action("a")])
    response = client.post(address(template), sent(definition, template=template, **(own | values)), follow=True)
    return f"{response.status_code} {readable(response.content.decode())}"


def rights(template: ProcessTemplate) -> tuple[str, set[str]]:
    template.refresh_from_db()
    return template.edit_access, set(template.edit_groups.values_list("name", flat=True))


def test_what_is_kept_for_a_group_others_only_see(editor: Client, groups: dict[str, Group]) -> None:
    template = kept_for(save_process("work", [action("a")]), groups["blue"])
    assert "Save and publish" not in editor.get(address(template)).content.decode()
    assert posted(editor, template, _publish="x").startswith("403")
    assert editor.post(f"/admin/processes/processtemplate/{template.pk}/delete/", {"post": "yes"}).status_code == 403
    kept_for(template, groups["blue"], groups["red"])
    assert "published as version 1" in posted(editor, template, _publish="x")
    assert template.versions.get().published_by is not None


@pytest.mark.parametrize(
    ("access", "before", "after", "message"),
    [
        ("editors", (), ("groups", ("red",)), None),
        ("editors", (), ("groups", ()), "You would lock yourself out. Choose one of your own groups: red."),
        ("editors", (), ("groups", ("red", "blue")), "of blue you are no member"),
        ("groups", ("red", "blue"), ("groups", ("blue",)), "You would lock yourself out"),
        ("groups", ("red", "blue"), ("groups", ("red",)), "of blue you are no member"),
        ("groups", ("red",), ("editors", ("red",)), "only an administrator may open it to every editor"),
        ("groups", ("red", "blue"), ("groups", ("red", "blue")), None),
    ],
)
def test_an_editor_neither_locks_themselves_out_nor_gives_away_what_is_not_theirs(
    editor: Client,
    groups: dict[str, Group],
    access: str,
    before: tuple[str, ...],
    after: tuple[str, tuple[str, ...]],
    message: str | None,
) -> None:
    template = save_process("work", [action("a")])
    if access == "groups":
        kept_for(template, *(groups[name] for name in before))
    chosen = [groups[name].pk for name in after[1]]
    text = posted(editor, template, edit_access=after[0], edit_groups=chosen, _continue="x")
    if message is None:
        assert rights(template) == (after[0], set(after[1]))
    else:
        assert message in text
        assert rights(template) == (access, set(before))


def test_a_refused_change_of_rights_shows_the_form_again(editor: Client) -> None:
    template = save_process("work", [action("a")])
    response = editor.post(address(template), sent([action("typed")], template=template, edit_access="groups"))
    assert 'name="_publish"' in response.content.decode()
    assert "typed" in response.content.decode()


def test_the_owner_is_never_locked_out(editor: Client, ada: User) -> None:
    template = save_process("work", [action("a")])
    posted(editor, template, owner=ada.pk, edit_access="groups", edit_groups=[], _continue="x")
    assert rights(template) == ("groups", set())
    assert "Save and publish" in editor.get(address(template)).content.decode()


def test_superusers_decide_freely(admin_client: Client, groups: dict[str, Group]) -> None:
    template = kept_for(save_process("work", [action("a")]), groups["red"])
    posted(admin_client, template, edit_access="groups", edit_groups=[groups["blue"].pk], _continue="x")
    assert rights(template) == ("groups", {"blue"})
    posted(admin_client, template, edit_access="editors", edit_groups=[], _continue="x")
    assert rights(template) == ("editors", set())


def test_an_editor_makes_nobody_else_the_owner(editor: Client, ada: User) -> None:
    root = User.objects.create_superuser("root")
    response = editor.post(ADD, sent([action("a")], owner=root.pk, _continue="x"))
    assert "Only an administrator may make somebody else the owner" in response.content.decode()
    assert not ProcessTemplate.objects.exists()
    editor.post(ADD, sent([action("a")], owner=ada.pk, _continue="x"))
    template = ProcessTemplate.objects.get()
    assert template.owner == ada
    ProcessTemplate.objects.update(owner=root)
    assert "Only an administrator" in posted(editor, template, owner=ada.pk, _continue="x")
    assert posted(editor, template, owner=root.pk, title="Renamed", _continue="x").startswith("200")
    assert ProcessTemplate.objects.get().title == "Renamed"


def test_an_editor_binds_no_connection_of_others_and_keeps_the_input(editor: Client, groups: dict[str, Group]) -> None:
    bank = Connection.objects.create(name="bank", everyone=False, settings={"base_url": "https://bank.example"})
    bound = {"api": '{"credential": "bank"}'}
    response = editor.post(ADD, sent([page("a", "typed")], bindings=bound, _continue="x"))
    assert "You may not bind the connection bank" in response.content.decode()
    assert "typed" in response.content.decode()
    assert not ProcessTemplate.objects.exists()
    bank.groups.add(groups["red"])
    editor.post(ADD, sent([page("a", "typed")], bindings=bound, _continue="x"))
    assert ProcessTemplate.objects.exists()


def test_saving_tells_who_builds_on_it_and_what_publishing_would_break(editor: Client) -> None:
    template = publish_process("work", [page("a", "one"), action("b")])
    publish_process("child", [action("c", next="b")], extends=[template])
    publish_process("caller", [action("call", "it")], bindings={"it": {"process": "child"}})
    template.refresh_from_db()
    text = posted(editor, template, definition=[action("b")], _continue="x")
    assert "These build on it: child (extends), caller (by way of another)." in text
    assert "Publishing it now would change child, caller." in text
    text = posted(editor, template, _continue="x")
    assert "Publishing it now would break: child /0/next: No action" in text
    assert template.versions.count() == 1
    alone = save_process("alone", [action("a")])
    assert "These build on it" not in posted(editor, alone, slug="alone", _continue="x")


def test_publishing_tells_the_version_and_whether_anything_changed(editor: Client) -> None:
    template = save_process("work", [action("a")])
    assert "saved and published as version 1" in posted(editor, template, _publish="x")
    assert "exactly this is in force already" in posted(editor, template, _publish="x")
    assert template.versions.count() == 1


def test_publishing_from_a_page_that_is_out_of_date_does_nothing(editor: Client) -> None:
    template = publish_process("work", [action("a")])
    template.refresh_from_db()
    stale = sent([action("mine")], template=template, _publish="x")
    change_draft(template, [action("theirs")])
    assert "Somebody else saved this template" in editor.post(address(template), stale).content.decode()
    assert template.versions.count() == 1
    assert "theirs" in ProcessTemplate.objects.get().definition


def test_a_template_in_use_is_not_deleted_and_its_users_are_listed(editor: Client) -> None:
    template = publish_process("work", [action("a")])
    publish_process("child", [], extends=[template])
    publish_process("caller", [action("call", "it")], bindings={"it": {"process": "work"}})
    template.refresh_from_db()
    ProcessInstance.objects.create(template=template, plan_id=template.published_plan_id, title="An expense claim")
    confirm = f"/admin/processes/processtemplate/{template.pk}/delete/"
    for response in (editor.get(confirm), editor.post(confirm, {"post": "yes"})):
        text = readable(response.content.decode())
        assert "Child extends Work" in text
        assert "“Work”: “caller” calls it" in text
        assert "An expense claim" in text
    chosen = {"action": "delete_selected", "_selected_action": [template.pk], "post": "yes"}
    editor.post("/admin/processes/processtemplate/", chosen)
    assert ProcessTemplate.objects.filter(pk=template.pk).exists()


@pytest.mark.parametrize("how", ["page", "list"])
def test_deleting_a_template_is_told_to_the_audit_log(editor: Client, how: str) -> None:
    template = publish_process("work", [action("a")])
    template.data_nodes.create()
    if how == "page":
        editor.post(f"/admin/processes/processtemplate/{template.pk}/delete/", {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [template.pk], "post": "yes"}
        editor.post("/admin/processes/processtemplate/", chosen)
    assert not ProcessTemplate.objects.exists()
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.actor_name, entry.subject_name) == ("template.deleted", "ada", "Work")
