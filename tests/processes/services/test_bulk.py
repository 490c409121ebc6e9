"""Many named runs at once: each by itself, by who may control them only."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from processes.models import AuditEntry
from processes.services.bulk import (
    Outcome,
    cancel_runs,
    move_named_runs,
    pause_runs,
    undo_moves,
    unpause_runs,
)
from processes.services.template_moves import moved_runs, plans_in_use
from tests.processes.admin.runs_desk import waiting
from tests.processes.services.test_moving_runs import Process, process

__all__ = ["process"]

Deed = Callable[..., Outcome]
DEEDS = [pause_runs, unpause_runs, cancel_runs, move_named_runs, undo_moves]


def reasons(outcome: Outcome) -> list[tuple[uuid.UUID, str]]:
    return [(item.run_id, item.reason) for item in outcome.left]


@pytest.mark.parametrize("deed", DEEDS)
def test_who_may_not_control_runs_learns_of_none(kit: Any, operator: User, deed: Deed) -> None:
    run_id = waiting(kit)
    outcome = deed(run_ids=[run_id], user=User.objects.create_user("sam", is_staff=True))
    assert (outcome.done, reasons(outcome)) == ([], [(run_id, "missing")])
    assert kit.run(run_id).inbox.count() == 0


@pytest.mark.parametrize("deed", DEEDS)
def test_what_has_ended_or_never_was_is_left_and_told(kit: Any, operator: User, deed: Deed) -> None:
    ended, nothing = waiting(kit), uuid.uuid4()
    cancel_runs(run_ids=[ended], user=operator)
    outcome = deed(run_ids=[ended, nothing], user=operator)
    assert (outcome.done, reasons(outcome)) == ([], [(ended, "ended"), (nothing, "missing")])


def test_a_run_that_is_named_twice_is_dealt_with_once(kit: Any, operator: User) -> None:
    run_id = waiting(kit)
    outcome = pause_runs(run_ids=[run_id, run_id], user=operator)
    assert (outcome.done, outcome.left) == ([run_id], [])
    assert AuditEntry.objects.filter(action="run.paused").count() == 1


def test_those_that_do_not_fit_are_left_where_others_move(kit: Any, process: Process, operator: User) -> None:
    fits, other, current = process.start(), waiting(kit), process.start()
    process.publish_new()
    move_named_runs(run_ids=[current], user=operator)
    kit.work()
    outcome = move_named_runs(run_ids=[fits, other, current], user=operator)
    assert outcome.done == [fits]
    assert reasons(outcome) == [(other, "same_plan"), (current, "same_plan")]
    outcome = undo_moves(run_ids=[current, other], user=operator)
    assert (outcome.done, reasons(outcome)) == ([current], [(other, "not_moved")])


def test_where_the_database_is_away_the_rest_is_not_tried(
    kit: Any, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[uuid.UUID] = []

    def away(*, run_id: uuid.UUID, user: User) -> None:
        asked.append(run_id)
        raise OperationalError("gone away")

    monkeypatch.setattr("processes.services.bulk.unpause_run", away)
    with pytest.raises(OperationalError):
        unpause_runs(run_ids=[waiting(kit), waiting(kit)], user=operator)
    assert len(asked) == 1


def test_moved_runs_are_those_at_the_plan_that_they_were_moved_to(kit: Any, process: Process, operator: User) -> None:
    moved, ended, back, _still = process.start(), process.start(), process.start(), process.start()
    before = kit.run(moved).plan_id
    process.publish_new()
    move_named_runs(run_ids=[moved, ended, back], user=operator)
    kit.work()
    undo_moves(run_ids=[back], user=operator)
    cancel_runs(run_ids=[ended], user=operator)
    kit.work()
    assert moved_runs(template=process.template, user=operator) == [moved]
    used = {item.plan: (item.runs, item.parts) for item in plans_in_use(template=process.template, user=operator)}
    assert used == {before: (2, 0), process.template.published_plan_id: (1, 0)}
