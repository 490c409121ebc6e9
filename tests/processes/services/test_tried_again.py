"""Actions of background runs that are tried again, and actions that take too long."""

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.directives import Park, RunAgain
from processes.domain.origin import spent_actions
from processes.errors import ProcessError
from processes.models import Checkpoint, Run
from processes.services import advance
from processes.services.checkpoints import newest_checkpoint
from tasks import subtask
from tasks.models import Job, Node
from tasks.services import context
from tasks.services.claims import Beat, claim
from tasks.services.heartbeat import Heart
from tasks.services.jobs import wake_due
from tasks.services.reading import read_snapshot
from tasks.services.work import carry_out
from tests.processes.services.test_advance import shape

LONG = 60.0


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    settings.STEPLINE_CANCEL_GRACE_SECONDS = 0.3
    heart = Heart(beat_seconds=0.05)
    monkeypatch.setattr("tasks.services.work.process_heart", lambda: heart)
    yield
    heart.stop()


def flaky(kit: Any, *, fails: int, effect: str = "idempotent") -> str:
    """Return a script that fails a number of times, having changed data and begun a subtask."""

    def work(app: Application) -> None:
        kit.notes.append(app.idempotency_key)
        app.data["half"] = len(kit.notes)
        app.set("half", len(kit.notes))
        if len(kit.notes) <= fails:
            with subtask("Part"):
                raise ProcessError("not yet", code="busy")
        app.data["done"] = True

    return kit.script(work, effect=effect)  # type: ignore[no-any-return]


def due_now(run_id: uuid.UUID) -> None:
    Job.objects.filter(pk=run_id).update(due_at=timezone.now())


@pytest.mark.parametrize("effect", ["idempotent", "transactional"])
def test_a_failed_action_is_tried_again_when_its_policy_says_so(kit: Any, effect: str) -> None:
    run_id = kit.start({"name": "work", "script": flaky(kit, fails=1, effect=effect), "retry": 2})
    before = timezone.now()
    assert kit.work() == 1
    run, job = kit.run(run_id), Job.objects.get()
    assert (run.status, job.status) == ("waiting", "pending")
    assert before + timedelta(seconds=1) <= job.due_at <= timezone.now() + timedelta(seconds=1)
    assert shape(run_id) == [("Work", "waiting")]
    assert Node.objects.get(alias="work").message == "It has failed, and is tried again by itself."
    due_now(run_id)
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert shape(run_id) == [("Work", "completed")]
    assert len(set(kit.notes)) == 1


def test_a_run_that_will_try_again_says_so(kit: Any) -> None:
    run_id = kit.start({"name": "work", "script": flaky(kit, fails=1), "retry": 3})
    kit.work()
    told = kit.run(run_id).waiting_for
    assert (told["code"], told["attempt"], told["attempts"], told["error"]) == ("retry", 1, 3, "not yet")
    due_now(run_id)
    kit.work()
    assert kit.run(run_id).waiting_for is None


def test_a_failed_try_leaves_nothing_behind(kit: Any) -> None:
    def look(app: Application) -> None:
        seen.append((app.data.get("half"), app.get("half")))
        if len(seen) == 1:
            app.data["half"] = "left"
            app.set("half", "left")
            raise ProcessError("not yet")

    seen: list[object] = []
    run_id = kit.start({"name": "look", "script": kit.script(look), "retry": {"attempts": 2, "delay_seconds": 0}})
    kit.work()
    assert seen == [(None, None)] * 2
    assert kit.run(run_id).status == "completed"


def test_attempts_that_are_used_up_end_the_run_with_the_last_error(kit: Any) -> None:
    policy = {"attempts": 3, "delay_seconds": 0}
    run_id = kit.start({"name": "work", "script": flaky(kit, fails=9), "retry": policy})
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"], len(kit.notes)) == ("failed", "busy", 3)


def test_trying_again_does_not_use_up_the_attempts_of_the_job(kit: Any) -> None:
    policy = {"attempts": 20, "delay_seconds": 0}
    run_id = kit.start({"name": "work", "script": flaky(kit, fails=15), "retry": policy})
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert Job.objects.get().attempt == 1


@pytest.mark.parametrize("effect", ["idempotent", "transactional"])
def test_an_action_that_takes_too_long_is_interrupted_and_fails(kit: Any, effect: str) -> None:
    def sleep(app: Application) -> None:
        app.data["half"] = True
        Group.objects.create(name="half")
        kit.notes.append("begun")
        time.sleep(LONG)

    began = time.monotonic()
    run_id = kit.start(
        {"name": "sleep", "script": kit.script(sleep, effect=effect), "timeout_seconds": 0.5},
        {"name": "@error", "script": kit.note("mended")},
    )
    kit.work()
    assert time.monotonic() - began < LONG / 2
    run = kit.run(run_id)
    assert (run.status, run.error["code"]) == ("failed", "timeout")
    assert kit.data(run_id) == {"mended": 2}
    assert shape(run_id)[0] == ("Sleep", "failed")
    assert kit.notes == ["begun", "mended"]
    assert Group.objects.exists() is (effect == "idempotent")
    assert Job.objects.get().losses == 0


@pytest.mark.parametrize("effect", ["idempotent", "transactional"])
def test_an_action_that_heeds_no_cancellation_is_interrupted(kit: Any, effect: str) -> None:
    def sleep(app: Application) -> None:
        # As the heart would hear of it; on SQLite nobody else can write now.
        kit.hold(app).learn(Beat(held=True, cancel_requested=True))
        time.sleep(LONG)

    began = time.monotonic()
    run_id = kit.start({"name": "sleep", "script": kit.script(sleep, effect=effect)})
    kit.work()
    assert time.monotonic() - began < LONG / 2
    assert (kit.run(run_id).status, Job.objects.get().losses) == ("cancelled", 0)


def test_an_action_that_takes_too_long_may_be_tried_again(kit: Any) -> None:
    def work(app: Application) -> None:
        kit.notes.append("begun")
        if len(kit.notes) == 1:
            time.sleep(LONG)

    policy = {"attempts": 2, "delay_seconds": 0}
    run_id = kit.start({"name": "work", "script": kit.script(work), "timeout_seconds": 0.2, "retry": policy})
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["begun", "begun"])


def test_the_limit_is_the_actions_own(kit: Any) -> None:
    def short(app: Application) -> None:
        time.sleep(0.15)

    actions = [{"name": f"a{n}", "script": kit.script(short), "timeout_seconds": 0.4} for n in range(4)]
    run_id = kit.start(*actions)
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_an_action_that_hung_with_its_process_has_used_its_time_up(kit: Any) -> None:
    """Where nothing could interrupt it, its process was ended, and another worker takes over."""
    run_id = kit.start({"name": "work", "script": kit.note("again"), "timeout_seconds": 30})
    Run.objects.update(step_began_at=timezone.now() - timedelta(seconds=31))
    kit.work()
    assert (kit.run(run_id).error["code"], kit.notes) == ("timeout", [])


def test_an_action_whose_worker_died_early_runs_again(kit: Any) -> None:
    run_id = kit.start({"name": "work", "script": kit.note("again"), "timeout_seconds": 30})
    Run.objects.update(step_began_at=timezone.now() - timedelta(seconds=5))
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["again"])


def test_a_sub_process_may_take_as_long_as_its_caller(kit: Any) -> None:
    def sleep(app: Application) -> None:
        time.sleep(LONG)

    sub = [{"name": "quick", "script": kit.note("quick")}, {"name": "slow", "script": kit.script(sleep)}]
    template = kit.template(
        {"name": "call", "script": "sub", "timeout_seconds": 0.3, "next": False},
        bindings={"sub": {"process": sub}},
    )
    run_id = kit.start(template=template)
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"], run.error["action"]) == ("failed", "timeout", "call")
    [call] = read_snapshot(run_id).tree.children
    assert (call.status, [child.status for child in call.children]) == ("failed", ["completed", "failed"])


def test_an_action_that_waits_too_long_fails(kit: Any) -> None:
    run_id = kit.start(
        {"name": "ask", "script": kit.script(lambda app: Park(reason="human"), durable=True), "timeout_seconds": 60},
        {"name": "@error", "script": kit.note("late")},
    )
    kit.work()
    assert wake_due() == 0
    job = Job.objects.get()
    assert (job.status, kit.run(run_id).waiting_for["until"]) == ("waiting", job.wake_at.isoformat())
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.update(wake_at=past)
    stands = newest_checkpoint(run_id)
    stands.cursor["frames"][0]["deadline"] = past.isoformat()
    Checkpoint.objects.filter(pk=stands.pk).update(cursor=stands.cursor)
    assert wake_due() == 1
    kit.work()
    assert (kit.run(run_id).error["code"], kit.notes) == ("timeout", ["late"])


def test_an_action_does_not_inherit_the_time_that_one_before_it_took_in_another_claim(
    kit: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(context, "CLAIM_SECONDS", 0)

    def slow(app: Application) -> None:
        time.sleep(0.3)

    run_id = kit.start(
        {"name": "slow", "script": kit.script(slow), "timeout_seconds": 30},
        {"name": "quick", "script": kit.note("quick"), "timeout_seconds": 0.2},
    )
    assert kit.work() > 1
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["quick"])


def test_an_action_has_what_is_left_of_its_time_however_often_its_worker_dies(kit: Any) -> None:
    began_at = timezone.now() - timedelta(seconds=5)

    def dies(app: Application) -> None:
        raise KeyboardInterrupt

    run_id = kit.start({"name": "work", "script": kit.script(dies), "timeout_seconds": 30})
    Run.objects.update(step_began_at=began_at)
    with pytest.raises(KeyboardInterrupt):
        kit.work()
    assert kit.run(run_id).step_began_at == began_at


def test_an_action_whose_worker_died_early_has_the_time_that_is_left_to_its_caller(kit: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(context, "CLAIM_SECONDS", 0)
    sub = [{"name": "inner", "script": kit.note("inner")}, {"name": "last", "script": kit.note("last")}]
    template = kit.template(
        {"name": "call", "script": "sub", "timeout_seconds": 60, "next": False}, bindings={"sub": {"process": sub}}
    )
    run_id = kit.start(template=template)
    held = claim(queue="default", worker="w")
    assert held is not None
    carry_out(held)
    # Another one died after 40 of the 60 seconds.
    stands = newest_checkpoint(run_id)
    assert stands is not None
    stands.cursor["frames"][0]["deadline"] = (timezone.now() + timedelta(seconds=20)).isoformat()
    Checkpoint.objects.filter(pk=stands.pk).update(cursor=stands.cursor)
    Run.objects.update(step_began_at=timezone.now() - timedelta(seconds=40))
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["inner", "last"])


def test_what_must_not_be_done_twice_is_not_begun_where_there_is_no_time_for_it(kit: Any) -> None:
    run_id = kit.start({"name": "charge", "script": kit.script(lambda app: None, effect="once"), "timeout_seconds": 30})
    Run.objects.update(step_began_at=timezone.now() - timedelta(seconds=31))
    kit.work()
    run = kit.run(run_id)
    assert (run.error["code"], spent_actions(run.origin)) == ("timeout", [])


@pytest.mark.parametrize("effect", ["idempotent", "transactional"])
def test_a_try_that_has_failed_leaves_nothing_behind(kit: Any, effect: str) -> None:
    def count(app: Application) -> None:
        kit.notes.append((app.data.get("count", 0), app.get("count", 0)))
        app.data["count"] = app.data.get("count", 0) + 1
        app.set("count", app.get("count", 0) + 1)
        if len(kit.notes) < 3:
            raise ProcessError("not yet", code="busy")

    run_id = kit.start(
        {"name": "count", "script": kit.script(count, effect=effect), "retry": {"attempts": 3, "delay_seconds": 0}}
    )
    kit.work()
    assert (kit.notes, kit.data(run_id)) == ([(0, 0)] * 3, {"count": 1})


def test_an_error_of_the_database_in_a_transactional_script_is_the_actions(kit: Any) -> None:
    Group.objects.create(name="taken")

    def write(app: Application) -> None:
        kit.notes.append("write")
        Group.objects.create(name=f"before {len(kit.notes)}")
        Group.objects.create(name="taken" if len(kit.notes) == 1 else "free")

    run_id = kit.start(
        {
            "name": "write",
            "script": kit.script(write, effect="transactional"),
            "retry": {"attempts": 2, "delay_seconds": 0},
        }
    )
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert sorted(Group.objects.values_list("name", flat=True)) == ["before 2", "free", "taken"]


def test_an_error_of_the_database_in_a_transactional_script_is_handled(kit: Any) -> None:
    Group.objects.create(name="taken")

    def write(app: Application) -> None:
        kit.notes.append("write")
        Group.objects.create(name="before")
        Group.objects.create(name="taken")

    run_id = kit.start(
        {"name": "write", "script": kit.script(write, effect="transactional")},
        {"name": "@error", "script": kit.note("handled")},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("failed", ["write", "handled"])
    assert not Group.objects.filter(name="before").exists()


def test_a_script_that_goes_on_in_a_broken_transaction_has_failed(kit: Any) -> None:
    Group.objects.create(name="taken")

    def write(app: Application) -> None:
        with suppress(IntegrityError):
            Group.objects.create(name="taken")

    run_id = kit.start({"name": "write", "script": kit.script(write, effect="transactional")})
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"]) == ("failed", "broken_transaction")


def test_a_transactional_script_that_wants_to_run_again_keeps_what_it_has_done(kit: Any) -> None:
    def write(app: Application) -> RunAgain | None:
        count = app.data["count"] = app.data.get("count", 0) + 1
        Group.objects.create(name=f"group {count}")
        return RunAgain(reason="more", until=timezone.now()) if count < 3 else None

    run_id = kit.start({"name": "write", "script": kit.script(write, effect="transactional")})
    kit.work()
    assert (kit.run(run_id).status, kit.data(run_id), Group.objects.count()) == ("completed", {"count": 3}, 3)


def test_a_timer_that_was_due_before_the_time_limit_comes_first_however_late_it_is_looked_at(kit: Any) -> None:
    run_id = kit.start(
        {"name": "wait", "script": "wait", "config": {"until": "2100-01-01T00:00:00Z"}, "timeout_seconds": 60},
        {"name": "next", "script": kit.note("next")},
    )
    kit.work()
    stands = newest_checkpoint(run_id)
    assert stands is not None
    [frame], now = stands.cursor["frames"], timezone.now()
    frame["deadline"] = (now - timedelta(seconds=5)).isoformat()
    stands.cursor["parked"]["until"] = (now - timedelta(seconds=10)).isoformat()
    Checkpoint.objects.filter(pk=stands.pk).update(cursor=stands.cursor)
    Job.objects.update(wake_at=now)
    assert wake_due() == 1
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["next"])


def test_a_time_zone_that_a_script_activates_is_not_that_of_the_next_run(kit: Any) -> None:
    def tell(app: Application) -> None:
        kit.notes.append(timezone.get_current_timezone_name())

    kit.start({"name": "far", "script": kit.script(lambda app: timezone.activate("Asia/Tokyo"))})
    kit.start({"name": "here", "script": kit.script(tell)})
    kit.work()
    assert kit.notes == [timezone.get_default_timezone_name()]


# -- in items and branches, which begin without a checkpoint -----------------------------------------------------------


AGAIN = {"attempts": 2, "delay_seconds": 0}


def busy_once(kit: Any, *keys: str, effect: str = "idempotent") -> tuple[str, list[object]]:
    """Return a script that fails once for what its data hold under `keys`, and the list of what it has seen there."""
    seen: list[object] = []

    def work(app: Application) -> None:
        seen.append([app.data.get(key) for key in keys])
        app.data["half"] = True
        if seen.count(seen[-1]) == 1:
            raise ProcessError("not yet", code="busy")

    return kit.script(work, effect=effect), seen


@pytest.mark.parametrize("effect", ["idempotent", "pure", "transactional"])
def test_an_item_is_tried_again_with_what_it_has_begun_with(kit: Any, effect: str) -> None:
    script, seen = busy_once(kit, "item", "index", "more", effect=effect)
    run_id = kit.start(
        {"name": "each", "script": "for_each", "next": False,
         "config": {"items": [7, 8], "action": "work", "batch": 2, "input": ["more"]}},
        {"name": "work", "script": script, "retry": AGAIN, "next": False},
        data={"more": "m"},
    )  # fmt: skip
    kit.work()
    assert seen == [[7, 0, "m"]] * 2 + [[8, 1, "m"]] * 2
    assert kit.run(run_id).status == "completed"


def test_a_branch_is_tried_again_with_what_it_has_begun_with(kit: Any) -> None:
    script, seen = busy_once(kit, "more")
    kit.start(
        {"name": "split", "script": "run_parallel", "config": {"branches": {"a": "work"}}, "next": False},
        {"name": "work", "script": script, "retry": AGAIN, "next": False},
        data={"more": "m"},
    )
    kit.work()
    assert seen == [["m"], ["m"]]


def test_what_actions_without_an_effect_have_come_to_is_there_for_each_try(kit: Any) -> None:
    script, seen = busy_once(kit, "x", effect="pure")
    kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1, 2], "action": "first", "batch": 2},
         "next": False},
        {"name": "first", "script": kit.script(lambda app: app.data.update(x=10 * app.data["item"]), effect="pure")},
        {"name": "work", "script": script, "retry": AGAIN, "next": False},
    )  # fmt: skip
    kit.work()
    assert seen == [[10], [10], [20], [20]]


def test_an_item_whose_sub_process_fails_calls_it_again_with_its_data(kit: Any) -> None:
    script, seen = busy_once(kit, "item", effect="pure")
    template = kit.template(
        {"name": "each", "script": "for_each", "config": {"items": [7], "action": "call"}, "next": False},
        {"name": "call", "script": "sub", "retry": AGAIN, "next": False},
        bindings={"sub": {"process": [{"name": "work", "script": script}]}},
    )
    kit.start(template=template)
    kit.work()
    assert seen == [[7], [7]]


def test_an_item_that_takes_too_long_fails_with_its_data(kit: Any) -> None:
    def look(app: Application) -> None:
        seen.append((app.data.get("item"), app.data.get("half")))

    def sleep(app: Application) -> None:
        app.data["half"] = True
        time.sleep(LONG)

    seen: list[object] = []
    part = [
        {"name": "sleep", "script": kit.script(sleep), "timeout_seconds": 0.2},
        {"name": "@error", "script": kit.script(look)},
    ]
    template = kit.template(
        {"name": "each", "script": "for_each", "config": {"items": [7], "process": "${part}"}, "next": False},
        bindings={"part": {"process": part}},
    )
    kit.start(template=template)
    kit.work()
    assert seen == [(7, None)]


def test_an_action_of_an_item_does_not_inherit_the_time_of_one_before_it_that_has_no_effect(
    kit: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(advance, "WRITTEN_EVERY_SECONDS", LONG)

    def slow(app: Application) -> None:
        time.sleep(0.4)

    run_id = kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1], "action": "slow"}, "next": False},
        {"name": "slow", "script": kit.script(slow, effect="pure"), "timeout_seconds": 30},
        {"name": "quick", "script": kit.script(lambda app: None, effect="pure"), "timeout_seconds": 0.3, "next": False},
    )
    kit.work()
    assert kit.run(run_id).status == "completed"


@pytest.mark.parametrize(("policy", "stored"), [({}, 0), ({"retry": AGAIN}, 1), ({"timeout_seconds": 30}, 1)])
def test_an_item_is_stored_before_its_first_action_only_where_that_may_have_to_go_back_to_it(
    kit: Any, policy: dict[str, Any], stored: int
) -> None:
    def look(app: Application) -> None:
        seen.append(Checkpoint.objects.filter(run_id=app.get("run_id")).count())

    seen: list[int] = []
    kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1], "action": "look"}, "next": False},
        {"name": "look", "script": kit.script(look), "next": False, **policy},
    )
    kit.work()
    assert seen == [stored]
