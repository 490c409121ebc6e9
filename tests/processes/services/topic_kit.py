"""Subscribers for tests: instances whose process takes messages."""

import itertools
from typing import Any

from django.contrib.auth.models import User

from processes.models import Delivery, Message, ProcessInstance, ProcessTemplate, Subscription
from processes.services.instances import create_instance
from processes.services.topics import subscribe
from processes.services.topics.spreading import spread_messages
from tests.processes.services.published import action, page, publish_process

_numbers = itertools.count(1)

TAKES = (page("show", "x"), action("@consume", "noop", entry=False, next=False))
TAKES_NONE = (page("show", "x"),)


def a_process(*actions: dict[str, Any], **options: Any) -> ProcessTemplate:
    return publish_process(f"subscribed-{next(_numbers)}", actions or TAKES, **options)


def an_instance(
    template: ProcessTemplate | None = None, *, owner: User | None = None, **options: Any
) -> ProcessInstance:
    owner = owner or User.objects.create_user(f"owner-{next(_numbers)}")
    return create_instance(template=template or a_process(), owner=owner, **options)


def a_subscriber(topic: str = "invoice.paid", condition: str = "", **options: Any) -> ProcessInstance:
    instance = an_instance(**options)
    subscribe(instance, topic, condition)
    return instance


def spread_all() -> None:
    """Spread what is published, as the dispatcher does at its ticks."""
    while Message.objects.filter(spread_at=None).exists():
        assert spread_messages(limit=50), "it goes on"


def outcomes(instance: ProcessInstance) -> list[tuple[str, str]]:
    """Return what has become of an instance's messages: topics and outcomes, the oldest first."""
    rows = Delivery.objects.filter(instance=instance).order_by("id")
    return [(row.message.topic, row.outcome) for row in rows.select_related("message")]


def many_subscribers(count: int, *, topic: str = "invoice.paid") -> list[ProcessInstance]:
    """Make instances of one process, without Data, that have subscribed: as many as it takes."""
    template = a_process()
    owner = User.objects.create_user(f"owner-{next(_numbers)}")
    instances = [
        ProcessInstance(template=template, plan_id=template.published_plan_id, owner=owner) for _ in range(count)
    ]
    ProcessInstance.objects.bulk_create(instances)
    Subscription.objects.bulk_create([Subscription(instance=instance, topic=topic) for instance in instances])
    return instances
