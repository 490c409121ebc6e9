"""Several dispatchers spread at once, and one is killed at any point: nobody misses a message, nobody gets it twice."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from django.db import transaction

from processes.models import Delivery, Message, Run
from processes.services.topics import publish, spreading, subscribe
from processes.services.topics.spreading import spread_messages
from tasks.models import Job
from tasks.services.cursors import is_postgresql
from tests.child import child
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import action
from tests.processes.services.topic_kit import a_process, a_subscriber, an_instance, outcomes
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

Kill = Callable[[str], bool]
_GIVE_UP_SECONDS = 60


def spread_together(count: int = 3) -> None:
    give_up_at = monotonic() + _GIVE_UP_SECONDS
    while Message.objects.filter(spread_at=None).exists():
        ends = together(*[lambda: spread_messages(limit=50)] * count)
        assert not [end for end in ends if isinstance(end, Exception)], ends
        assert monotonic() < give_up_at


def test_several_dispatchers_give_each_message_to_each_subscriber_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "BATCH", 3)
    instances = [a_subscriber("*") for _ in range(10)]
    for number in range(4):
        publish(f"invoice.n{number}", {})
    spread_together()
    expected = [(f"invoice.n{number}", "started") for number in range(4)]
    assert all(outcomes(instance) == expected for instance in instances)
    assert Run.objects.count() == Job.objects.count() == 40
    assert list(Message.objects.values_list("deliveries_count", flat=True)) == [10] * 4


def test_while_one_dispatcher_is_at_a_message_others_wait_for_nobody_and_overtake_nobody() -> None:
    if not is_postgresql():
        pytest.skip("SQLite has one lock, for the whole database.")
    a_subscriber("*")
    first, _second = publish("a", {}), publish("b", {})
    with transaction.atomic():
        Message.objects.select_for_update().get(pk=first.id)
        (done,) = together(lambda: spread_messages(limit=50))
    assert done == 0
    assert not Delivery.objects.exists()


def test_workers_and_publishers_at_once_keep_the_order_of_each_instance(kit: RunKit) -> None:
    seen: dict[str, list[int]] = {}

    def note(app: Any) -> None:
        seen.setdefault(app.data["me"], []).append(app.request.parameters["message"]["n"])

    template = a_process(action("@start", "load_data"), action("@consume", kit.script(note), next=False))
    for name in ("one", "other"):
        subscribe(an_instance(template, data={"me": name}), "*")

    def publish_and_spread() -> None:
        for number in range(12):
            publish("a", {"n": number})
            spread_messages(limit=50)

    def work() -> None:
        give_up_at = monotonic() + _GIVE_UP_SECONDS
        while sum(map(len, seen.values())) < 24 and monotonic() < give_up_at:
            kit.work()

    ends = together(publish_and_spread, work, work)
    assert ends == [None] * 3
    assert seen == {"one": list(range(12)), "other": list(range(12))}


@pytest.fixture
def kill(transactional_db: None) -> Iterator[Kill]:
    with child("tests.killed_dispatcher") as ask:
        yield ask


def test_a_dispatcher_killed_at_any_point_gives_each_message_to_each_subscriber_once(kill: Kill) -> None:
    template = a_process()
    instances = [a_subscriber(template=template) for _ in range(3)]
    done_by_the_dead, point, killed = set(), 0, True
    # Each point at the beginning, further on some: a batch is the same statements again and again.
    while killed:
        point += 1 if point < 30 else 7
        publish("invoice.paid", {})
        killed = kill(f"spread {point}")
        done_by_the_dead.add(Delivery.objects.count())

        # The server may need a moment to see that the other side is gone, and to let go of the row.
        give_up_at = monotonic() + _GIVE_UP_SECONDS
        while Message.objects.filter(spread_at=None).exists():
            spread_messages(limit=10)
            assert monotonic() < give_up_at
        runs = set(Run.objects.values_list("pk", flat=True))
        deliveries = list(Delivery.objects.values_list("instance_id", "run_id"))
        assert {run_id for _, run_id in deliveries} == runs, f"killed at point {point}"
        assert sorted(one for one, _ in deliveries) == sorted(one.pk for one in instances), f"killed at point {point}"
        assert (len(runs), Job.objects.count()) == (3, 3), f"killed at point {point}"
        for run in Run.objects.select_related("root"):
            run.root.delete()
        Message.objects.all().delete()
    assert {0, 2, 3} <= done_by_the_dead, "it was killed before a batch, between two, and after all"
