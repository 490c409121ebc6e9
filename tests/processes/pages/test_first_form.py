"""A form that is merely opened stores nothing; the first who sends it creates its data."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import DataNode
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

NAME = {"name": "name"}


@pytest.fixture(autouse=True)
def process() -> None:
    publish_process("claim", [form("ask", "next", NAME), form("next", "done", {"name": "city"}), page("done", "done")])


def test_opening_it_stores_nothing_and_sending_it_stores_once(client: Client) -> None:
    tab = client.get("/p/claim/")
    assert not DataNode.objects.exists()
    values = read_form(tab)
    assert values["revision"] == "0"
    send_form(client, tab, name="Ada")
    node = DataNode.objects.get()
    assert (node.reference, node.revision, node.data) == (values["data"], 1, {"name": "Ada"})


def test_each_opening_begins_something_of_its_own(client: Client) -> None:
    one, other = client.get("/p/claim/"), client.get("/p/claim/")
    for tab, name in ((one, "Ada"), (other, "Grace")):
        assert read_form(send_form(client, tab, name=name))["form"] == "next"
    assert sorted(node.data["name"] for node in DataNode.objects.all()) == ["Ada", "Grace"]


def test_sending_it_twice_gives_one_winner_and_a_page_that_says_so(client: Client) -> None:
    tab = client.get("/p/claim/")
    assert read_form(send_form(client, tab, name="Ada"))["form"] == "next"
    assert send_form(client, tab, name="Grace").status_code == 409
    assert DataNode.objects.get().data == {"name": "Ada"}


def test_a_form_that_knows_something_already_stores_it(client: Client) -> None:
    ask = form("ask", "ask", NAME)
    publish_process("known", [{"name": "know", "script": "set_data", "config": {"values": {"n": 1}}}, ask])
    values = read_form(client.get("/p/known/"))
    assert "promise" not in values
    assert values["revision"] == "1"
    assert DataNode.objects.get().data == {"n": 1}


def test_what_was_refused_is_stored_but_nothing_is_claimed(client: Client) -> None:
    tab = client.get("/p/claim/")
    for _ in range(2):
        refused = send_form(client, tab, name="")
        assert refused.status_code == 422
    assert DataNode.objects.get().revision == 0
    assert read_form(send_form(client, refused, name="Ada"))["form"] == "next"


def spoiled(values: dict[str, str], what: str) -> dict[str, str]:
    if what == "none":
        return {name: value for name, value in values.items() if name != "promise"}
    if what == "other reference":
        return {**values, "data": "A" * 22}
    return {**values, "promise": {"empty": "", "cut": values["promise"][:-1], "long": "x" * 10_000}[what]}


@pytest.mark.parametrize("what", ["none", "other reference", "empty", "cut", "long"])
def test_a_promise_that_was_tampered_with_is_one_clear_page(client: Client, what: str) -> None:
    values = read_form(client.get("/p/claim/"))
    unknown = client.get(f"/p/claim/?data={'A' * 22}")
    response = client.post("/p/claim/", {**spoiled(values, what), "name": "Ada", "city": "Rome"})
    assert response.status_code == 404
    assert main_of(response) == main_of(unknown)
    assert not DataNode.objects.exists()


def test_a_promise_holds_as_long_as_data_would_have_been_kept(client: Client, settings) -> None:
    values = read_form(client.get("/p/claim/"))
    settings.STEPLINE_DATA_NODE_HOURS = 0
    assert client.post("/p/claim/", {**values, "name": "Ada"}).status_code == 404
    settings.STEPLINE_DATA_NODE_HOURS = 1
    assert client.post("/p/claim/", {**values, "name": "Ada"}).status_code == 303
    node = DataNode.objects.get()
    assert abs(node.expires_at - node.created_at - timedelta(hours=1)) < timedelta(seconds=5)


def test_a_promise_to_another_visitor_process_or_instance_is_none(client: Client) -> None:
    values = {**read_form(client.get("/p/claim/")), "name": "Ada"}
    publish_process("other", [form("ask", "ask", NAME)])
    user = Client()
    user.force_login(User.objects.create_user("grace"))
    assert Client().post("/p/claim/", values).status_code == 404
    assert user.post("/p/claim/", values).status_code == 404
    assert client.post("/p/other/", values).status_code == 404
    assert not DataNode.objects.exists()


def test_whoever_signs_in_meanwhile_goes_on_with_the_form_they_opened_before(client: Client) -> None:
    ada = User.objects.create_user("ada", password="secret")
    values = read_form(client.get("/p/claim/"))
    client.post("/accounts/login/", {"username": "ada", "password": "secret"})
    assert client.post("/p/claim/", {**values, "name": "Ada"}).status_code == 303
    assert DataNode.objects.get().owner == ada


def test_after_the_data_was_deleted_the_form_cannot_be_sent_once_more(client: Client) -> None:
    work = {"name": "work", "script": "delete_data_node"}
    publish_process("short", [form("ask", "work", NAME, next=False), work, page("done", "done")])
    tab = client.get("/p/short/")
    assert send_form(client, tab, name="Ada").status_code == 200
    again = send_form(client, tab, name="Ada")
    assert again.status_code == 404
    assert "no longer valid" in again.content.decode()


def test_the_address_for_the_history_shows_what_was_entered_once_the_form_was_sent(client: Client) -> None:
    tab = client.get("/p/claim/?tenant=north")
    address = f"/p/claim/?tenant=north&form=ask&data={read_form(tab)['data']}&new=1"
    assert f'data-address="{address.replace("&", "&amp;")}"' in tab.content.decode()
    unsent = client.get(address)
    assert (unsent.status_code, unsent.headers["Location"]) == (302, "/p/claim/?tenant=north")
    send_form(client, tab, name="Ada")
    assert read_form(client.get(address))["name"] == "Ada"
    for copied in (Client(), client):
        link = address if copied is not client else address.replace(read_form(tab)["data"], "A" * 22)
        assert copied.get(link).headers["Location"] == "/p/claim/?tenant=north"


def test_a_process_may_have_a_parameter_that_is_called_new(client: Client) -> None:
    publish_process("shop", [page("show", "%{param:new}")])
    assert "arrivals" in client.get("/p/shop/?new=arrivals").content.decode()
