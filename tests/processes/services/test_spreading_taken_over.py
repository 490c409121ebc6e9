"""A worker that has lost a run adds nothing to the pieces that its successor spreads, and takes none away."""

import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import FanOut, FanOutItem
from processes.scripts import parallel as parallel_scripts
from processes.services.pieces import Piece, store_pieces
from tasks.models import Job
from tasks.services import sql
from tasks.services.losses import release_expired
from tasks.services.work import work_off
from tests.processes.services.test_lock_order import meanwhile
from tests.processes.services.test_parts_of_runs import each

PATIENCE_SECONDS = 20


@pytest.mark.parametrize("stored_before", [0, 2])
def test_a_worker_that_has_lost_the_run_leaves_the_pieces_of_its_successor_alone(
    kit: Any, monkeypatch: pytest.MonkeyPatch, stored_before: int
) -> None:
    monkeypatch.setattr(sql, "ROWS_PER_STATEMENT", 2)
    lost, has_stored, goes_on = threading.Event(), threading.Event(), threading.Event()
    stored_by: list[str] = []

    def store(fan_out: FanOut, pieces: Iterable[Piece], **hold: Any) -> Iterator[int]:
        rest = store_pieces(fan_out, pieces, **hold)
        if threading.current_thread() is threading.main_thread():
            for _ in range(stored_before // 2):
                yield next(rest)
            lost.set()
            assert has_stored.wait(PATIENCE_SECONDS)
            for total in rest:
                stored_by.append("who lost it")
                yield total
        else:
            for total in rest:
                stored_by.append("its successor")
                yield total
                has_stored.set()
                assert goes_on.wait(PATIENCE_SECONDS)

    def take_over() -> None:
        assert lost.wait(PATIENCE_SECONDS)
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert release_expired() == 1
        kit.work()

    monkeypatch.setattr(parallel_scripts, "store_pieces", store)
    run_id = kit.start(*each(kit, kit.note("item"), items=list("abcde")))
    with meanwhile(take_over) as raised:
        work_off("default")
        goes_on.set()
    assert (raised, stored_by) == ([], ["its successor"] * 3)
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["item"] * 5 + ["after"])
    assert FanOutItem.objects.count() == 5
