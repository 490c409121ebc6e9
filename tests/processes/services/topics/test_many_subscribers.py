"""However many have subscribed, a batch asks the same few questions, and memory holds one batch."""

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from processes.models import Delivery, Message, Run
from processes.services.topics import publish, spreading
from processes.services.topics.spreading import spread_messages
from tasks.models import Job
from tests.processes.services.topic_kit import many_subscribers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unlogged")]

#: So many statements a batch takes besides those of each delivery.
_STATEMENTS_OF_A_BATCH = 14
_STATEMENTS_OF_A_DELIVERY = 20


@pytest.fixture(autouse=True)
def one_batch_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "SECONDS", 0.0)


def statements() -> Iterator[int]:
    """Spread to the end, and tell how many statements each batch took."""
    while Message.objects.filter(spread_at=None).exists():
        asked: list[str] = []

        def count(execute: Any, statement: str, *rest: Any, asked: list[str] = asked) -> Any:
            asked.append(statement)
            return execute(statement, *rest)

        with connection.execute_wrapper(count):
            spread_messages(limit=1)
        yield len(asked)


def test_each_batch_takes_as_many_statements_as_the_one_before() -> None:
    many_subscribers(3 * spreading.BATCH)
    publish("invoice.paid", {})
    first, *others, last = statements()
    # Some things are known from then on, such as the plan.
    assert all(0 <= first - other <= 5 for other in others)
    assert len(set(others)) == 1
    assert first <= _STATEMENTS_OF_A_BATCH + _STATEMENTS_OF_A_DELIVERY * spreading.BATCH
    assert last <= _STATEMENTS_OF_A_BATCH


def test_thousands_get_it_once_and_a_late_batch_takes_no_more_memory_than_an_early_one() -> None:
    # A server's round trips and commits take their time; there it is the same code.
    many = 600 if connection.vendor == "postgresql" else 2_000
    many_subscribers(many)
    publish("invoice.paid", {"text": "x" * 10_000})
    early = memory_of(batches=8)
    while Message.objects.filter(spread_to__lt=F("spread_upto") - 10 * spreading.BATCH).exists():
        spread_messages(limit=1)
    late = memory_of(batches=8)
    for _count in statements():
        pass
    # A batch holds its payload some dozens of times; what was spread by then, thousands of times.
    assert late[1] < early[1] + 1_000_000
    assert late[0] < early[0] + 1_000_000
    assert Delivery.objects.count() == Delivery.objects.values("instance").distinct().count() == many
    assert Run.objects.count() == Job.objects.count() == Message.objects.get().deliveries_count == many


def memory_of(*, batches: int) -> tuple[int, int]:
    """Spread some batches; return how many bytes are left of what they took, and how many they took at most."""
    tracemalloc.start()
    try:
        for _ in range(batches):
            spread_messages(limit=1)
        gc.collect()
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
