"""Say which messages a process instance wants."""

from collections.abc import Sequence

from django.db import transaction

from processes.domain.topics import check_pattern, compile_message_condition
from processes.models import ProcessInstance, Subscription
from processes.services.assignments import locked_instance

__all__ = ["check_subscription", "subscribe", "subscribe_to_topics_of", "unsubscribe"]


@transaction.atomic
def subscribe(instance: ProcessInstance, topic: str, condition: str = "") -> Subscription:
    """Let an instance get the messages of a topic, or of a pattern of topics, that are published from now on.

    `condition` is CEL over `data`, the payload, and `attr`, which has `topic` and `key`; empty for every message.
    Subscribing again changes the condition and nothing else. Raises TopicError, ConditionError, and
    InstanceNotFoundError where somebody has deleted the instance.
    """
    check_subscription(topic, condition)
    # Whoever deletes it waits for this, or this for them.
    locked_instance(instance.pk)
    subscription, _created = Subscription.objects.update_or_create(
        instance=instance, topic=topic, defaults={"condition": condition}
    )
    return subscription


def unsubscribe(instance: ProcessInstance, topic: str) -> bool:
    """Let an instance get no more messages of a topic, as it was subscribed to; return whether it was.

    What was published before and hasn't been spread yet isn't given to it either. Raises TopicError.
    """
    rows = Subscription.objects.filter(instance=instance, topic=check_pattern(topic))
    return rows.delete()[0] > 0


@transaction.atomic
def subscribe_to_topics_of(instance: ProcessInstance) -> Sequence[Subscription]:
    """Subscribe an instance to the topics of its type, in the transaction that creates it; raises TopicError."""
    topics = [] if instance.type is None else list(dict.fromkeys(instance.type.topics))
    return [subscribe(instance, topic) for topic in topics]


def check_subscription(topic: str, condition: str = "") -> None:
    """Refuse what can't be subscribed to; raises TopicError and ConditionError."""
    check_pattern(topic)
    if condition:
        compile_message_condition(condition)
