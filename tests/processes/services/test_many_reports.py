"""A callback that gets very many reports: what it costs stays the same, and at some number it is enough."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.errors import CallbackConflictError
from processes.models import Callback, InboxItem
from processes.services.callbacks import MAX_REPORTS
from processes.services.inbox import open_messages
from tests.processes.callback_kit import CallbackKit


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    return CallbackKit(kit)


def fill(calls: CallbackKit, count: int, *, callback: Callback | None = None) -> None:
    """Leave so many reports of a callback, taken already."""
    row = callback or calls.callback()
    payload = {"callback": str(row.pk), "state": "progress"}
    now = timezone.now()
    InboxItem.objects.bulk_create(
        [InboxItem(run_id=row.run_id, kind="report", dedupe_key=f"{row.pk}{number}", payload=payload, taken_at=now)
         for number in range(count)],
        batch_size=1_000,
    )  # fmt: skip


def test_so_many_reports_lead_on_and_then_only_the_end_does(kit: Any, calls: CallbackKit) -> None:
    calls.begin(calls.anchor(next={"progress": "seen", "complete": "seen"}), calls.call(), calls.see("seen"))
    fill(calls, MAX_REPORTS - 1)
    assert calls.report("progress", 1).status == "progress"
    with pytest.raises(CallbackConflictError) as refused:
        calls.report("progress", 2)
    assert refused.value.fields["most"] == MAX_REPORTS
    assert calls.report("complete", 3).status == "completed"
    kit.work()
    assert calls.seen == [("seen", 1), ("seen", 3)]


def test_reports_of_one_callback_leave_room_for_those_of_another(kit: Any, calls: CallbackKit) -> None:
    second = calls.anchor("second", next={"prepare": "call_second", "progress": "seen"})
    calls.begin(calls.anchor(), calls.call(next="second"), second, calls.call("call_second"), calls.see("seen"))
    fill(calls, MAX_REPORTS, callback=calls.callback(calls.tokens[0]))
    assert calls.report("progress", 1, token=calls.tokens[1]).status == "progress"


def test_a_message_is_taken_without_reading_those_behind_it(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(calls.anchor(next={"progress": "seen"}), calls.call(), calls.see("seen"))
    for number in range(3):
        calls.report("progress", number)
    with CaptureQueriesContext(connection) as queries:
        assert next(open_messages(run_id)).payload["data"] == 0
    assert len(queries) == 1
    assert [item.payload["data"] for item in open_messages(run_id)] == [0, 1, 2]
