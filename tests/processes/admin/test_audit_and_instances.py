"""The audit log and the instances in the admin: there to be found and read, not to be changed."""

import uuid

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.models import AuditEntry, ProcessInstance
from processes.services import audit
from processes.services.instances import create_instance
from tests.processes.services.published import page, publish_process

pytestmark = pytest.mark.django_db

LOG, INSTANCES = "/admin/processes/auditentry/", "/admin/processes/processinstance/"


@pytest.fixture
def reader(client: Client) -> User:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_auditentry", "view_processinstance"]))
    client.force_login(user)
    return user


@pytest.fixture
def log() -> None:
    ada, bob = audit.Actor(id="1", name="ada"), audit.Actor(id="2", name="bob")
    audit.record("template.published", actor=ada, kind="processtemplate", subject_id="5", subject_name="Expenses")
    audit.record(
        "authority.lent", actor=bob, authority=ada, kind="processtemplate", subject_id="6", subject_name="Leave",
        details={"action": "<b>pay</b>"},
    )  # fmt: skip
    audit.record("run.started", actor=audit.Actor(), kind="run", subject_id="7")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"template.published", "authority.lent", "run.started"}),
        ("?q=ada", {"template.published", "authority.lent"}),
        ("?q=expenses", {"template.published"}),
        ("?q=run.started", {"run.started"}),
        ("?done=template.", {"template.published"}),
        ("?done=run.started", {"run.started"}),
        ("?done=run", set()),
        ("?authority=lent", {"authority.lent"}),
        ("?authority=own", {"template.published", "run.started"}),
        ("?kind=run", {"run.started"}),
    ],
)
def test_the_log_is_searched_and_filtered(client: Client, reader: User, log: None, query: str, found: set[str]) -> None:
    response = client.get(LOG + query)
    assert response.status_code == 200
    assert {entry.action for entry in response.context["cl"].result_list} == found


def test_a_run_is_found_by_the_id_that_its_page_shows(client: Client, reader: User) -> None:
    run_id = uuid.uuid4()
    audit.record("run.started", actor=audit.SYSTEM, kind="run", subject_id=run_id)
    for shown in (str(run_id), run_id.hex):
        assert client.get(LOG, {"q": shown}).context["cl"].result_count == 1


def test_an_entry_shows_what_is_known_and_no_way_to_change_it(client: Client, reader: User, log: None) -> None:
    entry = AuditEntry.objects.get(action="authority.lent")
    content = client.get(f"{LOG}{entry.pk}/change/").content.decode()
    assert "bob" in content
    assert "ada" in content
    assert "&lt;b&gt;pay" in content
    assert 'name="_save"' not in content


@pytest.mark.parametrize("place", ["add/", "{pk}/delete/"])
def test_nobody_adds_or_deletes_by_hand(client: Client, log: None, place: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    entry = AuditEntry.objects.get(action="template.published")
    assert client.post(LOG + place.format(pk=entry.pk), {"post": "yes"}).status_code == 403
    client.post(LOG, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    client.post(f"{LOG}{entry.pk}/change/", {"actor_name": "x"})
    assert AuditEntry.objects.get(pk=entry.pk).actor_name == "ada"
    assert AuditEntry.objects.count() == 3


def test_without_the_permission_the_log_is_closed(client: Client, log: None) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(LOG).status_code == 403


def test_instances_are_listed_with_a_link_and_without_their_data(client: Client, reader: User) -> None:
    template = publish_process("claim", [page("show", "x")])
    instance = create_instance(template=template, owner=reader, title="Graz", data={"amount": "top secret"})
    for place in (INSTANCES, f"{INSTANCES}?q=Graz", f"{INSTANCES}{instance.pk}/change/"):
        content = client.get(place).content.decode()
        assert f'href="/instances/{instance.pk}/"' in content
        assert "top secret" not in content
    assert client.post(f"{INSTANCES}add/", {}).status_code == 403
    assert ProcessInstance.objects.count() == 1
