"""A worker is killed at every boundary of a checkpoint, in processes that do all that processes can do.

What a run has come to, and what it has done outside, is compared with a run that nobody has disturbed.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from processes.models import Run, RunValue, StoredFile
from tasks.domain.tree import Tree
from tasks.models import Job, TaskRoot
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tests.child import child
from tests.killed_worker import BOOK, FLAKY, NOTE, ONCE, register_scripts
from tests.processes.services.conftest import RunKit

AT_ONCE = {"attempts": 3, "delay_seconds": 0}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A process, and how often an action that is killed may have been done."""

    name: str
    actions: list[dict[str, Any]]
    bindings: dict[str, Any] = field(default_factory=dict)
    #: Actions that are never done again, not even by the worker that takes over.
    never_again: frozenset[str] = frozenset()


def note(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "script": NOTE, **keys}


CASES = [
    Case(
        name="sequence",
        actions=[
            note("first"),
            {"name": "sub", "script": "sub"},
            {"name": "booked", "script": BOOK},
            {"name": "flaky", "script": FLAKY, "retry": AT_ONCE},
            {"name": "mended", "script": "mended"},
            {"name": "wait", "script": "wait", "config": {"until": "2020-01-01"}},
            note("last"),
            note("@end"),
        ],
        bindings={
            "sub": {"process": [note("in sub"), note("in sub too")]},
            "mended": {
                "process": [
                    {"name": "break", "script": "fail"},
                    note("mend"),
                    {"name": "@error", "script": "reset_error", "next": "mend"},
                ]
            },
        },
    ),
    Case(
        name="compensation",
        actions=[
            note("car", compensate="no car"),
            {"name": "hotel", "script": BOOK, "compensate": "no hotel"},
            {"name": "full", "script": "fail", "next": False},
            note("no car"),
            {"name": "no hotel", "script": FLAKY, "retry": AT_ONCE},
        ],
    ),
    Case(
        name="parallel",
        actions=[
            {"name": "split", "script": "run_parallel", "config": {"branches": {"a": "left", "b": "right"}}},
            {
                "name": "each",
                "script": "for_each",
                "config": {"items": [1, 2], "action": "item", "batch": 2, "input": ["file"], "into": "rows"},
            },
            note("last", next=False),
            note("left", next=False),
            {"name": "right", "script": BOOK, "next": False},
            note("item", next=False),
        ],
    ),
]


@pytest.fixture
def kill(transactional_db: None) -> Iterator[Callable[[int], bool]]:
    register_scripts()
    with child("tests.killed_worker") as ask:
        yield lambda point: ask(f"boundary {point}")


def finish() -> None:
    """Take over whatever a killed worker has held, and carry everything to its end."""
    Job.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    RunKit.work()


def shape_of(run_id: UUID) -> list[tuple[str, str]]:
    """Read the tree twice, from the log and from the rows, and return its nodes."""
    tree = Tree()
    for _, body in read_updates(run_id, after=0, limit=10_000):
        tree.apply(json.loads(body))  # raises on any gap, repeat, or second end
    assert tree.snapshot() == read_snapshot(run_id).to_json()
    return [(node.title, node.status.value) for node in read_snapshot(run_id).tree.children]


def begin(kit: Any, template: Any, effects: Path) -> UUID:
    StoredFile.objects.all().delete()
    TaskRoot.objects.all().delete()
    run_id: UUID = kit.start(template=template)
    RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))
    return run_id


def told(run_id: UUID, kit: Any) -> tuple[Any, ...]:
    run = Run.objects.get(pk=run_id)
    data = {key: value for key, value in kit.data(run_id).items() if key != "file"}
    children = sorted(Run.objects.filter(fan_out__isnull=False).values_list("root__title", "status"))
    error = None if run.error is None else run.error["code"]
    return run.status, error, data, children, shape_of(run_id), StoredFile.objects.count()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worker_killed_at_any_boundary_makes_no_difference(
    kit: Any, kill: Callable[[int], bool], tmp_path: Path, case: Case
) -> None:
    template = kit.template(*case.actions, bindings=case.bindings)
    undisturbed = tmp_path / "undisturbed.txt"
    run_id = begin(kit, template, undisturbed)
    finish()
    expected, effects = told(run_id, kit), Counter(undisturbed.read_text().splitlines())
    point, killed = 0, True
    while killed:
        point += 1
        file = tmp_path / f"{point}.txt"
        run_id = begin(kit, template, file)
        killed = kill(point)
        finish()
        assert told(run_id, kit) == expected, f"killed at point {point}"
        done = Counter(file.read_text().splitlines())
        assert done.keys() == effects.keys()
        again = done - effects
        # The action that the worker was in is done once more, and only that.
        assert again.total() <= 1, f"{again} done again, killed at point {point}"
    assert point > 12, "there are more boundaries than that"


def test_a_once_action_that_is_killed_is_never_done_again(
    kit: Any, kill: Callable[[int], bool], tmp_path: Path
) -> None:
    template = kit.template(note("first"), {"name": "pay", "script": ONCE}, note("last"))
    point, killed, unknown = 0, True, 0
    while killed:
        point += 1
        file = tmp_path / f"{point}.txt"
        run_id = begin(kit, template, file)
        killed = kill(point)
        finish()
        run = Run.objects.get(pk=run_id)
        done = Counter(file.read_text().splitlines()) if file.exists() else Counter[str]()
        assert done["pay"] <= 1, f"killed at point {point}"
        if run.status == "failed":
            unknown += 1
            assert run.error["code"] == "outcome_unknown"
        else:
            assert (run.status, done["pay"]) == ("completed", 1)
    assert unknown, "one was killed between the intent and the checkpoint"
