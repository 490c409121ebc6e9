"""Declaring functions as jobs."""

from collections.abc import Iterator
from datetime import timedelta
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
]


@pytest.mark.parametrize(("options", "reason"), BAD)
def test_what_is_not_well_declared_is_refused_with_the_cure(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        job("test.bad", **options)(takes_tenant)
    assert "test.bad" not in jobs


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_under_which_none_would_begin_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        job("test.never", concurrency_key="one", concurrency_limit=limit)(does_nothing)
