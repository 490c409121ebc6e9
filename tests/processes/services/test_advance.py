"""A background run is carried on action by action, and what has a checkpoint is never done again."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.directives import Park, RunAgain
from processes.domain.interpreter import Interpreter
from processes.errors import PermanentError
from processes.models import InboxItem, RunValue, StoredFile
from processes.services.access import Caller
from processes.services.background import continue_in_background
from processes.services.data_nodes import create_data_node, load_data_node
from processes.services.derivation import load_plan
from processes.services.host import DjangoHost
from processes.services.inbox import resume_run
from processes.services.indicators import find_open_indicator, new_indicator, owner_of
from tasks import output, step, subtask
from tasks.domain.tree import Tree
from tasks.models import Job, Node, TaskRoot
from tasks.services.cancelling import cancel
from tasks.services.claims import claim
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.work import carry_out, work_off


def fold(run_id: uuid.UUID) -> Tree:
    tree = Tree()
    for _, body in read_updates(run_id, after=0, limit=10_000):
        tree.apply(json.loads(body))
    return tree


def shape(run_id: uuid.UUID) -> list[tuple[str, str]]:
    assert fold(run_id).snapshot()["task"] == read_snapshot(run_id).to_json()["task"]
    return [(node.title, node.status) for node in read_snapshot(run_id).tree.children]


def test_a_run_works_off_its_actions_in_order(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(
        {"name": "read_rows", "script": kit.note("read")},
        {"name": "check", "script": kit.note("check", "bad"), "next": {"bad": "mend"}},
        {"name": "skipped", "script": kit.note("skipped")},
        {"name": "mend", "script": kit.note("mend")},
    )
    assert kit.work() == 1
    assert kit.notes == ["read", "check", "mend"]
    assert kit.data(run_id) == {"read": 1, "check": 2, "mend": 3}
    assert kit.run(run_id).status == "completed"
    assert shape(run_id) == [("Read rows", "completed"), ("Check", "completed"), ("Mend", "completed")]
    assert fold(run_id).snapshot()["status"] == "completed"


def test_run_job_and_tree_share_one_id(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    assert Job.objects.get().pk == TaskRoot.objects.get().pk == kit.run(run_id).pk == run_id


def test_what_follows_sees_the_data_of_earlier_actions_after_a_restart_in_between(kit) -> None:  # type: ignore[no-untyped-def]
    def first(app: Application) -> None:
        app.data["rows"] = {"accepted": 3}
        app.set("mark", [1, 2])

    seen = []

    def second(app: Application) -> None:
        seen.append((app.data["rows"], app.get("mark"), app.get("run_id")))

    def die(app: Application) -> None:
        if not seen:
            raise KeyboardInterrupt

    run_id = kit.start(
        {"name": "first", "script": kit.script(first)},
        {"name": "die", "script": kit.script(die)},
        {"name": "second", "script": kit.script(second)},
    )
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    seen.append("again")
    take_over()
    assert seen[1] == ({"accepted": 3}, [1, 2], str(run_id))


def take_over() -> None:
    """Let the lease of the dead worker run out, and work off what is due."""
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert release_expired() == 1
    while work_off("default"):
        pass


def test_a_worker_that_dies_in_an_action_repeats_that_action_only(kit) -> None:  # type: ignore[no-untyped-def]
    deaths = [KeyboardInterrupt]

    def fragile(app: Application) -> None:
        kit.notes.append("fragile")
        with subtask("Part"):
            step()
            if deaths:
                raise deaths.pop()

    run_id = kit.start(
        {"name": "before", "script": kit.note("before")},
        {"name": "fragile", "script": kit.script(fragile)},
        {"name": "after", "script": kit.note("after")},
    )
    held = claim(queue="default", worker="dies")
    assert held is not None
    with pytest.raises(KeyboardInterrupt):
        carry_out(held)
    take_over()

    assert kit.notes == ["before", "fragile", "fragile", "after"]
    assert kit.run(run_id).status == "completed"
    assert shape(run_id) == [("Before", "completed"), ("Fragile", "completed"), ("After", "completed")]
    assert Job.objects.get().attempt == 1


def test_an_interrupted_action_keeps_its_node_and_closes_what_it_had_begun(kit) -> None:  # type: ignore[no-untyped-def]
    deaths = [KeyboardInterrupt]

    def fragile(app: Application) -> None:
        with subtask("Part") as node:
            step(5)
            if deaths:
                node.node.recorder.flush()  # type: ignore[attr-defined]  # as the flusher would, out of band
                raise deaths.pop()

    run_id = kit.start({"name": "fragile", "script": kit.script(fragile)})
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    assert [(node.title, node.status) for node in Node.objects.order_by("ordinal")] == [
        ("Fragile", "running"),
        ("Part", "running"),
    ]
    take_over()
    assert shape(run_id) == [("Fragile", "completed")]
    parts = read_snapshot(run_id).tree.children[0].children
    assert [(node.title, node.status) for node in parts] == [("Part", "cancelled"), ("Part", "completed")]


def test_what_a_dead_worker_has_begun_is_over_for_readers_while_the_action_runs_again(kit) -> None:  # type: ignore[no-untyped-def]
    deaths = [KeyboardInterrupt, KeyboardInterrupt]
    seen: list[list[str]] = []

    def fragile(app: Application) -> None:
        with subtask("Part"), subtask("Smaller part") as inner:
            inner.node.recorder.flush()  # type: ignore[attr-defined]  # as the flusher would, out of band
            parts = read_snapshot(run_id).tree.children[0].children
            seen.append([part.status.value for whole in parts for part in (whole, *whole.children)])
            if deaths:
                raise deaths.pop()

    run_id = kit.start({"name": "fragile", "script": kit.script(fragile)})
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            work_off("default")
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        release_expired()
    kit.work()
    dead = ["cancelled", "cancelled"]
    assert seen == [["running"] * 2, [*dead, "running", "running"], [*dead, *dead, "running", "running"]]
    tree = fold(run_id)
    assert tree.snapshot() == read_snapshot(run_id).to_json()
    assert shape(run_id) == [("Fragile", "completed")]


def test_a_script_that_fails_ends_the_run_with_its_error(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(app: Application) -> None:
        raise ValueError("row 7 is broken")

    run_id = kit.start({"name": "fail", "script": kit.script(fail)}, {"name": "after", "script": kit.note("after")})
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["action"]) == ("failed", "fail")
    assert "row 7 is broken" in run.error["message"]
    assert kit.notes == []
    assert shape(run_id) == [("Fail", "failed")]
    assert TaskRoot.objects.get(pk=run_id).status == "failed"


def test_an_exception_that_a_script_let_through_is_not_told_to_those_who_follow(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(app: Application) -> None:
        raise ValueError("postgres://admin:hunter2@db")

    run_id = kit.start({"name": "read_rows", "script": kit.script(fail)})
    kit.work()
    assert "hunter2" in kit.run(run_id).error["message"]  # staff find it there
    told = "".join(body for _, body in read_updates(run_id, after=0))
    assert "hunter2" not in told
    assert "“Read rows” failed unexpectedly" in told
    assert "hunter2" not in json.dumps(read_snapshot(run_id).to_json())


def test_what_a_script_says_on_purpose_is_told(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(app: Application) -> None:
        raise PermanentError("Row 7 has no name. Mend it and upload the file again.")

    run_id = kit.start({"name": "fail", "script": kit.script(fail)})
    kit.work()
    assert TaskRoot.objects.get(pk=run_id).error == "Row 7 has no name. Mend it and upload the file again."


def test_private_keys_of_data_are_stored_and_not_told(kit) -> None:  # type: ignore[no-untyped-def]
    def score(app: Application) -> None:
        app.data.update(_score="internal", grade="B")

    run_id = kit.start({"name": "score", "script": kit.script(score)})
    kit.work()
    assert kit.data(run_id) == {"_score": "internal", "grade": "B"}
    told = "".join(body for _, body in read_updates(run_id, after=0))
    assert "internal" not in told
    assert '"grade":"B"' in told


def test_an_error_goes_through_the_error_action(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(app: Application) -> None:
        raise ValueError("broken")

    run_id = kit.start(
        {"name": "fail", "script": kit.script(fail)},
        {"name": "@error", "script": kit.note("cleaned up")},
    )
    kit.work()
    assert kit.notes == ["cleaned up"]
    assert kit.run(run_id).status == "failed"
    assert shape(run_id) == [("Fail", "failed"), ("Error", "completed")]


def test_data_that_is_not_json_fails_the_action_and_names_the_key(kit) -> None:  # type: ignore[no-untyped-def]
    def spoil(app: Application) -> None:
        app.data["good"] = 1
        app.data["when"] = {"at": timezone.now()}

    run_id = kit.start(
        {"name": "spoil", "script": kit.script(spoil)},
        {"name": "after", "script": kit.note("after")},
        {"name": "@error", "script": kit.note("cleaned up")},
    )
    kit.work()
    run = kit.run(run_id)
    assert run.status == "failed"
    assert "data.when" in run.error["message"]
    assert run.error["action"] == "spoil"
    assert kit.notes == ["cleaned up"]
    assert kit.data(run_id)["good"] == 1


def test_a_checkpoint_writes_only_the_keys_that_changed(kit) -> None:  # type: ignore[no-untyped-def]
    def first(app: Application) -> None:
        app.data.update(big="x" * 1000, small=1)

    def second(app: Application) -> None:
        app.data["small"] = 2
        del app.data["big"]

    run_id = kit.start({"name": "first", "script": kit.script(first)}, {"name": "second", "script": kit.script(second)})
    kit.work()
    rows = RunValue.objects.filter(run_id=run_id).order_by("ordinal", "key").values_list("ordinal", "key", "value")
    assert [(ordinal, key, value and len(value)) for ordinal, key, value in rows] == [
        (1, "big", 1002),
        (1, "small", 1),
        (2, "big", None),
        (2, "small", 1),
    ]
    assert kit.data(run_id) == {"small": 2}


def test_a_transactional_script_writes_with_its_checkpoint_or_not_at_all(kit) -> None:  # type: ignore[no-untyped-def]
    deaths = [KeyboardInterrupt]

    def book(app: Application) -> None:
        StoredFile.objects.create(name="booked", size=1, content_type="text/plain")
        if deaths:
            raise deaths.pop()

    kit.start({"name": "book", "script": kit.script(book, effect="transactional")})
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    assert not StoredFile.objects.exists()
    take_over()
    assert StoredFile.objects.count() == 1


def test_a_transactional_script_that_fails_leaves_no_writes(kit) -> None:  # type: ignore[no-untyped-def]
    def book(app: Application) -> None:
        StoredFile.objects.create(name="booked", size=1, content_type="text/plain")
        raise ValueError("no credit")

    run_id = kit.start(
        {"name": "book", "script": kit.script(book, effect="transactional")},
        {"name": "@error", "script": kit.note("told")},
    )
    kit.work()
    assert not StoredFile.objects.exists()
    assert kit.notes == ["told"]
    assert kit.run(run_id).status == "failed"


def test_a_once_action_does_not_run_twice(kit) -> None:  # type: ignore[no-untyped-def]
    calls = []

    def charge(app: Application) -> None:
        calls.append(app.idempotency_key)
        raise KeyboardInterrupt

    run_id = kit.start({"name": "charge", "script": kit.script(charge, effect="once")})
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    take_over()
    assert calls == [f"{run_id}:1"]
    run = kit.run(run_id)
    assert (run.status, run.error["code"]) == ("failed", "outcome_unknown")


def test_a_run_that_is_cancelled_stops_in_the_action_that_looks(kit) -> None:  # type: ignore[no-untyped-def]
    def ask(app: Application) -> None:
        cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
        assert kit.hold(app).wait(10)  # until the heartbeat has heard of it

    def look(app: Application) -> None:
        kit.notes.append("looked")

    run_id = kit.start(
        {"name": "before", "script": kit.note("before")},
        {"name": "ask", "script": kit.script(ask)},
        {"name": "look", "script": kit.script(look)},
    )
    kit.work()
    assert kit.notes == ["before"]
    assert kit.run(run_id).status == "cancelled"
    assert shape(run_id) == [("Before", "completed"), ("Ask", "completed")]
    assert TaskRoot.objects.get(pk=run_id).status == "cancelled"


def test_a_long_action_stops_where_it_checks(kit) -> None:  # type: ignore[no-untyped-def]
    def loop(app: Application) -> None:
        cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
        assert kit.hold(app).wait(10)
        with subtask("Rows"):
            app.check_cancelled()
        kit.notes.append("not reached")

    run_id = kit.start({"name": "loop", "script": kit.script(loop)}, {"name": "@error", "script": kit.note("error")})
    kit.work()
    assert kit.notes == []
    assert kit.run(run_id).status == "cancelled"
    assert shape(run_id) == [("Loop", "cancelled")]
    assert [node.status for node in read_snapshot(run_id).tree.children[0].children] == ["cancelled"]


def test_a_run_that_nobody_holds_is_cancelled_at_once(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    cancel(root_id=run_id, reason="never mind")
    assert kit.work() == 0
    assert kit.run(run_id).status == "cancelled"


def test_a_parked_run_holds_no_worker_and_goes_on_when_it_is_resumed(kit) -> None:  # type: ignore[no-untyped-def]
    def park(app: Application) -> Park:
        kit.notes.append("parked")
        return Park(reason="human", facts={"form": "approve"})

    run_id = kit.start(
        {"name": "park", "script": kit.script(park, durable=True), "next": {"yes": "approved", "*": False}},
        {"name": "approved", "script": kit.note("approved")},
    )
    kit.work()
    assert kit.run(run_id).status == "waiting"
    assert Job.objects.get().status == "waiting"
    assert shape(run_id) == [("Park", "waiting")]

    assert resume_run(run_id=run_id, ordinal=1, state="yes", dedupe_key="click")
    assert not resume_run(run_id=run_id, ordinal=1, state="no", dedupe_key="click")
    kit.work()
    assert kit.notes == ["parked", "approved"]
    assert kit.run(run_id).status == "completed"
    assert shape(run_id) == [("Park", "completed"), ("Approved", "completed")]


def test_a_message_that_comes_while_the_run_is_about_to_park_is_not_missed(kit) -> None:  # type: ignore[no-untyped-def]
    def park(app: Application) -> Park:
        resume_run(run_id=uuid.UUID(app.get("run_id")), ordinal=1, state="early", dedupe_key="early")
        return Park(reason="human")

    run_id = kit.start(
        {"name": "park", "script": kit.script(park, durable=True), "next": {"early": True, "*": False}},
        {"name": "after", "script": kit.note("after")},
    )
    assert kit.work() == 2
    assert kit.run(run_id).status == "completed"
    assert kit.notes == ["after"]
    assert InboxItem.objects.filter(taken_at__isnull=True).count() == 0


def test_a_report_to_an_action_that_no_longer_waits_changes_nothing(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "park", "script": kit.script(lambda app: Park(reason="x"), durable=True)})
    kit.work()
    resume_run(run_id=run_id, ordinal=99, state=None, dedupe_key="late")
    kit.work()
    assert kit.run(run_id).status == "waiting"


def test_a_sub_process_resumes_inside_after_a_restart(kit) -> None:  # type: ignore[no-untyped-def]
    deaths = [KeyboardInterrupt]

    def fragile(app: Application) -> None:
        kit.notes.append("inner")
        if deaths:
            raise deaths.pop()
        app.state = "fine"

    inner = kit.template(
        {"name": "first", "script": kit.note("first")}, {"name": "fragile", "script": kit.script(fragile)}
    )
    outer = kit.template(
        {"name": "call", "script": "sub", "next": {"fine": True, "*": False}},
        {"name": "after", "script": kit.note("after")},
        bindings={"sub": {"process": inner.slug}},
    )
    run_id = kit.start(template=outer)
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    take_over()
    assert kit.notes == ["first", "inner", "inner", "after"]
    assert shape(run_id) == [("Call", "completed"), ("After", "completed")]
    inside = read_snapshot(run_id).tree.children[0].children
    assert [(node.title, node.status) for node in inside] == [("First", "completed"), ("Fragile", "completed")]


def test_progress_reaches_the_log_while_an_action_runs(kit) -> None:  # type: ignore[no-untyped-def]
    seen = []

    def work(app: Application) -> None:
        with subtask("Rows", total=10) as node:
            for _ in range(10):
                step()
            output("ten rows")
            node.node.recorder.flush()  # type: ignore[attr-defined]
            rows = read_snapshot(uuid.UUID(app.get("run_id"))).tree.children[0].children[0]
            seen.append((rows.status, rows.current, rows.total, rows.output))

    kit.start({"name": "work", "script": kit.script(work)})
    kit.work()
    assert seen == [("running", 10, 10, "ten rows\n")]


def test_a_long_claim_yields_at_a_boundary_and_consumes_no_attempt(kit, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("tasks.services.context.CLAIM_SECONDS", 0.0)
    run_id = kit.start(*({"name": f"n{number}", "script": kit.note(str(number))} for number in range(3)))
    assert kit.work() == 3  # one action each, however short the time of a claim
    assert kit.notes == ["0", "1", "2"]
    assert kit.run(run_id).status == "completed"
    assert Job.objects.get().attempt == 1


def test_what_a_script_changes_inside_a_value_is_stored_in_the_first_action_of_a_claim_too(
    kit, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("tasks.services.context.CLAIM_SECONDS", 0.0)
    seen: list[object] = []

    def first(app: Application) -> None:
        app.set("marks", [{"n": 1}])
        app.request.parameters["asked"] = {"by": "first"}
        app.response.json = {"lines": ["first"]}

    def inside(app: Application) -> None:
        app.get("marks")[0]["n"] = 1.5
        app.get("marks").append(True)
        app.request.parameters["asked"]["by"] = "inside"
        app.response.json["lines"].append("inside")

    def alike(app: Application) -> None:
        # Python takes True for equal to 1.
        app.get("marks")[1] = 1

    def look(app: Application) -> None:
        seen.append((app.get("marks"), app.request.parameters["asked"], app.response.json))

    actions = {"first": first, "inside": inside, "look": look, "alike": alike, "look-again": look}
    run_id = kit.start(*({"name": name, "script": kit.script(script)} for name, script in actions.items()))
    kit.work()
    found = ({"by": "inside"}, {"lines": ["first", "inside"]})
    assert repr(seen) == repr([([{"n": 1.5}, True], *found), ([{"n": 1.5}, 1], *found)])
    assert repr(kit.run(run_id).attributes["marks"]) == repr([{"n": 1.5}, 1])


def test_a_run_writes_a_constant_number_of_queries_per_action(kit, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    name = kit.script(lambda app: None)

    def queries(actions: int) -> int:
        kit.start(*({"name": f"n{number}", "script": name} for number in range(actions)))
        with django_assert_max_num_queries(10_000) as captured:
            kit.work()
        return len(captured)

    few, many = queries(2), queries(12)
    assert (many - few) / 10 <= 8


def test_an_action_that_asks_to_run_again_later_is_not_claimed_before(kit) -> None:  # type: ignore[no-untyped-def]
    later = timezone.now() + timedelta(hours=1)
    answers: list[object] = [RunAgain(reason="slot", until=later), None]

    def ask(app: Application) -> object:
        kit.notes.append("asked")
        return answers.pop(0)

    run_id = kit.start({"name": "ask", "script": kit.script(ask)}, {"name": "after", "script": kit.note("after")})
    assert kit.work() == 1
    assert kit.notes == ["asked"]
    job = Job.objects.get()
    assert (job.status, job.due_at) == ("pending", later)
    assert shape(run_id) == [("Ask", "waiting")]
    Job.objects.update(due_at=timezone.now())
    kit.work()
    assert kit.notes == ["asked", "asked", "after"]
    assert shape(run_id) == [("Ask", "completed"), ("After", "completed")]


def test_an_async_script_runs_like_any_other(kit) -> None:  # type: ignore[no-untyped-def]
    async def fetch(app: Application) -> None:
        app.data["fetched"] = True

    run_id = kit.start({"name": "fetch", "script": kit.script(fetch)})
    kit.work()
    assert kit.data(run_id) == {"fetched": True}


def test_an_action_that_waits_may_have_changed_what_the_one_before_it_changed(kit) -> None:  # type: ignore[no-untyped-def]
    def park(app: Application) -> Park:
        app.data["first"] = "changed"
        return Park(reason="human")

    run_id = kit.start(
        {"name": "first", "script": kit.note("first")}, {"name": "park", "script": kit.script(park, durable=True)}
    )
    kit.work()
    assert kit.run(run_id).status == "waiting"
    assert kit.data(run_id) == {"first": "changed"}


@pytest.mark.parametrize("effect", ["idempotent", "transactional", "once"])
def test_an_action_may_ask_to_run_again_as_often_as_it_likes(kit, effect: str) -> None:  # type: ignore[no-untyped-def]
    def ask(app: Application) -> object:
        app.data["tries"] = app.data.get("tries", 0) + 1
        return RunAgain(reason="slot", until=timezone.now()) if app.data["tries"] < 4 else None

    run_id = kit.start({"name": "ask", "script": kit.script(ask, effect=effect)})
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert kit.data(run_id) == {"tries": 4}


def test_a_cancellation_while_an_action_is_about_to_wait_is_not_missed(kit) -> None:  # type: ignore[no-untyped-def]
    def park(app: Application) -> Park:
        cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
        return Park(reason="human")

    run_id = kit.start({"name": "park", "script": kit.script(park, durable=True)})
    kit.work()
    assert kit.run(run_id).status == Job.objects.get().status == "cancelled"
    assert shape(run_id) == [("Park", "cancelled")]


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("text", ["bad\0cell", "bad\ud800cell"])
@pytest.mark.parametrize("handled", [False, True])
def test_an_error_that_quotes_what_no_database_stores_ends_the_run(kit, text: str, handled: bool) -> None:  # type: ignore[no-untyped-def]
    def fail(app: Application) -> None:
        raise ValueError(text)

    handler = [{"name": "@error", "script": kit.note("told")}] if handled else []
    run_id = kit.start({"name": "fail", "script": kit.script(fail)}, *handler)
    kit.work()
    run = kit.run(run_id)
    assert run.status == Job.objects.get().status == "failed"
    assert "bad\ufffdcell" in run.error["message"]
    assert kit.notes == (["told"] if handled else [])


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("text", ["bad\0cell", "bad\ud800cell"])
def test_data_that_no_database_stores_fails_the_action_and_names_the_key(kit, text: str) -> None:  # type: ignore[no-untyped-def]
    def spoil(app: Application) -> None:
        app.data["cells"] = ["good", text]

    run_id = kit.start({"name": "spoil", "script": kit.script(spoil)})
    kit.work()
    run = kit.run(run_id)
    assert run.status == "failed"
    assert "data.cells/1" in run.error["message"]


def test_a_checkpoint_that_fails_declares_nothing_and_its_action_runs_again(kit) -> None:  # type: ignore[no-untyped-def]
    refusals = [DatabaseError("the disk is full")]

    def refuse(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if refusals and f"INSERT INTO {RunValue._meta.db_table}" in sql:
            raise refusals.pop()
        return execute(sql, params, many, context)

    def work(app: Application) -> None:
        output("working")
        app.data["done"] = True

    run_id = kit.start({"name": "work", "script": kit.script(work)}, {"name": "after", "script": kit.note("after")})
    with connection.execute_wrapper(refuse):
        # One claim: on a busy machine the second attempt may be due before another look at the queue.
        work_off("default")
    assert Job.objects.get().status == "retry"
    assert shape(run_id) == [("Work", "running")]
    Job.objects.update(due_at=timezone.now())
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert shape(run_id) == [("Work", "completed"), ("After", "completed")]


def test_a_run_that_is_set_aside_has_ended_at_a_time(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    cancel(root_id=run_id, reason="never mind")
    assert kit.run(run_id).finished_at is not None


def test_of_two_requests_that_start_the_same_work_together_one_learns_of_the_conflict(
    kit,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets only one transaction begin at a time")
    template = kit.template({"name": "one", "script": kit.note("one")})
    plan = load_plan(template.published_plan_id)
    caller = Caller(session_key="s", template_id=template.pk, slug=template.slug)
    indicator = new_indicator(title="Import", owner=owner_of(caller), steps=[])
    reference = create_data_node(caller=caller, data={"progress": str(indicator)}).reference
    together = threading.Barrier(2)

    def find_together(app: Application, *, caller: Caller) -> TaskRoot | None:
        found = find_open_indicator(app, caller=caller)
        together.wait(10)
        return found

    monkeypatch.setattr("processes.services.background.find_open_indicator", find_together)
    answers: list[str] = []

    def start() -> None:
        try:
            node = load_data_node(caller=caller, reference=reference)
            app = Application(data=dict(node.data))
            interpreter = Interpreter.start(plan, app=app, host=DjangoHost(caller=caller, plan=plan))
            continue_in_background(app=app, interpreter=interpreter, template=template, caller=caller, node=node)
            answers.append("started")
        except Exception as error:  # noqa: BLE001 - which one it is, is the question
            answers.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["ConflictError", "started"]
    assert Job.objects.count() == 1
