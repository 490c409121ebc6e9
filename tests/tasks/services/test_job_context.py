"""What a job's function is told, and what it keeps for its next attempt."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from pydantic import BaseModel

from tasks import meta_schema, set_meta, subtask
from tasks.domain.meta import metas
from tasks.errors import InvalidMeta, InvalidState, StaleFence
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext
from tasks.services.work import work_off

pytestmark = pytest.mark.django_db(transaction=True)


def run_to_its_end(job: Any) -> Job:
    while Job.objects.get(pk=job.root_id).status in {"pending", "retry"}:
        work_off("default")
    return Job.objects.get(pk=job.root_id)


def test_what_was_saved_is_there_for_the_next_attempt(kit: Any) -> None:
    def body(context: JobContext) -> Any:
        done = context.saved or 0
        context.save(done + 1)
        if done < 2:
            raise RuntimeError
        return done

    job = kit.declare(body, attempts=3, delay_seconds=0).enqueue()
    assert run_to_its_end(job).status == "completed"
    assert TaskRoot.objects.get(pk=job.root_id).result == 2


def test_what_was_saved_survives_the_death_of_the_worker(kit: Any) -> None:
    seen: list[object] = []

    def body(context: JobContext) -> None:
        seen.append(context.saved)
        context.save({"row": 7})
        if len(seen) == 1:
            # As if killed: nothing is settled, and the dispatcher takes the job away.
            Job.objects.filter(pk=context.id).update(status="pending", lease_until=None)
            raise StaleFence

    job = kit.declare(body).enqueue()
    run_to_its_end(job)
    assert seen == [None, {"row": 7}]


def test_saved_inside_a_transaction_it_commits_with_the_work(kit: Any) -> None:
    def body(context: JobContext) -> Any:
        if context.saved == "booked":
            return User.objects.count()
        with transaction.atomic():
            User.objects.create_user(f"ada{context.attempt}")
            context.save("booked")
            if context.attempt == 1:
                transaction.set_rollback(True)
        raise RuntimeError

    job = kit.declare(body, attempts=3, delay_seconds=0).enqueue()
    assert run_to_its_end(job).status == "completed"
    assert TaskRoot.objects.get(pk=job.root_id).result == 1


def test_its_meta_is_what_it_declares(kit: Any) -> None:
    class Progress(BaseModel):
        file: str
        rows: int = 0

    def body(context: JobContext) -> str:
        set_meta(Progress(file="a.csv", rows=3))
        with subtask("Part"), pytest.raises(InvalidMeta, match="no Progress"):
            set_meta({"rows": "three"})
        return "done"

    job = kit.declare(body, meta_model=Progress).enqueue()
    try:
        assert run_to_its_end(job).status == "completed"
        assert TaskRoot.objects.get(pk=job.root_id).meta == {"file": "a.csv", "rows": 3}
        assert "Progress" in meta_schema()["$defs"]
    finally:
        metas.remove(Progress)


def test_whoever_was_taken_over_saves_nothing(kit: Any) -> None:
    def body(context: JobContext) -> None:
        context.save("mine")
        Job.objects.filter(pk=context.id).update(fence=99)
        context.save("too late")

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert Job.objects.get(pk=job.root_id).saved == "mine"


@pytest.mark.parametrize(
    ("state", "reason"), [(object, "must be JSON"), (lambda: "x" * 1_100_000, "at most 1,048,576")]
)
def test_what_can_t_be_saved_is_refused_and_the_last_state_stays(
    kit: Any, state: Callable[[], Any], reason: str
) -> None:
    def body(context: JobContext) -> None:
        context.save("first")
        with pytest.raises(InvalidState, match=reason):
            context.save(state())
        assert context.saved == "first"

    job = kit.declare(body).enqueue()
    assert run_to_its_end(job).status == "completed"


def test_it_knows_which_attempt_it_is(kit: Any) -> None:
    seen: list[tuple[int, bool, bool]] = []

    def body(context: JobContext) -> None:
        seen.append((context.attempt, context.is_retry, context.is_last_attempt))
        raise RuntimeError

    job = kit.declare(body, attempts=3, delay_seconds=0).enqueue()
    assert run_to_its_end(job).status == "dead_letter"
    assert seen == [(1, False, False), (2, True, False), (3, True, True)]


CALLS: list[str] = []


def outer(call_next: Callable[[JobContext], object]) -> Callable[[JobContext], object]:
    def handle(context: JobContext) -> object:
        CALLS.append(f"before {context.arguments}")
        try:
            return call_next(context)
        finally:
            CALLS.append("after")

    return handle


def doubling(call_next: Callable[[JobContext], object]) -> Callable[[JobContext], object]:
    return lambda context: [call_next(context)] * 2


def test_middleware_surrounds_each_job_the_first_outermost(kit: Any, settings: Any) -> None:
    settings.STEPLINE_JOB_MIDDLEWARE = [f"{__name__}.outer", f"{__name__}.doubling"]
    CALLS.clear()

    def body(context: JobContext) -> Any:
        CALLS.append("work")
        return "done"

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert CALLS == ["before {}", "work", "after"]
    assert TaskRoot.objects.get(pk=job.root_id).result == ["done", "done"]


def test_middleware_sees_what_a_job_raises(kit: Any, settings: Any) -> None:
    settings.STEPLINE_JOB_MIDDLEWARE = [f"{__name__}.outer"]
    CALLS.clear()

    async def body(context: JobContext) -> None:
        raise RuntimeError("no")

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert CALLS == ["before {}", "after"]
    assert Job.objects.get(pk=job.root_id).error["message"] == "no"


def test_what_a_rolled_back_transaction_has_saved_is_not_saved(kit: Any) -> None:
    seen: list[object] = []

    def body(context: JobContext) -> None:
        context.save(1)
        with transaction.atomic():
            with suppress(KeyError), transaction.atomic():
                context.save(2)
                seen.append(context.saved)
                raise KeyError
            seen.append(context.saved)
        seen.append(context.saved)
        with transaction.atomic():
            context.save(3)
        seen.append(context.saved)

    job = kit.declare(body).enqueue()
    assert run_to_its_end(job).saved == 3
    assert seen == [2, 1, 1, 3]


@pytest.mark.parametrize("percent", [float("nan"), None, "half"])
def test_a_percentage_that_is_none_leaves_the_progress_as_it_is(kit: Any, percent: Any) -> None:
    def body(context: JobContext) -> None:
        context.progress(50)
        context.progress(percent, "still at it")

    job = kit.declare(body).enqueue()
    assert run_to_its_end(job).status == "completed"
    root = TaskRoot.objects.get(pk=job.root_id)
    assert (root.current, root.message) == (50, "still at it")
