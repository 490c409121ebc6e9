"""Background runs undo what they have done when they fail, or are cancelled."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.errors import PermanentError, RunCancelled
from processes.models import Run
from processes.services.inbox import resume_run
from tasks.errors import IllegalTransition
from tasks.models import Job, TaskRoot
from tasks.services.cancelling import cancel
from tasks.services.heartbeat import Heart
from tasks.services.reading import read_updates
from tests.processes.services.test_advance import shape


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    settings.STEPLINE_CANCEL_GRACE_SECONDS = 0.3
    heart = Heart(beat_seconds=0.05)
    monkeypatch.setattr("tasks.services.work.process_heart", lambda: heart)
    yield
    heart.stop()


def fail(app: Application) -> None:
    raise PermanentError("no room", code="full")


def park(app: Application) -> Park:
    return Park(reason="human")


def booking(kit: Any, last: dict[str, Any], **undo_car: Any) -> list[dict[str, Any]]:
    return [
        {"name": "car", "script": kit.note("car"), "compensate": "no_car"},
        {"name": "hotel", "script": kit.note("hotel"), "compensate": "no_hotel"},
        {"next": False, **last},
        {"name": "no_car", "script": kit.note("no car"), **undo_car},
        {"name": "no_hotel", "script": kit.note("no hotel")},
    ]


def statuses(run_id: uuid.UUID) -> list[str]:
    updates = [json.loads(body) for _, body in read_updates(run_id, after=0, limit=1_000)]
    return [update["type"] for update in updates if update["type"].startswith("task")][-1:]


def test_a_run_that_fails_undoes_what_it_has_done(kit: Any) -> None:
    run_id = kit.start(*booking(kit, {"name": "flight", "script": kit.script(fail)}))
    kit.work()
    run = kit.run(run_id)
    assert kit.notes == ["car", "hotel", "no hotel", "no car"]
    assert (run.status, run.error["code"]) == ("compensated", "full")
    assert shape(run_id) == [
        ("Car", "compensated"),
        ("Hotel", "compensated"),
        ("Flight", "failed"),
        ("No hotel", "completed"),
        ("No car", "completed"),
    ]
    assert Job.objects.get().status == "failed"


def test_a_run_is_compensating_while_it_undoes(kit: Any) -> None:
    def look(app: Application) -> None:
        seen.append(kit.run(uuid.UUID(app.get("run_id"))).status)

    seen: list[str] = []
    kit.start(*booking(kit, {"name": "flight", "script": kit.script(fail)}, script=kit.script(look)))
    kit.work()
    assert seen == ["compensating"]


def test_a_run_that_waits_is_woken_to_undo_when_it_is_cancelled(kit: Any) -> None:
    run_id = kit.start(*booking(kit, {"name": "wait", "script": kit.script(park, durable=True)}))
    kit.work()
    assert cancel(root_id=run_id, reason="never mind").value == "cancel_requested"
    kit.work()
    run, job = kit.run(run_id), Job.objects.get()
    assert kit.notes == ["car", "hotel", "no hotel", "no car"]
    assert (run.status, run.error["code"], job.status) == ("compensated", "cancelled", "cancelled")
    assert TaskRoot.objects.get().status == "cancelled"
    assert statuses(run_id) == ["taskAborted"]
    assert ("Wait", "cancelled") in shape(run_id)


def test_entering_the_compensation_uses_the_wish_to_cancel_up(kit: Any) -> None:
    """Otherwise the compensation itself would be told to stop."""
    run_id = kit.start(
        *booking(
            kit,
            {"name": "wait", "script": kit.script(park, durable=True)},
            script=kit.script(lambda app: app.check_cancelled()),
        )
    )
    kit.work()
    cancel(root_id=run_id, reason="never mind")
    kit.work()
    assert kit.run(run_id).status == "compensated"
    with pytest.raises(IllegalTransition):
        cancel(root_id=run_id, reason="again")


def test_an_action_that_hears_of_the_cancellation_is_not_done_and_leaves_nothing_behind(kit: Any) -> None:
    def work(app: Application) -> None:
        app.data["half"] = True
        cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
        for _ in range(1_000):
            app.check_cancelled()
            time.sleep(0.01)

    run_id = kit.start(*booking(kit, {"name": "work", "script": kit.script(work), "compensate": "no_car"}))
    kit.work()
    assert kit.notes == ["car", "hotel", "no hotel", "no car"]
    assert kit.run(run_id).status == "compensated"
    assert "half" not in kit.data(run_id)
    assert ("Work", "cancelled") in shape(run_id)


def cancel_and_listen(app: Application) -> None:
    cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
    for _ in range(1_000):
        app.check_cancelled()
        time.sleep(0.01)


def called(kit: Any, **car: Any) -> list[dict[str, Any]]:
    """Return an action that others may invoke, which leaves in the data what undoing it needs."""

    def book(app: Application) -> None:
        kit.notes.append("car")
        app.data["booking"] = 7
        app.set("agency", "north")

    def cancel_booking(app: Application) -> None:
        kit.notes.append(f"no car {app.data.get('booking')} {app.get('agency')}")

    return [
        {"name": "car", "script": kit.script(book), "compensate": "no_car", "next": False, **car},
        {"name": "no_car", "script": kit.script(cancel_booking), "next": False},
    ]


def test_what_an_action_has_invoked_is_undone_though_it_hears_of_the_cancellation_itself(kit: Any) -> None:
    def work(app: Application) -> None:
        app.invoke("car")
        cancel_and_listen(app)

    run_id = kit.start(
        {"name": "work", "script": kit.script(work)},
        {"name": "after", "script": kit.note("after"), "next": False},
        *called(kit),
    )
    kit.work()
    assert (kit.run(run_id).status, Job.objects.get().status) == ("compensated", "cancelled")
    assert kit.notes == ["car", "no car 7 north"]
    assert shape(run_id) == [("Work", "cancelled"), ("No car", "completed")]


def test_what_an_action_has_invoked_is_undone_before_what_came_earlier(kit: Any) -> None:
    def work(app: Application) -> None:
        app.invoke("car")
        cancel_and_listen(app)

    run_id = kit.start(
        {"name": "hotel", "script": kit.note("hotel"), "compensate": "no_hotel"},
        {"name": "work", "script": kit.script(work), "next": False},
        {"name": "no_hotel", "script": kit.note("no hotel"), "next": False},
        *called(kit),
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("compensated", ["hotel", "car", "no car 7 north", "no hotel"])


def test_what_a_transactional_action_has_invoked_goes_with_its_transaction(kit: Any) -> None:
    def work(app: Application) -> None:
        app.invoke("car")
        # As `check_cancelled` does: whoever cancels it from elsewhere would wait for this transaction on SQLite.
        raise RunCancelled("enough")

    run_id = kit.start({"name": "work", "script": kit.script(work, effect="transactional")}, *called(kit))
    kit.work()
    assert (kit.run(run_id).status, kit.notes, kit.data(run_id)) == ("cancelled", ["car"], {})


def test_what_undoes_has_no_number_that_an_invoked_action_has_told_others(kit: Any) -> None:
    keys: list[str] = []

    def tell(app: Application) -> None:
        keys.append(app.idempotency_key)

    def work(app: Application) -> None:
        tell(app)
        app.invoke("car")
        app.invoke("car")
        cancel_and_listen(app)

    run_id = kit.start(
        {"name": "hotel", "script": kit.script(tell), "compensate": "no_hotel"},
        {"name": "work", "script": kit.script(work), "next": False},
        {"name": "car", "script": kit.script(tell), "next": False},
        {"name": "no_hotel", "script": kit.script(tell), "next": False},
    )
    kit.work()
    assert kit.run(run_id).status == "compensated"
    assert len(set(keys)) == 5


def test_a_part_undoes_what_the_action_of_its_first_item_has_invoked(kit: Any) -> None:
    def work(app: Application) -> None:
        app.invoke("car")
        cancel_and_listen(app)

    kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1, 2], "action": "work", "batch": 2},
         "next": False},
        {"name": "work", "script": kit.script(work), "next": False},
        *called(kit),
    )  # fmt: skip
    kit.work()
    assert kit.notes == ["car", "no car 7 north"]
    assert Run.objects.get(fan_out__isnull=False).status == "compensated"


def test_what_an_action_has_invoked_is_undone_with_what_is_stored_where_it_leaves_what_can_not_be(kit: Any) -> None:
    def work(app: Application) -> None:
        app.invoke("car")
        app.data["socket"] = object()
        cancel_and_listen(app)

    run_id = kit.start({"name": "work", "script": kit.script(work)}, *called(kit))
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("compensated", ["car", "no car None None"])


def test_a_part_undoes_what_its_item_has_done_without_an_effect(kit: Any) -> None:
    def hit(app: Application) -> None:
        kit.notes.append(f"hit {app.data['item']}")
        if app.data["item"] == 2:
            cancel_and_listen(app)

    kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1, 2, 3], "action": "car", "batch": 3},
         "next": False},
        {"name": "car", "script": kit.script(lambda app: None, effect="pure"), "compensate": "no_car"},
        {"name": "hit", "script": kit.script(hit, effect="pure"), "next": False},
        {"name": "no_car", "script": kit.note("no car"), "next": False},
    )  # fmt: skip
    kit.work()
    assert kit.notes == ["hit 1", "hit 2", "no car"]
    assert Run.objects.get(fan_out__isnull=False).status == "compensated"


def test_an_action_that_does_not_listen_is_broken_off_and_the_rest_undone(kit: Any) -> None:
    def work(app: Application) -> None:
        cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
        time.sleep(60)

    run_id = kit.start(*booking(kit, {"name": "work", "script": kit.script(work)}))
    kit.work()
    assert kit.notes == ["car", "hotel", "no hotel", "no car"]
    assert kit.run(run_id).status == "compensated"


def test_a_compensation_may_wait_and_is_woken(kit: Any) -> None:
    run_id = kit.start(
        *booking(kit, {"name": "flight", "script": kit.script(fail)}, script=kit.script(park, durable=True), next=False)
    )
    kit.work()
    run = kit.run(run_id)
    assert (run.status, Job.objects.get().status) == ("compensating", "waiting")
    resume_run(run_id=run_id, ordinal=run.ordinal, state=None, dedupe_key="go")
    kit.work()
    assert kit.run(run_id).status == "compensated"


def test_a_compensation_that_fails_stops_there_and_keeps_what_is_left(kit: Any) -> None:
    run_id = kit.start(
        *booking(kit, {"name": "flight", "script": kit.script(fail)})[:-1],
        {"name": "no_hotel", "script": kit.script(fail)},
    )
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"], run.error["cause"]["code"]) == ("failed", "full", "full")
    assert [done["action"] for done in run.cursor["compensation"]["done"]] == ["car", "hotel"]
    assert shape(run_id)[-1] == ("No hotel", "failed")


def test_a_run_with_nothing_done_is_cancelled_at_once(kit: Any) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script(park, durable=True), "compensate": "undo", "next": False},
                       {"name": "undo", "script": kit.note("undone")})  # fmt: skip
    kit.work()
    assert cancel(root_id=run_id, reason="never mind").value == "cancelled"
    assert (kit.work(), kit.run(run_id).status, kit.notes) == (0, "cancelled", [])
