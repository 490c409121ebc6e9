"""Messages are kept for a set time after their publication, and never before they were spread."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Delivery, Message, Run
from processes.services import purging
from processes.services.purging import Purged, purge_expired
from processes.services.topics import publish
from tests.processes.services.topic_kit import a_subscriber, outcomes, spread_all

pytestmark = pytest.mark.django_db(transaction=True)


def age(*messages: Any, days: float) -> None:
    ids = [message.id for message in messages]
    Message.objects.filter(pk__in=ids).update(created_at=timezone.now() - timedelta(days=days))


def test_a_message_goes_with_its_deliveries_when_its_time_is_over_and_its_runs_stay(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STEPLINE_MESSAGE_DAYS = 3
    monkeypatch.setattr(purging, "BATCH", 2)
    subscribers = [a_subscriber("*") for _ in range(3)]
    old, young = publish("old", {}), publish("young", {})
    spread_all()
    age(old, days=3.1)
    age(young, days=2.9)
    assert purge_expired() == Purged(messages=1, deliveries=3)
    assert [message.topic for message in Message.objects.all()] == ["young"]
    assert [outcomes(one) for one in subscribers] == [[("young", "started")]] * 3
    assert Run.objects.count() == 6


def test_a_key_is_known_as_long_as_its_message_is_kept() -> None:
    first = publish("a", {}, key="k")
    spread_all()
    age(first, days=29)
    purge_expired()
    assert publish("a", {}, key="k").id == first.id
    age(first, days=31)
    purge_expired()
    assert publish("a", {}, key="k").id != first.id


def test_what_waits_to_be_spread_is_kept_however_old_it_is() -> None:
    a_subscriber("*")
    age(publish("a", {}), days=300)
    assert purge_expired() == Purged()
    spread_all()
    assert Delivery.objects.count() == 1
