"""Rates and concurrency keys: what holds jobs back although they are due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone

from tasks.models import Job, Throttle
from tasks.registry import JobContext
from tasks.services import job_sql
from tasks.services.cancelling import cancel
from tasks.services.claims import Claim, claim
from tasks.services.cursors import fixed_cursor, is_postgresql
from tasks.services.dispatch import tick
from tasks.services.losses import release_expired
from tasks.services.throttling import let_go
from tasks.services.work import carry_out, work_off
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def take() -> Claim | None:
    return claim(queue="default", worker="w")


def work(context: JobContext, tenant: str = "acme") -> None: ...


def blocked() -> list[str]:
    return sorted(Job.objects.exclude(blocked_by="").values_list("blocked_by", flat=True))


def test_of_one_key_one_job_is_worked_on_at_a_time(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="tenant:{tenant}")
    first, second = declared.enqueue(), declared.enqueue()
    held = take()
    assert held is not None
    assert held.root_id == first.root_id
    assert take() is None
    assert blocked() == ["key:tenant:acme"]
    carry_out(held)
    following = take()
    assert following is not None
    assert following.root_id == second.root_id


def test_others_are_not_kept_waiting_by_a_key(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="{tenant}", priority=5)
    plain = kit.declare(work)
    for _ in range(3):
        declared.enqueue()
    other, later = declared.using().enqueue(tenant="beta"), plain.enqueue()
    taken = [take() for _ in range(4)]
    assert [claim.root_id for claim in taken[1:3] if claim] == [other.root_id, later.root_id]
    assert taken[3] is None


def test_a_key_may_have_room_for_several(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="k", concurrency_limit=2)
    for _ in range(4):
        declared.enqueue()
    assert [take() is not None for _ in range(4)] == [True, True, False, False]


def test_many_who_claim_at_once_do_not_overrun_a_key(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="k", concurrency_limit=2)
    for _ in range(8):
        declared.enqueue()
    ends = together(*[take] * 6)
    assert not [end for end in ends if isinstance(end, Exception)]
    assert len([end for end in ends if end is not None]) == 2
    assert Job.objects.filter(status="running").count() == 2


def test_everything_under_a_key_is_done_in_the_end(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="k")
    for _ in range(10):
        declared.enqueue()
    while Job.objects.exclude(status="completed").exists():
        together(*[lambda: work_off("default")] * 3)
        tick()
    assert blocked() == []


@pytest.mark.parametrize("end", ["failed", "retry", "parked", "cancelled", "lost"])
def test_however_a_job_gives_its_worker_back_the_next_of_its_key_may_go(kit: Any, end: str) -> None:
    from tasks.domain.outcomes import Cancelled, Parked

    def body(context: JobContext) -> Any:
        if end in {"failed", "retry"}:
            raise RuntimeError
        return Parked() if end == "parked" else Cancelled()

    attempts = 3 if end == "retry" else 1
    declared = kit.declare(body, concurrency_key="k", attempts=attempts, delay_seconds=600)
    declared.enqueue()
    waiting = declared.enqueue()
    held = take()
    assert held is not None
    assert take() is None
    if end == "lost":
        Job.objects.filter(pk=held.root_id).update(lease_until=timezone.now() - timedelta(seconds=1), priority=-1)
        assert release_expired() == 1
        tick()
    else:
        carry_out(held)
    following = take()
    assert following is not None
    assert following.root_id == waiting.root_id


def test_a_job_that_is_cancelled_while_it_is_held_back_is_forgotten(kit: Any) -> None:
    declared = kit.declare(work, concurrency_key="k")
    declared.enqueue()
    waiting = declared.enqueue()
    held = take()
    assert take() is None
    cancel(root_id=waiting.root_id, reason="not needed")
    assert blocked() == []
    assert held is not None
    carry_out(held)
    assert take() is None


def test_a_key_given_this_once_counts_like_a_declared_one(kit: Any) -> None:
    one, other = kit.declare(work), kit.declare(work)
    one.using(concurrency_key="k").enqueue()
    other.using(concurrency_key="k").enqueue()
    assert (take() is not None, take()) == (True, None)


def test_a_rate_lets_so_many_begin_and_holds_the_others_back(kit: Any) -> None:
    declared = kit.declare(work, rate_limit="3/h")
    for _ in range(5):
        declared.enqueue()
    assert [take() is not None for _ in range(4)] == [True, True, True, False]
    assert blocked() == [f"rate:{declared.name}"] * 2


def test_others_are_not_kept_waiting_by_a_rate(kit: Any) -> None:
    declared = kit.declare(work, rate_limit="1/h", priority=5)
    for _ in range(3):
        declared.enqueue()
    other = kit.declare(work).enqueue()
    assert take() is not None
    taken = take()
    assert taken is not None
    assert taken.root_id == other.root_id


def test_the_dispatcher_lets_as_many_go_as_the_rate_has_room_for(kit: Any) -> None:
    declared = kit.declare(work, rate_limit="4/h")
    for _ in range(10):
        declared.enqueue()
    for _ in range(5):
        take()
    assert tick().let_go == 0
    # Half an hour later, in a way.
    Throttle.objects.update(free_at=timezone.now() + timedelta(minutes=30))
    take()
    Job.objects.filter(status="pending").update(blocked_by=f"rate:{declared.name}")
    assert tick().let_go == 2
    assert [take() is not None for _ in range(3)] == [True, True, False]


def test_a_rate_that_was_taken_away_holds_nothing_back(kit: Any) -> None:
    from dataclasses import replace

    from tasks.registry import jobs

    declared = kit.declare(work, rate_limit="1/h")
    declared.enqueue()
    declared.enqueue()
    take()
    assert take() is None
    jobs.remove(declared.name)
    jobs.add(replace(declared.spec, rate=None))
    assert tick().let_go == 1
    assert take() is not None


def test_many_who_claim_at_once_do_not_overrun_a_rate(kit: Any) -> None:
    declared = kit.declare(work, rate_limit="2/h")
    for _ in range(8):
        declared.enqueue()
    ends = together(*[take] * 6)
    assert not [end for end in ends if isinstance(end, Exception)]
    assert len([end for end in ends if end is not None]) == 2


def test_a_claim_that_is_refused_leaves_no_trace_in_the_log(kit: Any) -> None:
    from tasks.models import Update

    declared = kit.declare(work, rate_limit="1/h")
    declared.enqueue()
    waiting = declared.enqueue()
    take()
    assert take() is None
    row = Job.objects.get(pk=waiting.root_id)
    assert (row.status, row.attempt, row.fence) == ("pending", 0, 0)
    assert Update.objects.filter(root_id=waiting.root_id).count() == 2


def test_a_new_rate_has_never_been_used(kit: Any) -> None:
    declared = kit.declare(work, rate_limit="1/h")
    declared.enqueue()
    take()
    assert Throttle.objects.get().free_at > datetime.now(UTC)


def test_however_many_keys_hold_jobs_back_rates_let_theirs_go(kit: Any) -> None:
    rated = kit.declare(work, rate_limit="1/h", priority=9)
    rated.enqueue()
    rated.enqueue()
    keyed = kit.declare(work, concurrency_key="{tenant}")
    for number in range(6):
        keyed.enqueue(tenant=f"t{number}")
        keyed.enqueue(tenant=f"t{number}")
    while take() is not None:
        pass
    Job.objects.filter(status="pending", concurrency_key__gt="").update(
        blocked_by=Concat(Value("key:"), "concurrency_key")
    )
    assert len(blocked()) == 7
    Throttle.objects.update(free_at=timezone.now() - timedelta(hours=2))
    assert let_go(limit=2) == 1
    assert [held for held in blocked() if held.startswith("rate:")] == []


def test_keys_are_gone_through_bit_by_bit_so_that_none_waits_for_ever(kit: Any) -> None:
    keyed = kit.declare(work, concurrency_key="{tenant}")
    for number in range(5):
        keyed.enqueue(tenant=f"t{number}")
    Job.objects.update(blocked_by=Concat(Value("key:"), "concurrency_key"))
    assert sum(let_go(limit=2) for _ in range(4)) == 5


def test_who_finds_a_job_of_a_key_taken_looks_for_another(kit: Any) -> None:
    keyed, plain = kit.declare(work, concurrency_key="{tenant}", priority=5), kit.declare(work)
    for number in range(4):
        keyed.enqueue(tenant=f"t{number}")
        plain.enqueue()
    for _ in range(2):
        ends = together(*[take] * 4)
        assert all(isinstance(end, Claim) for end in ends), ends
    assert take() is None


def test_a_job_of_a_key_that_was_put_off_meanwhile_is_not_claimed(kit: Any) -> None:
    job = kit.declare(work, concurrency_key="k").using(delay_seconds=600).enqueue()
    claimant: job_sql.Claimant = {"worker": "w", "lease_seconds": 9.0, "updates": []}
    with transaction.atomic(), fixed_cursor() as cursor:
        assert job_sql.claim_one(cursor, root_id=job.root_id, **claimant) is None


def test_of_one_key_the_best_job_goes_first_also_where_another_worker_is_just_claiming_it(kit: Any) -> None:
    if not is_postgresql():
        pytest.skip("On SQLite claims come one after the other.")
    declared = kit.declare(work, concurrency_key="k")
    first, second = declared.enqueue(), declared.enqueue()
    with transaction.atomic():
        # As a claim has it that hasn't come to the key yet.
        Job.objects.select_for_update().get(pk=first.root_id)
        assert together(take) == [None]
    assert blocked() == []
    taken = [take(), take()]
    assert [claim and claim.root_id for claim in taken] == [first.root_id, None]
    assert blocked() == ["key:k"]
    assert Job.objects.get(blocked_by="key:k").pk == second.root_id
