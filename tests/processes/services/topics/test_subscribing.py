"""Subscribing: which messages an instance wants, from now on."""

import pytest

from processes.errors import ConditionError, TopicError
from processes.models import InstanceType, ProcessInstance, Subscription
from processes.services.errors import InstanceNotFoundError
from processes.services.topics import subscribe, subscribe_to_topics_of, unsubscribe
from tests.processes.services.topic_kit import a_process, an_instance

pytestmark = pytest.mark.django_db


def test_subscribing_again_changes_the_condition_and_nothing_else() -> None:
    instance = an_instance()
    first = subscribe(instance, "invoice.*")
    again = subscribe(instance, "invoice.*", "data.amount > 1")
    assert again.pk == first.pk
    assert Subscription.objects.get().condition == "data.amount > 1"


@pytest.mark.parametrize("topic", ["", "A", "*.a"])
def test_what_is_no_pattern_is_refused(topic: str) -> None:
    instance = an_instance()
    for deed in (subscribe, unsubscribe):
        with pytest.raises(TopicError):
            deed(instance, topic)


@pytest.mark.parametrize("condition", ["data.a =", "user.is_staff", "x" * 1_001])
def test_a_condition_that_could_never_be_asked_is_refused(condition: str) -> None:
    with pytest.raises(ConditionError):
        subscribe(an_instance(), "a", condition)
    assert not Subscription.objects.exists()


def test_unsubscribing_tells_whether_there_was_a_subscription() -> None:
    instance, other = an_instance(), an_instance()
    subscribe(instance, "a")
    subscribe(instance, "b")
    subscribe(other, "a")
    assert [unsubscribe(instance, "a"), unsubscribe(instance, "a")] == [True, False]
    left = Subscription.objects.order_by("id").values_list("instance_id", "topic")
    assert list(left) == [(instance.pk, "b"), (other.pk, "a")]


def test_an_instance_subscribes_to_the_topics_of_its_type() -> None:
    template = a_process()
    kind = InstanceType.objects.create(
        slug="claim", title="Claim", template=template, topics=["invoice.*", "paid", "paid"]
    )
    typed, untyped = an_instance(template), an_instance(template)
    typed.type = kind
    assert [one.topic for one in subscribe_to_topics_of(typed)] == ["invoice.*", "paid"]
    assert list(subscribe_to_topics_of(untyped)) == []
    assert Subscription.objects.count() == 2


def test_its_subscriptions_go_with_an_instance() -> None:
    instance = an_instance()
    subscribe(instance, "a")
    instance.delete()
    assert not Subscription.objects.exists()


def test_what_was_deleted_meanwhile_subscribes_to_nothing() -> None:
    instance = an_instance()
    ProcessInstance.objects.get(pk=instance.pk).delete()
    with pytest.raises(InstanceNotFoundError):
        subscribe(instance, "invoice.*")
    assert not Subscription.objects.exists()
