"""A worker is killed between any two statements while it comes to a form, or takes its answer: both happen once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from processes.models import InboxItem, Run, RunForm, RunFormAudience, RunValue
from tests.killed_worker import NOTE
from tests.processes.form_answer_kit import answer, ask, visitor
from tests.processes.services.test_killed_worker import Kill, kill, take_over

__all__ = ["kill"]

#: On PostgreSQL a checkpoint is a statement, and workers are killed at its boundaries (test_killed_at_boundaries).
pytestmark = pytest.mark.skipif(connection.vendor == "postgresql", reason="killed between statements on SQLite")


def killed_everywhere(kill: Kill, start: Callable[[], UUID], folder: Path) -> Iterator[tuple[Run, Path]]:
    """Start a run, kill its worker at a point, and let another one go on; give the run, and where its actions write."""
    point, killed = 0, True
    while killed:
        point += 1
        effects = folder / f"{point}.txt"
        run_id = start()
        RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))
        killed = kill(point)
        take_over()
        yield Run.objects.get(pk=run_id), effects
    assert point > 20, "the claim has more points than that"


def test_a_worker_killed_at_any_point_opens_a_form_once(kit: Any, kill: Kill, tmp_path: Path) -> None:
    template = kit.template(ask(answered_by={"owner": True, "staff": True}), {"name": "after", "script": None})

    def start() -> UUID:
        RunForm.objects.all().delete()
        return kit.start(template=template)  # type: ignore[no-any-return]

    for run, _ in killed_everywhere(kill, start, tmp_path):
        assert (run.status, run.waiting_for["code"]) == ("waiting", "form")
        form = RunForm.objects.get()
        assert (form.run_id, form.closed_at) == (run.pk, None)
        assert RunFormAudience.objects.filter(form=form, is_open=True).count() == 2


def test_a_worker_killed_at_any_point_takes_an_answer_once(kit: Any, kill: Kill, tmp_path: Path) -> None:
    template = kit.template(ask(), {"name": "after", "script": NOTE})

    def start() -> UUID:
        run_id: UUID = kit.start(template=template)
        kit.work()
        answer(run_id, visitor(session="s"), {"text": "once"})
        return run_id

    for run, effects in killed_everywhere(kill, start, tmp_path):
        assert (run.status, run.error) == ("completed", None)
        assert kit.data(run.pk)["text"] == "once"
        # The action in which the worker died runs again; the answer is taken once all the same.
        assert effects.read_text().split() in (["after"], ["after", "after"])
        assert not InboxItem.objects.filter(run=run, taken_at=None).exists()
        assert RunForm.objects.get(run=run).outcome == "answered"
