"""What callbacks take, in which order, and what a query answers."""

from datetime import timedelta
from typing import Any

import pytest

from processes.domain.callbacks import (
    ACTIVE,
    CALLBACK_TRANSITIONS,
    ENDED,
    OPEN,
    REPORTS,
    STATES,
    CallbackStatus,
    leads_on,
    merged_data,
    parse_duration,
    state_among,
    takes_report,
)
from processes.errors import CallbackConflictError

# What becomes of each report, by the status in which it comes: it moves (>), is known already (=), or comes too late.
TABLE = """
            start  progress  complete  error  cancel
created     >      >         >         >      >
started     =      >         >         >      >
progress    -      >         >         >      >
completed   -      -         =         -      -
error       -      -         -         =      -
cancelled   -      -         -         -      =
timeout     -      -         -         -      -
"""


def rows() -> list[tuple[str, str, str]]:
    header, *lines = [line.split() for line in TABLE.strip().splitlines()]
    return [(line[0], action, verdict) for line in lines for action, verdict in zip(header, line[1:], strict=True)]


@pytest.mark.parametrize(("status", "action", "verdict"), rows())
def test_what_becomes_of_a_report(status: str, action: str, verdict: str) -> None:
    if verdict == "-":
        with pytest.raises(CallbackConflictError) as caught:
            takes_report(CallbackStatus(status), REPORTS[action])
        assert caught.value.fields == {"status": status, "action": action}
    else:
        assert takes_report(CallbackStatus(status), REPORTS[action]) is (verdict == ">")


def test_the_table_knows_every_status_and_every_report() -> None:
    assert {status for status, _, _ in rows()} == set(CallbackStatus) == set(CALLBACK_TRANSITIONS) == set(STATES)
    assert {action for _, action, _ in rows()} == set(REPORTS)


def test_an_ended_callback_goes_nowhere_and_an_open_one_can_end_in_each_way() -> None:
    assert {"completed", "error", "cancelled", "timeout"} == ENDED
    assert all(CALLBACK_TRANSITIONS[status] >= ENDED for status in OPEN)
    assert {"started", "progress"} == ACTIVE


@pytest.mark.parametrize(
    ("action", "stores", "routes", "leads"),
    [
        ("progress", False, (), True),
        ("progress", True, (), False),
        ("progress", True, ("*", "complete"), False),
        ("progress", True, ("progress",), True),
        ("progress", True, ("active",), True),
        ("start", True, ("started",), True),
        ("start", True, ("progress",), False),
        ("complete", True, (), True),
        ("error", True, (), True),
    ],
)
def test_a_stored_report_leads_on_only_where_a_branch_names_it_or_it_is_the_last(
    action: str, stores: bool, routes: tuple[str, ...], leads: bool
) -> None:
    assert leads_on(REPORTS[action], stores=stores, routes=routes) is leads


@pytest.mark.parametrize(
    ("routes", "status", "state"),
    [
        ((), "cancelled", "cancel"),
        (("cancelled", "error"), "cancelled", "cancelled"),
        (("error",), "timeout", "error"),
        (("timeout", "error"), "timeout", "timeout"),
        (("active",), "started", "active"),
        (("create",), "created", "create"),
        (("*",), "completed", "complete"),
    ],
)
def test_a_status_is_called_as_the_next_clause_calls_it(routes: tuple[str, ...], status: str, state: str) -> None:
    assert state_among(routes, CallbackStatus(status)) == state


@pytest.mark.parametrize(
    ("data", "response", "answer"),
    [
        ({"a": 1, "b": {"x": 1}}, {"b": {"y": 2}, "c": 3}, {"a": 1, "b": {"y": 2}, "c": 3}),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": None}, {"a": None}),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1}, [1, 2], [1, 2]),
        ([1], {"a": 1}, {"a": 1}),
        (None, None, None),
        ({"a": 1}, 0, 0),
    ],
)
def test_a_response_overrides_what_came_with_the_anchor_key_by_key(data: Any, response: Any, answer: Any) -> None:
    assert merged_data(data, response) == answer


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT1H", timedelta(hours=1)),
        ("PT90S", timedelta(seconds=90)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
        ("P2W", timedelta(weeks=2)),
        ("PT0.5S", timedelta(milliseconds=500)),
        ("PT0,25S", timedelta(milliseconds=250)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "P1Y", "P1M", "pt1h", "PT1H ", "-PT1H", "PT1.5H", "60", "PT١S"])
def test_what_is_no_duration_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like PT30M"):
        parse_duration(text)


def test_a_duration_of_more_than_ten_years_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        parse_duration("P999999999D")
