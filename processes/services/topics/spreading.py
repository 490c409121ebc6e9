"""Give each message to those who have subscribed: a duty of the dispatcher.

Messages are spread one after the other, in the order in which they were published, by one dispatcher at a time, so that
an instance gets them in that order. Subscriptions are gone through in batches, by number. One transaction locks the
message, stores for each of them the delivery with the run that consumes it, and notes how far it has come: a dispatcher
that is killed at any point has done all of a batch or nothing, and of several only one does it.

What can't be given to an instance is noted as its delivery, and holds nobody up. Where a batch can't be stored as a
whole (somebody deletes one of its instances at that moment), its subscriptions are gone through one by one.
"""

import logging
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from processes.domain.topics import compile_message_condition, patterns_of
from processes.errors import ProcessError
from processes.models import Delivery, DeliveryOutcome, Message, ProcessInstance, Subscription
from processes.services.topics.consuming import start_consuming
from tasks.domain.bounds import shorten

__all__ = ["BATCH", "SECONDS", "spread_messages"]

logger = logging.getLogger(__name__)

#: Subscriptions of one transaction. On SQLite everybody else waits meanwhile; on PostgreSQL its savepoints, three for
#: each run, stay below the 64 that a transaction has room for in shared memory.
BATCH: Final = 20
#: How long one call goes on with further batches: the dispatcher has other duties.
SECONDS: Final = 0.5

_REASON_CHARS: Final = 500
_STARTED, _IGNORED, _FAILED = DeliveryOutcome.STARTED, DeliveryOutcome.IGNORED, DeliveryOutcome.FAILED


@dataclass(frozen=True, slots=True)
class _Subscriber:
    """Hold what is asked of a subscription."""

    id: int
    instance_id: uuid.UUID
    topic: str
    condition: str


@dataclass(frozen=True, slots=True)
class _Step:
    """Say what a batch has done, and whether the message is spread to the end; None: nothing, others are at it."""

    done: int
    is_last: bool


def spread_messages(*, limit: int) -> int:
    """Spread at most `limit` messages, and go no further once `SECONDS` are over; return how many things were done.

    Raises OperationalError where the database is away. What else keeps a message from being spread is logged and tried
    again at the next call; those that were published after it don't wait for it.
    """
    until = monotonic() + SECONDS
    waiting = Message.objects.filter(spread_at__isnull=True).order_by("id").values_list("pk", flat=True)
    done = 0
    with translation.override(settings.LANGUAGE_CODE):
        for pk in list(waiting[:limit]):
            try:
                count, is_over = _spread(pk, until=until)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("The message %s could not be spread.", pk)
                continue
            done += count
            if not is_over:
                # What was published later comes later.
                break
    return done


def _spread(message_id: uuid.UUID, *, until: float) -> tuple[int, bool]:
    """Go on with a message while there is time; return how much was done, and whether it is spread to the end."""
    done = 0
    while True:
        step = _do_batch(message_id)
        if step is None:
            return done, not Message.objects.filter(pk=message_id, spread_at__isnull=True).exists()
        done += step.done
        if step.is_last or monotonic() >= until:
            return done, step.is_last


def _do_batch(message_id: uuid.UUID) -> _Step | None:
    try:
        return _take_batch(message_id, size=BATCH)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - it is told where it comes again
        logger.info("A batch of the message %s is taken one by one: %s", message_id, error)
    try:
        return _take_batch(message_id, size=1)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - it is told, and logged
        return _pass_over(message_id, error)


@transaction.atomic
def _take_batch(message_id: uuid.UUID, *, size: int) -> _Step | None:
    """Give a message to the next subscribers; None where another dispatcher is at it, or it is done."""
    message = _lock(message_id)
    if message is None:
        return None
    subscribers = _next_subscribers(message, count=size)
    added = _give(message, subscribers)
    return _note(message, subscribers, added=added, is_last=len(subscribers) < size)


@transaction.atomic
def _pass_over(message_id: uuid.UUID, error: Exception) -> _Step | None:
    """Note that the next subscriber couldn't be given a message at all: nothing of it could be committed."""
    message = _lock(message_id)
    if message is None:
        return None
    subscribers = _next_subscribers(message, count=1)
    instances = ProcessInstance.objects.filter(pk__in=[one.instance_id for one in subscribers])
    # Where the instance is gone, so is what was to be noted; what it got by another subscription stays.
    instances = instances.exclude(deliveries__message=message)
    added = _write([_delivery(message, instance, _FAILED, error=error) for instance in instances])
    return _note(message, subscribers, added=added, is_last=not subscribers)


def _lock(message_id: uuid.UUID) -> Message | None:
    rows = Message.objects.select_for_update(skip_locked=True, no_key=True)
    return rows.filter(pk=message_id, spread_at__isnull=True).first()


def _next_subscribers(message: Message, *, count: int) -> list[_Subscriber]:
    """Return the next subscriptions of all patterns that fit, by number.

    One query for each pattern, so that each reads the index from where it stands, however many have subscribed.
    """
    found: list[_Subscriber] = []
    rows = Subscription.objects.filter(id__gt=message.spread_to, id__lte=message.spread_upto).order_by("topic", "id")
    for pattern in patterns_of(message.topic):
        columns = rows.filter(topic=pattern).values_list("id", "instance_id", "topic", "condition")
        found += (_Subscriber(*row) for row in columns[:count])
    return sorted(found, key=lambda one: one.id)[:count]


def _give(message: Message, subscribers: Collection[_Subscriber]) -> int:
    """Give a message to subscribers, to each instance once; return how many deliveries were added."""
    if not subscribers:
        return 0
    ids = {one.instance_id for one in subscribers}
    rows = ProcessInstance.objects.select_related("template", "owner").filter(pk__in=ids)
    instances = {instance.pk: instance for instance in rows}
    before = Delivery.objects.filter(message=message, instance_id__in=ids)
    made = {delivery.instance_id: delivery for delivery in before}
    known = frozenset(made)
    for one in subscribers:
        instance, delivery = instances.get(one.instance_id), made.get(one.instance_id)
        # What one subscription couldn't bring about, another one of the same instance may.
        if instance is not None and (delivery is None or delivery.outcome == _FAILED):
            delivery = _give_one(message, instance, one)
            if delivery is not None:
                made[instance.pk] = delivery
    _write([delivery for delivery in made.values() if delivery._state.adding])
    return len(made.keys() - known)


def _give_one(message: Message, instance: ProcessInstance, one: _Subscriber) -> Delivery | None:
    """Store the run that consumes a message, and return the delivery; None where the condition says no."""
    try:
        if one.condition and not _fits(one, message):
            return None
        run_id = start_consuming(instance, message)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - it is told, and logged
        return _delivery(message, instance, _FAILED, error=error)
    return _delivery(message, instance, _IGNORED if run_id is None else _STARTED, run_id=run_id)


def _fits(one: _Subscriber, message: Message) -> bool:
    variables: Mapping[str, object] = {
        "data": message.payload,
        "attr": {"topic": message.topic, "key": message.key},
    }
    return compile_message_condition(one.condition).evaluate(variables)


def _delivery(
    message: Message,
    instance: ProcessInstance,
    outcome: DeliveryOutcome,
    *,
    run_id: uuid.UUID | None = None,
    error: Exception | None = None,
) -> Delivery:
    reason = "" if error is None else shorten(_reason_of(error, message), _REASON_CHARS)
    return Delivery(message=message, instance=instance, outcome=outcome, run_id=run_id, reason=reason)


def _write(deliveries: Collection[Delivery]) -> int:
    """Store deliveries, each in the place of one of its instance that has failed; return how many they are."""
    Delivery.objects.bulk_create(
        deliveries,
        update_conflicts=True,
        unique_fields=["message", "instance"],
        update_fields=["outcome", "reason", "run_id", "at"],
    )
    return len(deliveries)


def _note(message: Message, subscribers: Collection[_Subscriber], *, added: int, is_last: bool) -> _Step:
    """Note how far a message has come."""
    columns: dict[str, object] = {"deliveries_count": F("deliveries_count") + added}
    if subscribers:
        columns["spread_to"] = max(one.id for one in subscribers)
    if is_last:
        columns["spread_at"] = Now()
    Message.objects.filter(pk=message.pk).update(**columns)
    return _Step(len(subscribers) + is_last, is_last)


def _reason_of(error: Exception, message: Message) -> str:
    if isinstance(error, ProcessError):
        logger.warning("The message %s was not given to somebody: [%s] %s", message.pk, error.code, error.message)
        return error.message
    logger.error("The message %s was not given to somebody.", message.pk, exc_info=error)
    return _("It failed unexpectedly: the log of this site has the details.")
