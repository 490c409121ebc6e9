"""The filters of expense-claim's pages."""

from datetime import UTC, date, datetime

import pytest

from examples.expense_claim.templatetags.expense_claim import moment


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-20T12:30:00+00:00", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_days_and_times_are_read_from_their_texts(text: object, read: object) -> None:
    assert moment(text) == read
