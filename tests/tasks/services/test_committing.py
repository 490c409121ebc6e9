"""What follows a commit can't undo it."""

import logging

import pytest
from django.db import transaction

from tasks.services.committing import after_commit

pytestmark = pytest.mark.django_db(transaction=True)


def fail(*_: object, **__: object) -> None:
    raise ConnectionError("the broker is away")


def test_what_fails_after_the_commit_is_logged_and_what_comes_after_it_still_happens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    happened: list[str] = []
    with caplog.at_level(logging.ERROR), transaction.atomic():
        after_commit(fail, 1, two=2)
        after_commit(happened.append, "second")
    assert happened == ["second"]
    assert "the broker is away" in caplog.text


def test_nothing_happens_where_the_transaction_is_rolled_back() -> None:
    happened: list[str] = []
    with transaction.atomic():
        after_commit(happened.append, "never")
        transaction.set_rollback(True)
    assert happened == []


def test_without_a_transaction_it_happens_at_once() -> None:
    happened: list[str] = []
    after_commit(happened.append, "now")
    assert happened == ["now"]
