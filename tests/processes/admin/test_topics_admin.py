"""Messages, their deliveries and subscriptions in the admin: found by whoever may see them, changed by nobody."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.admin import topics
from processes.models import Delivery, Message, ProcessInstance, Run, Subscription
from processes.services.topics import publish, subscribe
from tests.processes.services.topic_kit import a_process, a_subscriber, spread_all

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES, DELIVERIES, SUBSCRIPTIONS = (f"/admin/processes/{name}/" for name in ("message", "delivery", "subscription"))
VIEWS = ("view_message", "view_delivery", "view_subscription")


@pytest.fixture
def reader(client: Client) -> Client:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=VIEWS))
    client.force_login(user)
    return client


@pytest.fixture
def instances() -> list[ProcessInstance]:
    """Two that got a message, and one whose owner may do nothing any more; and a message that nobody wants."""
    template = a_process()
    ada = User.objects.create_user("ada")
    graz = a_subscriber("invoice.*", template=template, owner=ada, title="Graz")
    vienna = a_subscriber("invoice.paid", "data.number > 0", template=template, title="Vienna")
    broken = a_subscriber("*", "data.gone", template=template, title="Linz")
    publish("invoice.paid", {"number": 7, "note": "room 12b"}, key="k7")
    publish("nobody.cares", {"number": 8})
    spread_all()
    return [graz, vienna, broken]


def found(client: Client, address: str, query: str) -> list[Any]:
    response = client.get(address, {"q": query})
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def test_a_message_shows_its_payload_and_what_became_of_it(instances: list[ProcessInstance], reader: Client) -> None:
    user = User.objects.get(username="reader")
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_run", "view_processinstance"]))
    message = Message.objects.get(key="k7")
    shown = reader.get(f"{MESSAGES}{message.pk}/change/").content.decode()
    run_id = Delivery.objects.get(message=message, instance=instances[0]).run_id
    for text in (
        "invoice.paid", "k7", "room 12b", "Stepline", "Graz", "Vienna", "Linz", "couldn&#x27;t be given to the process",
        "There is no key", f"/admin/processes/run/{run_id}/change/",
        f"/admin/processes/processinstance/{instances[0].pk}/change/",
    ):  # fmt: skip
        assert text in shown, text


def test_who_may_not_see_runs_and_instances_gets_no_links_to_them(
    instances: list[ProcessInstance], reader: Client
) -> None:
    message = Message.objects.get(key="k7")
    shown = reader.get(f"{MESSAGES}{message.pk}/change/").content.decode()
    assert "Graz" in shown
    assert "/admin/processes/run/" not in shown
    assert "/admin/processes/processinstance/" not in shown


def test_of_many_deliveries_the_first_ones_are_shown_and_the_list_has_all(
    instances: list[ProcessInstance], reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "MOST_ROWS", 2)
    message = Message.objects.get(key="k7")
    page = reader.get(f"{MESSAGES}{message.pk}/change/")
    assert len(page.context["deliveries"]) == 2
    assert page.context["more_address"] in page.content.decode()
    assert len(reader.get(page.context["more_address"]).context["cl"].result_list) == 3


def test_a_run_that_is_purged_is_named_all_the_same(instances: list[ProcessInstance], reader: Client) -> None:
    run = Run.objects.select_related("root").get(instance=instances[0])
    message = Delivery.objects.get(run_id=run.pk).message
    run.root.delete()
    shown = reader.get(f"{MESSAGES}{message.pk}/change/").content.decode()
    assert str(run.pk) in shown


@pytest.mark.parametrize("query", ["k7", "invoice paid", "stepline invoice", "{id}", "{short}"])
def test_messages_are_found_by_topic_key_publisher_and_id(
    instances: list[ProcessInstance], reader: Client, query: str
) -> None:
    message = Message.objects.get(key="k7")
    # All ids of one moment begin alike.
    asked = query.format(id=message.pk, short=message.pk.hex[:30])
    assert found(reader, MESSAGES, asked) == [message]
    assert found(reader, MESSAGES, "nothing") == []


@pytest.mark.parametrize("query", ["invoice graz", "Graz", "{instance}"])
def test_deliveries_are_found_by_topic_title_and_id(
    instances: list[ProcessInstance], reader: Client, query: str
) -> None:
    expected = list(Delivery.objects.filter(instance=instances[0]))
    assert found(reader, DELIVERIES, query.format(instance=instances[0].pk)) == expected
    assert len(found(reader, DELIVERIES, str(Message.objects.get(key="k7").pk))) == 3


@pytest.mark.parametrize("query", ["ada", "Graz", "invoice ada", "{instance}"])
def test_subscriptions_are_found_by_topic_title_owner_and_id(
    instances: list[ProcessInstance], reader: Client, query: str
) -> None:
    expected = list(Subscription.objects.filter(instance=instances[0]))
    assert found(reader, SUBSCRIPTIONS, query.format(instance=instances[0].pk)) == expected
    assert found(reader, SUBSCRIPTIONS, "number") == list(Subscription.objects.filter(instance=instances[1]))


@pytest.mark.parametrize(
    ("address", "query", "count"),
    [
        (MESSAGES, "spread=done", 2), (MESSAGES, "spread=open", 1), (MESSAGES, "spread=failed", 2),
        (DELIVERIES, "outcome=started", 2), (DELIVERIES, "outcome=failed", 2), (DELIVERIES, "outcome=ignored", 0),
        (SUBSCRIPTIONS, "conditional=no", 1), (SUBSCRIPTIONS, "conditional=yes", 2),
    ],
)  # fmt: skip
def test_the_lists_are_narrowed(
    instances: list[ProcessInstance], reader: Client, address: str, query: str, count: int
) -> None:
    publish("later", {})
    assert reader.get(f"{address}?{query}").context["cl"].result_count == count


@pytest.mark.parametrize("address", [MESSAGES, DELIVERIES, SUBSCRIPTIONS])
def test_a_list_asks_as_few_questions_for_many_rows_as_for_few(
    instances: list[ProcessInstance], reader: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(8):
        reader.get(address)


@pytest.mark.parametrize(
    ("address", "model"), [(MESSAGES, Message), (DELIVERIES, Delivery), (SUBSCRIPTIONS, Subscription)]
)
def test_nobody_adds_changes_or_deletes_by_hand(
    instances: list[ProcessInstance], client: Client, address: str, model: Any
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    pk = model.objects.order_by("pk")[0].pk
    assert client.get(f"{address}{pk}/change/").status_code == 200
    assert client.post(f"{address}add/", {}).status_code == 403
    assert client.post(f"{address}{pk}/change/", {"topic": "x"}).status_code == 403
    assert client.post(f"{address}{pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("address", [MESSAGES, DELIVERIES, SUBSCRIPTIONS])
def test_without_the_permission_they_are_closed(instances: list[ProcessInstance], client: Client, address: str) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(address).status_code == 403


def test_a_title_is_text_and_no_markup(reader: Client) -> None:
    instance = a_subscriber(title="<script>alert(1)</script>")
    subscribe(instance, "a")
    publish("a", {"t": "<script>"})
    spread_all()
    for address in (SUBSCRIPTIONS, DELIVERIES, f"{MESSAGES}{Message.objects.get().pk}/change/"):
        content = reader.get(address).content.decode()
        assert "<script>alert" not in content
        assert "&lt;script&gt;alert" in content
