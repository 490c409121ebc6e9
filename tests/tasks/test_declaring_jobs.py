"""Declaring functions as jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tasks.domain.retry import RetryPolicy
from tasks.registry import DuplicateJob, JobContext, job, jobs


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    known = set(jobs.names())
    yield
    for name in set(jobs.names()) - known:
        jobs.remove(name)


def test_a_function_is_declared_under_its_own_name() -> None:
    @job
    def export_users_of_a_test(context: JobContext, format: str) -> None: ...

    assert export_users_of_a_test.name == "export_users_of_a_test"
    assert "export_users_of_a_test" in jobs


def test_two_functions_of_one_name_are_told_apart_by_giving_a_name() -> None:
    def declare(name: str | None = None) -> None:
        @job(name)
        def export_of_a_test(context: JobContext) -> None: ...

    declare()
    with pytest.raises(DuplicateJob, match="another name"):
        declare()
    declare("test.other_export")


def does_nothing(context: JobContext) -> None: ...


def test_the_retry_policy_is_said_at_once_or_piece_by_piece() -> None:
    at_once = job("test.at_once", retry=RetryPolicy(attempts=3, delay_seconds=9), backoff="linear")(
        lambda context: None
    )
    pieces = job("test.pieces", attempts=4, backoff="fixed", delay_seconds=2, cap_seconds=5, jitter=0)(
        lambda context: None
    )
    assert at_once.spec.retry == RetryPolicy(attempts=3, delay_seconds=9, backoff="linear")
    assert pieces.spec.retry == RetryPolicy(attempts=4, backoff="fixed", delay_seconds=2, cap_seconds=5, jitter=0)


def test_everything_else_is_kept_as_it_was_declared() -> None:
    declared = job(
        "test.everything",
        title="Everything",
        queue="slow",
        priority=-3,
        timeout_seconds=7.5,
        rate_limit="10/m",
        concurrency_limit=2,
        schedule=timedelta(hours=1),
    )(does_nothing).spec
    assert (declared.title, declared.queue, declared.priority, declared.timeout_seconds) == (
        "Everything",
        "slow",
        -3,
        7.5,
    )
    assert declared.rate is not None
    assert (declared.rate.count, declared.concurrency_limit, declared.schedule) == (10, 2, timedelta(hours=1))
    assert "test.everything" in jobs.rated()


def takes_tenant(context: JobContext, tenant: str, year: int = 2026) -> None: ...


def test_a_key_is_a_text_with_the_names_of_arguments_or_a_function_of_them() -> None:
    text = job("test.text", concurrency_key="tenant:{tenant}")(takes_tenant).spec.concurrency_key
    function = job("test.function", idempotency_key=lambda given: f"{given['tenant']}/{given['year']}")(takes_tenant)
    assert text is not None
    assert function.spec.idempotency_key is not None
    assert text({"tenant": "acme", "year": 1}) == "tenant:acme"
    assert function.spec.idempotency_key({"tenant": "acme", "year": 1}) == "acme/1"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"concurrency_key": "tenant:{tenat}"}, "names tenat, which it doesn't take; it takes tenant, year"),
    ({"rate_limit": "often"}, "10/m"),
    ({"schedule": "daily"}, "5 fields"),
    ({"schedule": "0 3 * * *"}, "must have tenant"),
    ({"schedule": 300}, "300 isn't a schedule"),
    ({"attempts": 0}, "attempts is 0: the first try counts"),
    ({"backoff": "quadratic"}, "it is one of fixed, linear, exponential"),
    ({"delay_seconds": -1}, "delay_seconds is -1"),
    ({"cap_seconds": float("nan")}, "cap_seconds is nan"),
    ({"jitter": 5}, "jitter is 5"),
    ({"timeout_seconds": 0}, "timeout_seconds is 0"),
    ({"timeout_seconds": timedelta(seconds=3)}, "it is a number of seconds"),
    ({"priority": 100_000}, "priority is 100000"),
    ({"queue": "q" * 101}, "queue is a text of 1 to 100"),
]


@pytest.mark.parametrize(("options", "reason"), BAD)
def test_what_is_not_well_declared_is_refused_with_the_cure(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        job("test.bad", **options)(takes_tenant)
    assert "test.bad" not in jobs


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_under_which_none_would_begin_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        job("test.never", concurrency_key="one", concurrency_limit=limit)(does_nothing)


def test_an_option_that_no_job_has_is_refused_by_its_name() -> None:
    options: dict[str, Any] = {"retries": 3}
    with pytest.raises(TypeError, match="no option 'retries'"):
        job("test.retries", **options)(does_nothing)


def test_a_function_without_a_name_is_given_one() -> None:
    with pytest.raises(TypeError, match="give the job one"):
        job(partial(takes_tenant, tenant="acme"))
    assert job("test.partial")(partial(takes_tenant, tenant="acme")).name == "test.partial"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"due_at": datetime(2026, 11, 28)}, "no time zone"),  # noqa: DTZ001
        ({"due_at": datetime(2026, 11, 28, tzinfo=UTC), "delay_seconds": 3}, "give one of them"),
        ({"delay_seconds": float("inf")}, "delay_seconds is inf"),
        ({"priority": 40_000}, "priority is 40000"),
        ({"queue": ""}, "queue is a text of 1 to 100"),
    ],
)
def test_an_option_of_this_once_that_cannot_be_meant_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        job("test.this_once")(does_nothing).using(**options)
