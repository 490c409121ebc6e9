"""Saving a run as a test: a file for pytest that lets it go as it went (processes.testing.replay)."""

import json
import uuid
from collections.abc import Mapping
from textwrap import indent

from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.run_status import RunStatus
from processes.models import Checkpoint, Run, RunAnswer
from processes.services.access import User, find_run
from processes.services.audit import actor_of
from processes.services.background import record_control
from processes.services.clock_readings import read_clock_readings
from processes.services.errors import NotControllableError
from processes.services.exporting import plans_behind
from processes.services.inbox import ANSWER, EDIT, MOVE, REPORT, RESUME
from processes.services.stored_data import StoredData

__all__ = ["RECORDING_FORMAT", "record_run", "run_as_test"]

RECORDING_FORMAT = 1
_ENDED = (RunStatus.COMPLETED.value, RunStatus.FAILED.value, RunStatus.COMPENSATED.value)
#: How many steps a test may have: each has its time in the file.
MOST_STEPS = 2_000

_FILE = '''"""{title}"""

import json

import pytest

from processes.testing import replay

RECORDING = json.loads(
    r"""
{recording}
"""
)


@pytest.mark.django_db
def test_run_{name}() -> None:
    replay(RECORDING).check()
'''


def run_as_test(*, run_id: uuid.UUID, user: User) -> str:
    """Return a Python file with one test, which lets a run that has ended go again and compares how it ends.

    Raises TaskNotFound, and NotControllableError where it can't be replayed.
    """
    run = find_run(run_id, user=user)
    recording = record_run(run)
    record_control(run, "run.exported", actor_of(user), details={"how": "test"})
    steps = len(recording["ends"]["steps"])
    title = f"Run {run.pk} of {run.created_at.date().isoformat()} goes as it went: {run.status} after {steps} steps."
    text = json.dumps(recording, indent=2, sort_keys=True)
    return _FILE.format(title=title, recording=indent(text, "    "), name=run.pk.hex)


def record_run(run: Run) -> dict[str, JSON]:
    """Return what it takes to let a run go as it went: how it began, what it was told and when, and how it ended."""
    _check(run)
    assert run.origin is not None
    origin = run.origin
    rows = list(Checkpoint.objects.filter(run_id=run.pk, ordinal__gte=origin["cursor"]["ordinal"]).order_by("ordinal"))
    if len(rows) > MOST_STEPS:
        raise _refusal("too_long", _("This run has too many steps for a test: %d.") % len(rows))
    used = {frame["plan"] for row in rows for frame in row.cursor.get("frames", ())} | {run.plan_id}
    return {
        "format": RECORDING_FORMAT,
        "run": str(run.pk),
        "user": None if run.user is None else run.user.get_username(),
        "plans": {plan.hash: plan.to_json() for plan in plans_behind(used)},
        "begins": {
            "cursor": origin["cursor"],
            "attributes": origin["attributes"],
            "request": origin["request"],
            "response": origin["response"],
            "data": dict(StoredData.load(run.pk, until=origin["ordinal"])[1]),
        },
        "times": {str(row.ordinal): row.created_at.isoformat() for row in rows},
        "answers": [
            {"method": answer.method, "url": answer.url, "answer": answer.answer}
            for answer in RunAnswer.objects.filter(run_id=run.pk).order_by("id")
        ],
        "clock": {str(ordinal): moments for ordinal, moments in read_clock_readings(run.pk).items()},
        "messages": [
            {"at": item.created_at.isoformat(), **item.payload}
            for item in run.inbox.filter(kind__in=(RESUME, ANSWER), taken_at__isnull=False).order_by("id")
        ],
        "ends": {
            "status": run.status,
            "error": None if not isinstance(run.error, Mapping) else run.error.get("code"),
            "data": dict(StoredData.load(run.pk)[1]),
            "steps": [[row.action, row.state] for row in rows[1:] if row.action],
        },
    }


def _check(run: Run) -> None:
    if run.status not in _ENDED or not run.root.closed:
        raise _refusal("not_ended", _("Only a run that has completed, failed or undone what it did becomes a test."))
    if run.fan_out_id is not None:
        raise _refusal("part", _("A part of another run doesn't become a test by itself."))
    if run.origin is None:
        raise _refusal("no_place", _("Nothing is known of where this run has been. Please start again."))
    kinds = set(run.inbox.filter(taken_at__isnull=False).values_list("kind", flat=True))
    if REPORT in kinds:
        raise _refusal("callbacks", _("This run was led on by callbacks, which a test can't replay."))
    if kinds & {EDIT, MOVE}:
        raise _refusal("by_hand", _("This run was changed by hand on its way, which a test can't replay."))
    not_kept = [item.url for item in RunAnswer.objects.filter(run_id=run.pk) if "not_kept" in item.answer]
    if not_kept:
        text = _("An answer that this run got wasn't kept, since this site keeps none: %s.") % not_kept[0]
        raise _refusal("answer_not_kept", text)
    too_long = [item.url for item in RunAnswer.objects.filter(run_id=run.pk) if "too_long" in item.answer]
    if too_long:
        text = _("An answer that this run got was too long to be kept: %s.") % too_long[0]
        raise _refusal("answer_not_kept", text)


def _refusal(reason: str, text: str) -> NotControllableError:
    return NotControllableError(text, fields={"reason": reason})
