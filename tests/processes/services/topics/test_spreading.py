"""The dispatcher gives each message to those who subscribed before: once, in order, and nobody holds others up."""

import logging
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from processes.domain.application import Application
from processes.models import AuditEntry, Delivery, Message, ProcessInstance, Run, Subscription
from processes.services.controlling import retry_run
from processes.services.host import acting_user
from processes.services.instances import context_node_of
from processes.services.topics import publish, spreading, subscribe, unsubscribe
from processes.services.topics.spreading import spread_messages
from tasks.models import Job
from tasks.services.dispatch import tick
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import action, page
from tests.processes.services.topic_kit import TAKES_NONE, a_process, a_subscriber, outcomes, spread_all

pytestmark = pytest.mark.django_db(transaction=True)


# -- what it starts ----------------------------------------------------------------------------------------------------


def test_the_process_consumes_it_in_its_owners_name_with_the_instances_data(kit: RunKit) -> None:
    def take(app: Application) -> None:
        app.data["taken"] = [dict(app.request.parameters), app.get("message"), acting_user(app).username]  # type: ignore[union-attr]

    template = a_process(
        page("show", "x"),
        action("@start", "load_data"),
        action("@consume", kit.script(take), entry=False),
        action("keep", "save_data", next=False),
    )
    ada = User.objects.create_user("ada")
    instance = a_subscriber(template=template, owner=ada, title="Graz", data={"total": 3})
    published = publish("invoice.paid", {"number": 7}, key="k7")
    assert tick().other > 0
    kit.work()

    message, delivery = Message.objects.get(), Delivery.objects.get()
    run = Run.objects.select_related("root").get(pk=delivery.run_id)
    assert (run.status, run.instance, run.user, run.root.title) == ("completed", instance, ada, "Graz")
    parameters = {"topic": "invoice.paid", "message": {"number": 7}, "message_id": str(published.id), "key": "k7"}
    told = {
        "id": str(published.id),
        "topic": "invoice.paid",
        "key": "k7",
        "published_at": message.created_at.isoformat(),
        "published_by": "Stepline",
    }
    assert context_node_of(instance).data == {"total": 3, "taken": [parameters, told, "ada"]}
    started = AuditEntry.objects.get(action="run.started")
    assert (started.actor_name, started.authority_name) == ("Stepline", "ada")
    assert started.details["message"] == str(message.pk)


def test_a_process_that_takes_no_messages_is_left_alone(kit: RunKit) -> None:
    instance = a_subscriber(template=a_process(*TAKES_NONE))
    publish("invoice.paid", {})
    spread_all()
    assert outcomes(instance) == [("invoice.paid", "ignored")]
    assert not Run.objects.exists()


def test_without_an_owner_it_runs_with_nobodys_rights(kit: RunKit) -> None:
    seen: list[Any] = []
    template = a_process(action("@consume", kit.script(lambda app: seen.append(acting_user(app))), next=False))
    instance = a_subscriber(template=template)
    ProcessInstance.objects.update(owner=None)
    publish("invoice.paid", {})
    spread_all()
    kit.work()
    assert outcomes(instance) == [("invoice.paid", "started")]
    assert seen == [None]


# -- to whom -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "gets"),
    [("invoice.paid", True), ("invoice.*", True), ("*", True), ("invoice", False), ("invoice.paid.*", False),
     ("order.*", False), ("invoice.pai", False)],
)  # fmt: skip
def test_it_goes_to_those_whose_pattern_fits(pattern: str, gets: bool) -> None:
    instance = a_subscriber(pattern)
    publish("invoice.paid", {})
    spread_all()
    assert outcomes(instance) == [("invoice.paid", "started")] * gets


def test_an_instance_gets_it_once_however_many_of_its_subscriptions_fit() -> None:
    instance = a_subscriber("invoice.*")
    for pattern in ("invoice.paid", "*"):
        subscribe(instance, pattern)
    publish("invoice.paid", {})
    spread_all()
    assert outcomes(instance) == [("invoice.paid", "started")]
    assert Run.objects.count() == Message.objects.get().deliveries_count == 1


@pytest.mark.parametrize(
    ("condition", "payload", "gets"),
    [
        ("data.amount > 100", {"amount": 101}, ["started"]),
        ("data.amount > 100", {"amount": 100}, []),
        ('attr.topic == "invoice.paid" && attr.key == "k"', {}, ["started"]),
        ("data.amount > 100", {}, ["failed"]),
    ],
)
def test_a_condition_is_asked(condition: str, payload: dict[str, Any], gets: list[str]) -> None:
    instance = a_subscriber(condition=condition)
    publish("invoice.paid", payload, key="k")
    spread_all()
    assert [outcome for _, outcome in outcomes(instance)] == gets


def test_where_one_condition_fails_another_subscription_of_the_instance_counts() -> None:
    instance = a_subscriber(condition="data.amount > 1")
    subscribe(instance, "*")
    publish("invoice.paid", {})
    spread_all()
    assert outcomes(instance) == [("invoice.paid", "started")]
    assert Delivery.objects.get().reason == ""
    assert Message.objects.get().deliveries_count == 1


def test_who_subscribes_later_doesnt_get_what_was_published_before() -> None:
    before = a_subscriber()
    publish("invoice.paid", {})
    after = a_subscriber()
    spread_all()
    assert [len(outcomes(before)), len(outcomes(after))] == [1, 0]


def test_who_has_unsubscribed_gets_nothing_more_not_even_what_is_on_its_way() -> None:
    instance = a_subscriber()
    publish("invoice.paid", {})
    unsubscribe(instance, "invoice.paid")
    subscribe(instance, "invoice.paid")
    spread_all()
    assert outcomes(instance) == []
    publish("invoice.paid", {})
    spread_all()
    assert len(outcomes(instance)) == 1


def test_what_nobody_wants_is_spread_too() -> None:
    publish("invoice.paid", {})
    spread_all()
    message = Message.objects.get()
    assert (message.deliveries_count, message.spread_at is None) == (0, False)


# -- in order, one at a time -------------------------------------------------------------------------------------------


def test_an_instance_consumes_messages_in_the_order_of_their_publication(kit: RunKit) -> None:
    seen: list[int] = []
    template = a_process(
        action("@consume", kit.script(lambda app: seen.append(app.request.parameters["message"]["n"])), next=False)
    )
    a_subscriber("order.*", template=template)
    for number in range(4):
        publish(f"order.{'ab'[number % 2]}", {"n": number})
    spread_all()
    kit.work()
    assert seen == [0, 1, 2, 3]


def test_the_runs_of_one_instance_have_one_key_and_those_of_others_another() -> None:
    one, other = a_subscriber(), a_subscriber()
    for _ in range(2):
        publish("invoice.paid", {})
    spread_all()
    keys = sorted(Job.objects.values_list("concurrency_key", "concurrency_limit"))
    assert keys == sorted([(f"instance:{one.pk}", 1), (f"instance:{other.pk}", 1)] * 2)


def test_messages_are_spread_in_order_even_where_one_takes_several_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "BATCH", 2)
    monkeypatch.setattr(spreading, "SECONDS", 0.0)
    instances = [a_subscriber() for _ in range(5)]
    first, second = publish("invoice.paid", {}), publish("invoice.paid", {})
    counts = []
    while Message.objects.filter(spread_at=None).exists():
        spread_messages(limit=50)
        counts.append(
            (Delivery.objects.filter(message=first.id).count(), Delivery.objects.filter(message=second.id).count())
        )
    assert counts == [(2, 0), (4, 0), (5, 2), (5, 4), (5, 5)]
    assert all(len(outcomes(instance)) == 2 for instance in instances)


# -- what can't be given -----------------------------------------------------------------------------------------------


def test_one_that_cant_be_given_to_an_instance_is_noted_and_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    before, broken, after = a_subscriber(), a_subscriber(), a_subscriber()
    User.objects.filter(pk=broken.owner_id).update(is_active=False)
    publish("invoice.paid", {})
    with caplog.at_level(logging.WARNING):
        spread_all()
    assert [outcomes(one)[0][1] for one in (before, broken, after)] == ["started", "failed", "started"]
    assert broken.deliveries.get().reason == "Its owner is inactive."
    assert Message.objects.get().deliveries_count == 3
    assert Run.objects.count() == 2
    assert "was not given to somebody: [authority]" in caplog.text


def test_what_fails_unexpectedly_is_noted_without_its_secrets(monkeypatch: pytest.MonkeyPatch, unlogged: None) -> None:
    broken, after = a_subscriber(), a_subscriber()
    real = spreading.start_consuming

    def refuse(instance: ProcessInstance, message: Message) -> Any:
        if instance.pk == broken.pk:
            raise ValueError("s3cret")
        return real(instance, message)

    monkeypatch.setattr(spreading, "start_consuming", refuse)
    publish("invoice.paid", {})
    spread_all()
    assert "s3cret" not in broken.deliveries.get().reason
    assert outcomes(after) == [("invoice.paid", "started")]


def test_while_the_database_is_away_nothing_is_noted_and_the_next_tick_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_subscriber(), a_subscriber()
    real = spreading.start_consuming
    broken = True

    def fall_away(instance: ProcessInstance, message: Message) -> Any:
        if broken and instance.pk == second.pk:
            raise OperationalError("gone")
        return real(instance, message)

    monkeypatch.setattr(spreading, "start_consuming", fall_away)
    publish("invoice.paid", {})
    with pytest.raises(OperationalError):
        spread_messages(limit=50)
    assert not Delivery.objects.exists()
    assert not Run.objects.exists()
    broken = False
    spread_all()
    assert [len(outcomes(one)) for one in (first, second)] == [1, 1]


def test_what_cant_be_committed_for_one_instance_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, unlogged: None
) -> None:
    """As where somebody deletes an instance at that moment: the batch is taken one by one, and this one passed over."""
    before, broken, after = a_subscriber(), a_subscriber(), a_subscriber()
    real = spreading.start_consuming

    def refer_to_nothing(instance: ProcessInstance, message: Message) -> Any:
        run_id = real(instance, message)
        if instance.pk == broken.pk:
            Run.objects.filter(pk=run_id).update(instance_id=uuid.uuid4())
        return run_id

    monkeypatch.setattr(spreading, "start_consuming", refer_to_nothing)
    publish("invoice.paid", {})
    spread_all()
    assert [outcomes(one)[0][1] for one in (before, broken, after)] == ["started", "failed", "started"]
    assert Run.objects.count() == 2
    assert Message.objects.get().deliveries_count == 3


def test_a_message_that_cant_be_spread_at_all_doesnt_keep_later_ones_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    instance = a_subscriber("*")
    broken, later = publish("broken", {}), publish("later", {})
    real = spreading.patterns_of

    def refuse(topic: str) -> tuple[str, ...]:
        if topic == "broken":
            raise ValueError
        return real(topic)

    monkeypatch.setattr(spreading, "patterns_of", refuse)
    assert spread_messages(limit=50) > 0
    assert outcomes(instance) == [("later", "started")]
    assert f"The message {broken.id} could not be spread." in caplog.text
    monkeypatch.undo()
    spread_all()
    assert outcomes(instance) == [("later", "started"), ("broken", "started")]
    assert Message.objects.get(pk=later.id).deliveries_count == 1


def test_a_subscription_that_no_longer_can_be_read_is_told(unlogged: None) -> None:
    instance = a_subscriber()
    Subscription.objects.update(condition="data.")
    publish("invoice.paid", {})
    spread_all()
    assert outcomes(instance) == [("invoice.paid", "failed")]
    assert "can't be read" in instance.deliveries.get().reason


# -- afterwards --------------------------------------------------------------------------------------------------------


def test_a_run_that_has_failed_is_taken_up_again_and_still_beside_no_other_of_its_instance(
    kit: RunKit, operator: User
) -> None:
    seen: list[int] = []

    def take(app: Application) -> None:
        seen.append(app.request.parameters["message"]["n"])
        if len(seen) == 1:
            raise ValueError

    instance = a_subscriber(template=a_process(action("@consume", kit.script(take), next=False)))
    publish("invoice.paid", {"n": 1})
    spread_all()
    kit.work()
    failed = Run.objects.get()
    assert failed.status == "failed"
    new_id = retry_run(run_id=failed.pk, user=operator)
    assert Job.objects.get(pk=new_id).concurrency_key == f"instance:{instance.pk}"
    kit.work()
    assert (kit.run(new_id).status, seen) == ("completed", [1, 1])
