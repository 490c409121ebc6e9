"""A worker is killed between any two statements while it anchors, reports or takes a report: nothing is lost."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from processes.models import Callback, CallbackWaiter, InboxItem
from processes.services.callback_tokens import token_of
from tests.killed_worker import NOTE
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.test_killed_worker import Kill, kill, killed_everywhere

__all__ = ["kill"]

#: On PostgreSQL a checkpoint is a statement, and workers are killed at its boundaries (test_killed_at_boundaries).
pytestmark = pytest.mark.skipif(connection.vendor == "postgresql", reason="killed between statements on SQLite")


def ran(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def anchored(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "anchor", "script": "callback",
         "next": {"prepare": "call", "progress": "seen", "complete": "done", "*": False}},
        *more,
        {"name": "seen", "script": NOTE, "next": False},
        {"name": "done", "script": NOTE, "next": False},
    ]  # fmt: skip


def test_a_worker_killed_at_any_point_takes_every_report_once(kit: Any, kill: Kill, tmp_path: Path) -> None:
    calls = CallbackKit(kit)
    template = kit.template(*anchored({"name": "call", "script": "noop", "next": False}))

    def start() -> UUID:
        Callback.objects.all().delete()
        run_id: UUID = kit.start(template=template)
        kit.work()
        calls.tokens.append(token_of_only())
        calls.report("progress", {"n": 1})
        calls.report("complete", {"n": 2})
        return run_id

    for number, (run, _) in enumerate(killed_everywhere(kill, start, tmp_path, every=1), start=1):
        assert (run.status, run.error) == ("completed", None)
        lines = ran(tmp_path / f"{number}.txt")
        assert lines in (["seen", "done"], ["seen", "seen", "done"], ["seen", "done", "done"])
        assert not InboxItem.objects.filter(run=run, taken_at=None).exists()
        assert run.attributes["callbackData"] == {"n": 2}


def test_a_worker_killed_at_any_point_anchors_and_reports_once(kit: Any, kill: Kill, tmp_path: Path) -> None:
    def send(name: str, action: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "script": "callback", "config": {"callbackAction": action, "callbackData": name}, **more}

    template = kit.template(*anchored(send("call", "progress"), send("finish", "complete", next=False)))

    def start() -> UUID:
        Callback.objects.all().delete()
        return kit.start(template=template)  # type: ignore[no-any-return]

    for number, (run, _) in enumerate(killed_everywhere(kill, start, tmp_path, every=1), start=1):
        assert (run.status, run.error) == ("completed", None)
        lines = ran(tmp_path / f"{number}.txt")
        assert lines in (["seen", "done"], ["seen", "seen", "done"], ["seen", "done", "done"])
        assert [row.status for row in Callback.objects.all()] == ["completed"]
        assert InboxItem.objects.filter(run=run).count() == 2


def test_a_worker_killed_at_any_point_awaits_an_end_once(kit: Any, kill: Kill, tmp_path: Path) -> None:
    """The end comes from the very run that awaits it, whose claim goes on with it."""
    template = kit.template(
        *anchored(
            {"name": "call", "script": "callback", "config": {"callbackAction": "complete", "callbackData": 1}},
            {"name": "wait", "script": "callback", "config": {"callbackAction": "await"}, "next": {"complete": "seen"}},
        )
    )

    def start() -> UUID:
        Callback.objects.all().delete()
        return kit.start(template=template)  # type: ignore[no-any-return]

    for number, (run, _) in enumerate(killed_everywhere(kill, start, tmp_path, every=2), start=1):
        assert (run.status, run.error) == ("completed", None)
        assert sorted(set(ran(tmp_path / f"{2 * number}.txt"))) == ["done", "seen"]
        assert not CallbackWaiter.objects.exists()


def token_of_only() -> str:
    return token_of(str(Callback.objects.get().pk))
