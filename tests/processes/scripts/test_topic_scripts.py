"""`publish` tells all who have subscribed; `subscribe` and `unsubscribe` speak for the executed instance."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from processes.errors import DefinitionError, ProcessError
from processes.models import AuditEntry, Message, ProcessInstance, Run, Subscription
from processes.services.instances import context_node_of, create_instance, execute_instance
from processes.services.topics import publish
from processes.testing import run
from tests.processes.services.conftest import RunKit, kit  # noqa: F401 - a fixture
from tests.processes.services.published import action, page, publish_process, save_process
from tests.processes.services.topic_kit import spread_all

pytestmark = pytest.mark.django_db


def executed(*actions: dict[str, Any], data: dict[str, Any] | None = None) -> ProcessInstance:
    """Execute an instance of a process with these actions for its owner."""
    owner = User.objects.create_user("ada")
    instance = create_instance(template=publish_process("topical", actions), owner=owner, data=data)
    execute_instance(instance=instance, user=owner)
    return instance


def test_publish_stores_a_message_in_the_name_of_whoever_acts() -> None:
    config = {"topic": "invoice.paid", "payload": {"number": "%{data:number}"}, "key": "%{data:number}"}
    executed(action("load", "load_data"), action("tell", "publish", config=config), data={"number": "7"})
    message = Message.objects.get()
    assert (message.topic, message.key, message.payload) == ("invoice.paid", "7", {"number": "7"})
    assert AuditEntry.objects.get(action="message.published").actor_name == "ada"


def test_without_a_payload_it_publishes_the_data() -> None:
    executed(action("load", "load_data"), action("tell", "publish", config={"topic": "a"}), data={"n": [1, {"b": 2}]})
    assert Message.objects.get().payload == {"n": [1, {"b": 2}]}


@pytest.mark.django_db(transaction=True)
def test_a_background_run_publishes_together_with_the_step(kit: RunKit) -> None:  # noqa: F811
    run_id = kit.start(action("tell", "publish", config={"topic": "a"}))
    assert not Message.objects.exists(), "a worker has to come first"
    kit.work()
    assert (Run.objects.get(pk=run_id).status, Message.objects.count()) == ("completed", 1)


@pytest.mark.parametrize("topic", ["A", "invoice.*", ""])
def test_a_topic_that_can_never_be_is_found_when_the_process_is_saved(topic: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        publish_process("topical", [action("tell", "publish", config={"topic": topic})])
    assert refused.value.problems[0].path == "/0/config/topic"


def test_a_topic_that_the_data_make_is_checked_when_they_are_there() -> None:
    tell = action("tell", "publish", config={"topic": "order.%{data:kind}"})
    save_process("topical", [tell])
    report = run([tell], data={"kind": "Big One"})
    assert report.error is not None
    assert report.error.code == "config"
    assert "is no word of a topic" in report.error.message


def test_another_payload_under_the_same_key_fails_the_action() -> None:
    publish("a", {"n": 1}, key="k")
    report = run([action("tell", "publish", config={"topic": "a", "payload": {"n": 2}, "key": "k"})])
    assert report.error is not None
    assert report.error.code == "message_conflict"


def test_an_instance_subscribes_and_unsubscribes_itself() -> None:
    want = {"topic": "invoice.*", "condition": "data.amount > 1"}
    instance = executed(
        action("want", "subscribe", config=want),
        action("both", "subscribe", config={"topic": "order"}),
        action("not", "unsubscribe", config={"topic": "order"}),
        page("show", "x"),
    )
    subscription = Subscription.objects.get()
    assert (subscription.instance, subscription.topic, subscription.condition) == (
        instance,
        "invoice.*",
        "data.amount > 1",
    )


@pytest.mark.parametrize("script", ["subscribe", "unsubscribe"])
def test_without_an_instance_nobody_could_subscribe(script: str) -> None:
    report = run([action("want", script, config={"topic": "a"})])
    assert report.error is not None
    assert report.error.code == "no_instance"


@pytest.mark.parametrize("condition", ["data.a =", "user.is_staff"])
def test_a_condition_is_checked_when_the_process_is_saved(condition: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        publish_process("topical", [action("want", "subscribe", config={"topic": "a", "condition": condition})])
    assert refused.value.problems[0].path == "/0/config/condition"


@pytest.mark.django_db(transaction=True)
def test_what_an_instance_subscribed_to_in_init_it_keeps_in_its_data(kit: RunKit) -> None:  # noqa: F811
    template = publish_process(
        "invoice",
        [
            page("show", "%{data:number}"),
            action("@start", "load_data"),
            action("@init", "subscribe", config={"topic": "invoice.*", "condition": "data.amount > 100"}, next=False),
            action("@consume", "set_data", config={"values": {"number": "%{param:message.number}"}}, entry=False),
            action("keep", "save_data", next=False),
        ],
    )
    owner = User.objects.create_user("ada")
    instance = create_instance(template=template, owner=owner)
    for number, amount in ((1, 101), (2, 100)):
        publish("invoice.paid", {"number": number, "amount": amount})
    spread_all()
    kit.work()
    assert context_node_of(instance).data == {"number": 1}


def test_nobody_enters_at_consume_from_outside_where_the_process_keeps_them_from_it() -> None:
    instance = executed(page("show", "x"), action("@consume", "fail", entry=False))
    assert instance.owner is not None
    with pytest.raises(ProcessError) as refused:
        execute_instance(instance=instance, user=instance.owner, action="@consume", parameters={"topic": "forged"})
    assert refused.value.code == "not_found"
