"""What the admin promises to those who keep connections."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from processes.models import AuditEntry, Connection
from processes.services.connections import find_http
from tests.processes.services.published import publish_process

pytestmark = pytest.mark.django_db

ADD = "/admin/processes/connection/add/"
SECRET = "t0ken-of-the-admin"


@pytest.fixture
def client() -> Client:
    user = User.objects.create_user("keeper", is_staff=True)
    names = [f"{verb}_connection" for verb in ("view", "add", "change", "delete")]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def sent(**values: object) -> dict[str, object]:
    """Return what the browser sends for a new web service."""
    return {
        "name": "orders", "kind": "http", "description": "", "base_url": "https://api.example.com/v1",
        "scheme": "bearer", "http_username": "", "header": "", "host": "", "port": "", "security": "starttls",
        "smtp_username": "", "from_address": "", "new_secret": SECRET, "everyone": "on", **values,
    }  # fmt: skip


def errors_of(response) -> dict[str, list[str]]:
    assert response.status_code == 200, "it was saved"
    return dict(response.context["adminform"].form.errors)


def change(connection: Connection) -> str:
    return reverse("admin:processes_connection_change", args=[connection.pk])


@pytest.fixture
def orders(client: Client) -> Connection:
    assert client.post(ADD, sent()).status_code == 302
    return Connection.objects.get(name="orders")


def test_a_connection_is_created_and_written_down(orders):
    assert orders.settings == {
        "base_url": "https://api.example.com/v1", "scheme": "bearer", "username": "", "header": "",
    }  # fmt: skip
    assert find_http("orders")[1].reveal() == SECRET
    entry = AuditEntry.objects.get(action="connection.created")
    assert (entry.actor_name, entry.subject_name) == ("keeper", "orders")


def test_a_mail_server_is_created(client):
    values = sent(kind="smtp", base_url="", scheme="none", host="mail.example.com", port="465", security="tls",
                  smtp_username="shop", from_address="Shop <shop@example.com>")  # fmt: skip
    assert client.post(ADD, values).status_code == 302
    assert Connection.objects.get().settings == {
        "host": "mail.example.com", "port": 465, "security": "tls", "username": "shop",
        "from_address": "Shop <shop@example.com>",
    }  # fmt: skip


def test_the_page_shows_that_there_is_a_secret_and_never_which(client, orders):
    page = client.get(change(orders)).content.decode()
    assert "Leave this empty to keep it" in page
    assert SECRET not in page
    assert orders.secret not in page
    assert client.get("/admin/processes/connection/").content.decode().count("icon-yes") == 2


def test_an_empty_field_keeps_the_secret(client, orders):
    assert client.post(change(orders), sent(new_secret="", description="Orders")).status_code == 302
    assert find_http("orders")[1].reveal() == SECRET
    assert AuditEntry.objects.get(action="connection.edited").details == {"changed": ["description"]}


def test_a_secret_is_replaced_and_removed(client, orders):
    client.post(change(orders), sent(new_secret="another-one"))
    assert find_http("orders")[1].reveal() == "another-one"
    assert "new_secret" in errors_of(client.post(change(orders), sent(new_secret="", remove_secret="on")))
    both = client.post(change(orders), sent(new_secret="x-y-z", remove_secret="on"))
    assert "remove_secret" in errors_of(both)
    assert client.post(change(orders), sent(new_secret="", remove_secret="on", scheme="none")).status_code == 302
    assert find_http("orders")[1] is None


def test_the_name_of_a_connection_stays(client, orders):
    client.post(change(orders), sent(name="renamed", new_secret=""))
    assert Connection.objects.get().name == "orders"


def test_a_secret_does_not_follow_to_another_address(client, orders):
    evil = sent(base_url="https://evil.example/v1", new_secret="")
    assert "https://api.example.com" in errors_of(client.post(change(orders), evil))["new_secret"][0]
    orders.refresh_from_db()
    assert orders.settings["base_url"] == "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "example"}, "base_url"),
        ({"new_secret": ""}, "new_secret"),
        ({"new_secret": "ü"}, "new_secret"),
        ({"scheme": "basic"}, "__all__"),
        ({"scheme": "header", "header": "Host"}, "__all__"),
        ({"kind": "smtp"}, "host"),
        ({"kind": "smtp", "host": "mail.example.com", "from_address": "x"}, "from_address"),
        ({"kind": "nonsense"}, "kind"),
        ({"name": "not a slug"}, "name"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(client, values, field):
    response = client.post(ADD, sent(**values))
    assert field in errors_of(response)
    assert SECRET not in response.content.decode()
    assert not Connection.objects.exists()


def test_a_connection_that_is_bound_cannot_be_deleted(client, orders):
    publish_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "orders"}})
    address = reverse("admin:processes_connection_delete", args=[orders.pk])
    response = client.post(address, {"post": "yes"}, follow=True)
    assert "shop binds it" in response.content.decode()
    assert Connection.objects.exists()


def test_one_that_is_not_bound_is_deleted_and_written_down(client, orders):
    client.post(reverse("admin:processes_connection_delete", args=[orders.pk]), {"post": "yes"})
    assert not Connection.objects.exists()
    assert AuditEntry.objects.filter(action="connection.deleted", actor_name="keeper").exists()


def test_who_may_bind_it_is_written_down_when_that_changes(client, orders):
    group = Group.objects.create(name="shop")
    values = sent(new_secret="", groups=[group.pk])
    for _ in range(2):
        assert client.post(change(orders), values).status_code == 302
    assert list(orders.groups.all()) == [group]
    entry = AuditEntry.objects.get(action="connection.edited")
    assert entry.details == {"changed": ["groups"]}


def test_those_who_only_look_see_no_secret(orders):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_connection"))
    client = Client()
    client.force_login(viewer)
    response = client.get(change(orders))
    assert response.status_code == 200
    assert SECRET not in response.content.decode()
    assert orders.secret not in response.content.decode()
    assert client.post(change(orders), sent(description="mine")).status_code == 403


def test_without_the_permission_there_is_nothing():
    client = Client()
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    assert client.get("/admin/processes/connection/").status_code == 403
    assert client.post(ADD, sent()).status_code == 403
