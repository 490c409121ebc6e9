"""A worker is killed between any two statements of a claim: nothing is lost, no checkpointed action repeats."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from processes.models import AuditEntry, Grant, Run, RunValue, StoredFile
from tasks.domain.tree import Tree
from tasks.models import Job, TaskRoot
from tasks.services.claims import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.work import work_off
from tests.killed_worker import BOOK, NOTE, RIGHTS, register_scripts
from tests.processes.authority_kit import own

Kill = Callable[[int], bool]


@pytest.fixture
def kill(transactional_db: None) -> Iterator[Kill]:
    """Return a function that works off one claim in another process, killed at a point; False if it survived."""
    register_scripts()
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{values['NAME']}"
    else:
        user = values["USER"] + (f":{values['PASSWORD']}" if values["PASSWORD"] else "")
        url = f"postgres://{user}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.killed_worker"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url, "LOG_LEVEL": "CRITICAL"},
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None

    def kill_at(point: int) -> bool:
        worker.stdin.write(f"{point}\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
        answer = worker.stdout.readline().strip()  # type: ignore[union-attr]
        assert answer in {"killed", "survived"}
        return answer == "killed"

    yield kill_at
    worker.stdin.close()
    assert worker.wait(10) == 0
    worker.stdout.close()


ACTIONS = ("first", "second", "booked", "last")


def test_a_worker_killed_at_any_point_repeats_at_most_the_action_it_was_in(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    template = kit.template(
        *({"name": name, "script": BOOK if name == "booked" else NOTE} for name in ACTIONS),
    )
    point, killed = 0, True
    while killed:
        point += 1
        StoredFile.objects.all().delete()
        effects = tmp_path / f"{point}.txt"
        run_id = kit.start(template=template)
        RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))

        killed = kill(point)
        checkpointed = Run.objects.get(pk=run_id).ordinal
        done_before = Counter(effects.read_text().split()) if effects.exists() else Counter[str]()
        # Take over, and finish: the lease of the dead worker runs out, and the hint that it took is sent again.
        Job.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))
        release_expired()
        while work_off("default"):
            pass

        run = Run.objects.get(pk=run_id)
        assert run.status == "completed", f"killed at point {point}"
        effects_now = Counter(effects.read_text().split())
        for number, name in enumerate(ACTIONS, start=1):
            if name == "booked":
                continue
            repeated = effects_now[name] - 1
            assert repeated in (0, 1), f"{name} ran {effects_now[name]} times, killed at point {point}"
            if repeated:
                assert number == checkpointed + 1, f"{name} had a checkpoint and ran again, killed at point {point}"
                assert done_before[name] == 1
        assert StoredFile.objects.count() == 1, f"killed at point {point}"
        tree = Tree()
        for _, body in read_updates(run_id, after=0, limit=10_000):
            tree.apply(json.loads(body))  # raises on any gap, repeat, or second end
        assert tree.snapshot() == read_snapshot(run_id).to_json()
        assert [child.status for child in read_snapshot(run_id).tree.children] == ["completed"] * len(ACTIONS)
        assert TaskRoot.objects.get(pk=run_id).status == "completed"
    assert point > 40, "the claim has more points than that"


RIGHTS_OF = {
    "before": "caller:caller",
    "inside": "owner:caller",
    "lent": "caller:caller",
    "still": "owner:caller",
    "after": "caller:caller",
    "last": "caller:caller",
}


def test_a_worker_killed_at_any_point_leaves_every_action_its_rights(kit, kill: Kill, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    owner, caller = User.objects.create_user("owner"), User.objects.create_user("caller")
    inside = [
        {"name": "inside", "script": RIGHTS},
        {"name": "asCaller", "script": "run_as_caller", "config": {"process": "${lent}"}},
        {"name": "still", "script": RIGHTS},
    ]
    lent = {"lent": {"process": [{"name": "lent", "script": RIGHTS}]}}
    template = kit.template(
        {"name": "store", "script": "store_credentials"},
        {"name": "before", "script": RIGHTS},
        {"name": "asOwner", "script": "run_as_owner", "config": {"process": "${inside}"}},
        {"name": "after", "script": RIGHTS},
        {"name": "remove", "script": "remove_credentials"},
        {"name": "last", "script": RIGHTS},
        bindings={"inside": {"process": {"format": 1, "actions": inside, "bindings": lent}}},
    )
    own(template, owner)
    point, killed = 0, True
    while killed:
        # Every third point is enough here: which points there are is the matter of the test above.
        point += 3
        Grant.objects.all().delete()
        effects = tmp_path / f"{point}.txt"
        run_id = kit.start(template=template, user=caller)
        RunValue.objects.create(run_id=run_id, key="file", ordinal=0, value=json.dumps(str(effects)))

        killed = kill(point)
        Job.objects.filter(status="running").update(lease_until=timezone.now() - timedelta(seconds=1))
        release_expired()
        while work_off("default"):
            pass

        assert Run.objects.get(pk=run_id).status == "completed", f"killed at point {point}"
        lines = effects.read_text().split()
        assert set(lines) == {f"{name}:{rights}" for name, rights in RIGHTS_OF.items()}, f"killed at point {point}"
        # The grant and its end are stored with their checkpoints: exactly once.
        assert Grant.objects.get().revoked_at is not None, f"killed at point {point}"
        told = AuditEntry.objects.filter(subject_kind="run", subject_id=run_id.hex).values_list("action", flat=True)
        assert sorted(told) == ["run.ended", "run.started"], f"killed at point {point}"
    assert point > 40, "the claim has more points than that"
