"""Who may execute and edit templates, who may own them, who may execute instances: tables of roles."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User

from processes.models import Access, EditAccess, ProcessInstance, ProcessTemplate
from processes.services.access import (
    executable_by,
    find_executable,
    may_edit,
    may_set_owner,
)
from processes.services.errors import InstanceNotFoundError, SignInRequiredError, TemplateNotFoundError
from processes.services.instance_access import find_instance, may_execute_instance
from processes.services.instances import create_instance
from tests.processes.authority_kit import own
from tests.processes.services.published import page, publish_process

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "inactive", "user", "member", "staff", "editor", "member editor", "owner editor", "superuser")


def person(role: str) -> User | AnonymousUser:
    """Return somebody of a role; members are in the group `crew`, editors have the permission to change templates."""
    if role == "anonymous":
        return AnonymousUser()
    words = set(role.split())
    is_staff = bool(words & {"staff", "editor", "superuser"})
    user = User.objects.create_user(
        role, is_staff=is_staff, is_superuser="superuser" in words, is_active="inactive" not in words
    )
    if "member" in words:
        user.groups.add(Group.objects.get_or_create(name="crew")[0])
    if "editor" in words:
        user.user_permissions.add(Permission.objects.get(codename="change_processtemplate"))
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (Access.PUBLIC, set(ROLES)),
        (Access.SIGNED_IN, set(ROLES) - {"anonymous", "inactive"}),
        (Access.STAFF, {"staff", "editor", "member editor", "owner editor", "superuser"}),
        (Access.GROUPS, {"member", "member editor", "superuser"}),
    ],
)
def test_who_may_execute_a_template(access: Access, allowed: set[str]) -> None:
    template = publish_process("it", [page("first", "x")], access=access)
    template.groups.add(Group.objects.get_or_create(name="crew")[0])
    people = {role: person(role) for role in ROLES}
    own(template, people["owner editor"])  # type: ignore[arg-type]  # owning gives nobody access
    for role, user in people.items():
        assert executable_by(user).filter(pk=template.pk).exists() is (role in allowed), role
        if role in allowed:
            assert find_executable(slug="it", user=user) == template
        else:
            refused = SignInRequiredError if role == "anonymous" else TemplateNotFoundError
            with pytest.raises(refused):
                find_executable(slug="it", user=user)


@pytest.mark.parametrize(
    ("edit_access", "allowed"),
    [
        (EditAccess.EDITORS, {"editor", "member editor", "owner editor", "superuser"}),
        (EditAccess.GROUPS, {"member editor", "owner editor", "superuser"}),
    ],
)
def test_who_may_edit_a_template(edit_access: EditAccess, allowed: set[str]) -> None:
    people = {role: person(role) for role in ROLES}
    template = ProcessTemplate.objects.create(
        slug="it", title="It", definition="[]", edit_access=edit_access, owner=people["owner editor"]
    )
    template.edit_groups.add(Group.objects.get_or_create(name="crew")[0])
    assert {role for role, user in people.items() if may_edit(user, template)} == allowed


@pytest.mark.parametrize(
    ("stored", "wanted", "may"),
    [
        # What an editor may do with the owner; a superuser may do all of it.
        ("nobody", "nobody", True),
        ("nobody", "editor", True),
        ("nobody", "other", False),
        ("nobody", "root", False),
        ("editor", "editor", True),
        ("editor", "nobody", True),
        ("editor", "other", False),
        ("editor", "root", False),
        ("other", "other", True),
        ("other", "editor", False),
        ("other", "nobody", False),
        ("other", "root", False),
        ("root", "root", True),
        ("root", "editor", False),
        ("new", "nobody", True),
        ("new", "editor", True),
        ("new", "root", False),
    ],
)
def test_whom_an_editor_may_make_the_owner(stored: str, wanted: str, may: bool) -> None:
    editor, other, root = person("editor"), person("user"), person("superuser")
    by_name = {"editor": editor, "other": other, "root": root, "nobody": None, "new": None}
    template = ProcessTemplate(slug="it", title="It", definition="[]", owner=by_name[stored])
    if stored != "new":
        template.save()
    wanted_user = by_name[wanted]
    owner_id = None if wanted_user is None else wanted_user.pk
    # A form has put its value on the object by then: what is stored counts.
    template.owner_id = owner_id
    assert may_set_owner(editor, template, owner_id=owner_id) is may
    assert may_set_owner(root, template, owner_id=owner_id)


@pytest.mark.parametrize(
    ("role", "may"),
    [("anonymous", False), ("user", False), ("staff", False), ("owner", True), ("operator", True), ("superuser", True)],
)
def test_who_may_execute_an_instance(role: str, may: bool) -> None:
    template = publish_process("it", [page("first", "x")], access=Access.PUBLIC)
    owner = User.objects.create_user("owner")
    instance = create_instance(template=template, owner=owner)
    if role == "operator":
        user: User | AnonymousUser = User.objects.create_user("operator", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="change_processinstance"))
    else:
        user = owner if role == "owner" else person(role)
    assert may_execute_instance(user, instance) is may
    if may:
        assert find_instance(instance.pk, user=user) == instance
        return
    refused = SignInRequiredError if role == "anonymous" else InstanceNotFoundError
    with pytest.raises(refused) as forbidden:
        find_instance(instance.pk, user=user)
    ProcessInstance.objects.all().delete()
    with pytest.raises(refused) as missing:
        find_instance(instance.pk, user=user)
    assert forbidden.value.message == missing.value.message


def test_an_inactive_owner_may_not_execute_their_instance() -> None:
    owner = User.objects.create_user("owner")
    instance = create_instance(template=publish_process("it", [page("first", "x")]), owner=owner)
    owner.is_active = False
    assert not may_execute_instance(owner, instance)
