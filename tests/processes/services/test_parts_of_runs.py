"""Runs and their parts: whoever spreads work, and what is spread, agree on what is done, whatever becomes of either."""

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.data_edit import DataEdit
from processes.domain.directives import Park
from processes.errors import PermanentError, ProcessError
from processes.models import Callback, FanOut, FanOutItem, Run, StoredFile
from processes.services import fan_out as spreading
from processes.services import hearing_run
from processes.services.callback_tokens import token_of
from processes.services.callbacks import report
from processes.services.controlling import Known, preview_retry, retry_run, rewind_run
from processes.services.errors import NotControllableError, NotRepeatableError
from processes.services.files import store_file
from processes.services.host import caller_of
from processes.services.inbox import resume_run
from processes.services.operators import edit_run
from processes.services.repeating import repeat_run
from processes.services.saving import run_as_test
from tasks.errors import IllegalTransition
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel
from tasks.services.claims import claim
from tasks.services.dispatch import purge_finished
from tasks.services.jobs import wake_due
from tasks.services.losses import release_expired
from tasks.services.replaying import replay
from tasks.services.work import carry_out
from tests.processes.scripts.test_wait_script import make_due


def waits(app: Application) -> Park:
    return Park(reason="human")


def breaks(app: Application) -> None:
    raise PermanentError("no room", code="full")


def each(kit: Any, script: str, *, items: list[Any], **action: Any) -> list[dict[str, Any]]:
    """Write a process with a loop whose items run `script`; `action` is what else the loop says, config included."""
    config = {"items": items, "action": "item", **action.pop("config", {})}
    return [
        {"name": "each", "script": "for_each", "config": config, **action},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "item", "script": script, "next": False},
    ]


def children(of: uuid.UUID) -> list[Run]:
    return list(Run.objects.filter(fan_out__run_id=of).order_by("first_index", "created_at"))


def statuses(of: uuid.UUID) -> list[str]:
    return [child.status for child in children(of)]


def by_name(of: uuid.UUID) -> dict[str, str]:
    return {child.root.title: child.status for child in children(of)}


# -- who ends takes along what nobody waits for any more ---------------------------------------------------------------


@pytest.mark.parametrize("wait", [True, False])
def test_a_run_that_is_cancelled_starts_no_more_parts(kit: Any, wait: bool) -> None:
    config = {"concurrency": 2, "wait": wait, "failures": "tolerate"}
    actions = each(kit, kit.script(waits, durable=True), items=list(range(9)), config=config)
    actions[1] = {"name": "after", "script": kit.script(waits, durable=True), "next": False}
    run_id = kit.start(*actions)
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert (kit.run(run_id).status, statuses(run_id)) == ("cancelled", ["cancelled", "cancelled"])


def test_a_run_that_is_cancelled_and_undoes_starts_no_more_parts(kit: Any) -> None:
    config = {"concurrency": 2, "failures": "tolerate"}
    actions = each(kit, kit.script(waits, durable=True), items=list(range(9)), config=config)
    book = {"name": "book", "script": kit.note("book"), "compensate": "unbook"}
    run_id = kit.start(book, *actions, {"name": "unbook", "script": kit.note("unbook"), "next": False})
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("compensated", ["book", "unbook"])
    assert statuses(run_id) == ["cancelled", "cancelled"]


def test_parts_that_undo_are_not_cancelled_by_who_asks_once_more(kit: Any) -> None:
    run_id = kit.start(
        {"name": "book", "script": kit.note("book"), "compensate": "unbook"},
        {"name": "wait", "script": kit.script(waits, durable=True)},
        {"name": "unbook", "script": "for_each", "config": {"items": [1, 2], "action": "item"}, "next": False},
        {"name": "item", "script": kit.script(waits, durable=True), "next": False},
    )
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert statuses(run_id) == ["waiting", "waiting"]
    assert cancel(root_id=run_id, reason="really") == "cancel_requested"
    kit.work()
    for child in children(run_id):
        resume_run(run_id=child.pk, ordinal=child.ordinal, state=None, dedupe_key="go")
    kit.work()
    assert (kit.run(run_id).status, statuses(run_id)) == ("compensated", ["completed", "completed"])


def test_a_run_that_is_given_up_as_lost_takes_its_parts_along(kit: Any) -> None:
    run_id = kit.start(*each(kit, kit.script(waits, durable=True), items=[1, 2, 3], config={"concurrency": 2}))
    kit.work()
    Job.objects.filter(pk=run_id).update(status="pending", wake_at=None, losses=99, attempt=99)
    held = claim(queue="default", worker="w")
    assert held is not None
    assert held.root_id == run_id
    Job.objects.filter(pk=run_id).update(lease_until=timezone.now() - timedelta(minutes=1))
    release_expired()
    kit.work()
    assert kit.run(run_id).status == "failed"
    assert statuses(run_id) == ["cancelled", "cancelled"]


def test_parts_are_given_up_as_soon_as_an_error_has_ended_the_step_that_waits_for_them(kit: Any) -> None:
    seen: list[list[str]] = []
    kit.start(
        {"name": "anchor", "script": "callback", "next": {"prepare": "each", "progress": "break", "*": False}},
        *each(kit, kit.script(waits, durable=True), items=[1, 2]),
        {"name": "break", "script": kit.script(breaks), "next": False},
        {"name": "@error", "script": "reset_error", "next": "look"},
        {"name": "look", "script": kit.script(lambda app: seen.append(statuses(uuid.UUID(app.get("run_id"))))),
         "next": False},
    )  # fmt: skip
    kit.work()
    report(token_of(str(Callback.objects.get().pk)), "progress")
    kit.work()
    assert seen == [["cancelled", "cancelled"]]


def test_a_worker_that_was_taken_over_gives_nothing_up(kit: Any) -> None:
    actions = each(kit, kit.script(waits, durable=True), items=[1, 2], timeout_seconds=3600)
    run_id = kit.start(*actions)
    kit.work()
    make_due(run_id)
    wake_due()
    slow = claim(queue="default", worker="slow")
    assert slow is not None
    Job.objects.filter(pk=run_id).update(lease_until=timezone.now() - timedelta(minutes=1))
    release_expired()
    cursor = kit.run(run_id).checkpoints.order_by("ordinal").last()
    cursor.cursor["frames"][0]["deadline"] = timezone.now().isoformat()
    cursor.save(update_fields=["cursor"])
    carry_out(slow)
    assert FanOut.objects.get().standing == ""
    assert statuses(run_id) == ["waiting", "waiting"]


def test_a_part_whose_parent_has_ended_unnoticed_is_the_last_one(kit: Any) -> None:
    run_id = kit.start(*each(kit, kit.note("item"), items=[1, 2, 3], config={"concurrency": 1}))
    held = claim(queue="default", worker="w")
    assert held is not None
    carry_out(held)
    # Whoever ended the parent has passed the fan-out over, which a child's end had locked, and has died then.
    Job.objects.filter(pk=run_id).update(status="failed", wake_at=None)
    kit.work()
    assert kit.notes == ["item"]
    assert FanOut.objects.get().standing == "failed"


def booking_batch(kit: Any, *, hit: str, unbook: str) -> uuid.UUID:
    """Leave a run whose only part books and hits each of three items, and waits or undoes at the second one."""
    run_id: uuid.UUID = kit.start(
        {"name": "each", "script": "for_each", "next": False,
         "config": {"items": [1, 2, 3], "action": "book", "batch": 3, "failures": "tolerate"}},
        {"name": "book", "script": kit.note("book"), "compensate": "unbook"},
        {"name": "hit", "script": hit, "next": False},
        {"name": "unbook", "script": unbook, "next": False},
    )  # fmt: skip
    kit.work()
    return run_id


def second_waits(kit: Any) -> str:
    script = kit.script(lambda app: Park(reason="human") if app.data["item"] == 2 else None, durable=True)
    return str(script)


def outcomes_of(run_id: uuid.UUID) -> list[tuple[str, str]]:
    rows = FanOutItem.objects.filter(fan_out__run_id=run_id).order_by("index").values_list("status", "result")
    return [(status, result.get("error", {}).get("code", "")) for status, result in rows]


def test_a_part_that_is_cancelled_undoes_the_item_it_is_at_and_begins_no_other(kit: Any) -> None:
    run_id = booking_batch(kit, hit=second_waits(kit), unbook=kit.note("unbook"))
    cancel(root_id=children(run_id)[0].pk, reason="enough")
    kit.work()
    assert kit.notes == ["book", "book", "unbook"]
    assert statuses(run_id) == ["compensated"]
    assert outcomes_of(run_id)[:2] == [("completed", ""), ("failed", "cancelled")]
    assert outcomes_of(run_id)[2][0] == "failed"


def test_a_part_that_is_cancelled_begins_no_other_item_where_the_undoing_fails(kit: Any) -> None:
    run_id = booking_batch(kit, hit=second_waits(kit), unbook=kit.script(breaks))
    cancel(root_id=children(run_id)[0].pk, reason="enough")
    kit.work()
    assert (kit.notes, statuses(run_id)) == (["book", "book"], ["failed"])


def test_a_part_that_is_cancelled_in_an_action_that_fails_begins_no_other_item(kit: Any) -> None:
    def hit(app: Application) -> None:
        if app.data["item"] == 2:
            cancel(root_id=uuid.UUID(app.get("run_id")), reason="enough")
            raise PermanentError("no room", code="full")

    run_id = booking_batch(kit, hit=kit.script(hit), unbook=kit.script(waits, durable=True))
    [child] = children(run_id)
    assert child.status == "compensating"
    resume_run(run_id=child.pk, ordinal=kit.run(child.pk).ordinal, state=None, dedupe_key="go")
    kit.work()
    assert (kit.notes, statuses(run_id)) == (["book", "book"], ["compensated"])
    assert outcomes_of(run_id)[1] == ("failed", "full")


def test_items_that_were_not_begun_are_not_told_to_have_failed_like_the_last_one(kit: Any) -> None:
    run_id = kit.start(*each(kit, kit.script(breaks), items=[1, 2, 3], config={"batch": 3}))
    kit.work()
    assert outcomes_of(run_id) == [("failed", "full"), ("failed", "failed"), ("failed", "failed")]


def killed_before_losers_are_cancelled(kit: Any, monkeypatch: Any) -> uuid.UUID:
    """Leave a fan-out with a winner, whose worker was killed before it came to cancel the others."""
    branches = {"slow": "slow", "quick": "quick"}
    run_id: uuid.UUID = kit.start(
        {"name": "split", "script": "run_parallel", "config": {"branches": branches, "join": "any"}},
        {"name": "after", "script": kit.script(waits, durable=True), "next": False},
        {"name": "slow", "script": kit.script(waits, durable=True), "next": False},
        {"name": "quick", "script": kit.note("quick"), "next": False},
    )
    monkeypatch.setattr(spreading, "cancel_children", lambda pk: None)
    return run_id


def test_branches_that_are_not_needed_are_cancelled_though_the_winner_s_worker_was_killed(
    kit: Any, monkeypatch: Any
) -> None:
    run_id = killed_before_losers_are_cancelled(kit, monkeypatch)
    kit.work()
    assert by_name(run_id) == {"slow": "cancelled", "quick": "completed"}


def test_a_branch_that_is_not_needed_ends_by_itself_where_nobody_has_cancelled_it(kit: Any, monkeypatch: Any) -> None:
    def work(app: Application) -> None:
        kit.notes.append("late")

    run_id = kit.start(
        {"name": "split", "script": "run_parallel",
         "config": {"branches": {"a": "quick", "late": "late"}, "join": "any"}},
        {"name": "after", "script": kit.script(waits, durable=True), "next": False},
        {"name": "quick", "script": kit.note("quick"), "next": False},
        {"name": "late", "script": kit.script(work), "next": False},
    )  # fmt: skip
    monkeypatch.setattr(spreading, "cancel_children", lambda pk: None)
    for _ in range(2):
        held = claim(queue="default", worker="w")
        assert held is not None
        carry_out(held)
    Job.objects.filter(pk=run_id).update(due_at=timezone.now() + timedelta(hours=1))
    kit.work()
    assert (kit.notes, by_name(run_id)) == (["quick"], {"a": "completed", "late": "cancelled"})


# -- taken up again ----------------------------------------------------------------------------------------------------


class Charges:
    """Be a script that charges its item once, and fails for some: before it has charged, or after."""

    def __init__(self, *, before: set[object] = frozenset(), after: set[object] = frozenset()) -> None:  # type: ignore[assignment]
        self.before, self.after = set(before), set(after)
        self.charged: list[object] = []

    def __call__(self, app: Application) -> object:
        item = app.data["item"]
        if item in self.before:
            raise PermanentError("no money", code="poor")
        self.charged.append(item)
        if item in self.after:
            raise ProcessError("lost the answer", code="lost")
        return {"paid": item}


def charging(kit: Any, charges: Charges, *, items: list[Any], **config: Any) -> uuid.UUID:
    config = {"concurrency": 1, "into": "paid", **config}
    data = {"rows": items}
    actions = each(kit, kit.script(charges, effect="once"), items=[], config={**config, "items": "%{data:rows}"})
    run_id: uuid.UUID = kit.start(*actions, data=data)
    kit.work()
    return run_id


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_loop_that_is_retried_does_not_do_again_what_its_items_have_done(
    kit: Any, operator: User, batch: int, concurrency: int
) -> None:
    charges = Charges(before={2})
    run_id = charging(kit, charges, items=[1, 2, 3, 1], batch=batch, concurrency=concurrency)
    assert kit.run(run_id).status == "failed"
    charges.before.clear()
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(new_id).status == "completed"
    assert sorted(charges.charged) == [1, 1, 2, 3]
    assert kit.data(new_id)["paid"]["results"] == [{"paid": 1}, {"paid": 2}, {"paid": 3}, {"paid": 1}]


def test_what_was_done_stays_done_through_several_retries(kit: Any, operator: User) -> None:
    charges = Charges(before={2, 3})
    run_id = charging(kit, charges, items=[1, 2, 3])
    charges.before = {3}
    second = retry_run(run_id=run_id, user=operator)
    kit.work()
    # A third one is cancelled before it has come to the loop: it has spread nothing itself.
    third = retry_run(run_id=second, user=operator)
    cancel(root_id=third, reason="wait")
    charges.before = set()
    fourth = retry_run(run_id=third, user=operator)
    kit.work()
    assert (kit.run(fourth).status, charges.charged) == ("completed", [1, 2, 3])


def test_a_mended_list_keeps_what_was_done_of_it_wherever_that_stands_now(kit: Any, operator: User) -> None:
    charges = Charges(before={0})
    run_id = charging(kit, charges, items=[5, 0, 7])
    edit = DataEdit(values={"rows": [6, 5, 7]}, seen={"rows": [5, 0, 7]})
    new_id = retry_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert charges.charged == [5, 6, 7]
    assert [paid["paid"] for paid in kit.data(new_id)["paid"]["results"]] == [6, 5, 7]


def test_an_item_whose_keys_come_in_another_order_is_known_as_the_same(kit: Any, operator: User) -> None:
    broken, charged = [True], []

    def charge(app: Application) -> None:
        if broken and app.data["item"]["n"] == 2:
            raise PermanentError("no money", code="poor")
        charged.append(app.data["item"])

    rows = [{"n": 1, "to": "a"}, {"n": 2, "to": "b"}]
    actions = each(kit, kit.script(charge, effect="once"), items=[], config={"items": "%{data:rows}", "concurrency": 1})
    run_id = kit.start(*actions, data={"rows": rows})
    kit.work()
    broken.clear()
    edit = DataEdit(values={"rows": [{"to": "a", "n": 1}, {"to": "c", "n": 2}]}, seen={"rows": rows})
    new_id = retry_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert kit.run(new_id).status == "completed"
    assert charged == [{"n": 1, "to": "a"}, {"n": 2, "to": "c"}]


class Visits:
    """Visit pages, which name others; some fail before they have named them, some after that."""

    def __init__(self, links: dict[str, list[str]], *, before: set[str], after: set[str]) -> None:
        self.links, self.before, self.after = links, before, after
        self.visited: list[str] = []

    def visit(self, app: Application) -> object:
        page = app.data["item"]
        if page in self.before:
            raise PermanentError("no answer", code="silent")
        self.visited.append(page)
        app.data["found"] = self.links.get(page, [])
        return page

    def leave(self, app: Application) -> object:
        if app.data["item"] in self.after:
            raise PermanentError("no answer", code="silent")
        return app.data["item"]


def visiting(kit: Any, visits: Visits, *, items: list[str], **config: Any) -> uuid.UUID:
    config = {"items": "%{data:pages}", "action": "visit", "concurrency": 1, "into": "out", **config}
    run_id: uuid.UUID = kit.start(
        {"name": "each", "script": "for_each", "config": config, "next": False},
        {"name": "visit", "script": kit.script(visits.visit)},
        {"name": "deeper", "script": "add_items", "config": {"items": "%{data:found}"}},
        {"name": "leave", "script": kit.script(visits.leave), "next": False},
        data={"pages": items},
    )
    kit.work()
    assert kit.run(run_id).status == "failed"
    return run_id


@pytest.mark.parametrize("batch", [1, 3])
def test_added_items_that_have_failed_begin_anew_and_those_that_are_done_are_kept(
    kit: Any, operator: User, batch: int
) -> None:
    visits = Visits({"/": ["/a", "/b", "/c"], "/b": ["/d"]}, before={"/b"}, after=set())
    run_id = visiting(kit, visits, items=["/"], batch=batch, collect=["found"])
    assert visits.visited == ["/", "/a"]
    visits.before.clear()
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(new_id).status, visits.visited) == ("completed", ["/", "/a", "/b", "/c", "/d"])
    out = kit.data(new_id)["out"]
    assert (out["total"], out["completed"], out["failed"]) == (5, 5, 0)
    assert [result["found"] for result in out["results"]] == [["/a", "/b", "/c"], [], ["/d"], [], []]


def test_added_items_are_kept_through_several_retries(kit: Any, operator: User) -> None:
    visits = Visits({"/": ["/a", "/b", "/c"], "/b": ["/d"]}, before={"/b", "/d"}, after=set())
    run_id = visiting(kit, visits, items=["/"])
    visits.before.remove("/b")
    second = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(second).status == "failed"
    visits.before.clear()
    third = retry_run(run_id=second, user=operator)
    kit.work()
    assert (kit.run(third).status, visits.visited) == ("completed", ["/", "/a", "/b", "/c", "/d"])
    assert kit.data(third)["out"]["total"] == 5


@pytest.mark.parametrize("batch", [1, 2])
def test_an_item_that_begins_anew_adds_nothing_twice(kit: Any, operator: User, batch: int) -> None:
    # What is added is worked off before the loop fails: it fails by the second failure.
    links = {"/": ["/a", "/a", "/b"]}
    visits = Visits(links, before={"/b"}, after={"/"})
    run_id = visiting(kit, visits, items=["/0", "/"], batch=batch, failures=1)
    assert visits.visited == ["/0", "/", "/a", "/a"]
    visits.before.clear()
    visits.after.clear()
    links["/"] = ["/b", "/a", "/c", "/a", "/a"]
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(new_id).status == "completed"
    assert sorted(visits.visited) == ["/", "/", "/0", "/a", "/a", "/a", "/b", "/c"]
    assert kit.data(new_id)["out"]["total"] == 7


def test_an_added_item_that_the_list_names_now_is_there_once(kit: Any, operator: User) -> None:
    visits = Visits({"/": ["/a", "/b"]}, before={"/b"}, after=set())
    run_id = visiting(kit, visits, items=["/"])
    visits.before.clear()
    edit = DataEdit(values={"pages": ["/b", "/a", "/"]}, seen={"pages": ["/"]})
    new_id = retry_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert (kit.run(new_id).status, visits.visited) == ("completed", ["/", "/a", "/b"])
    assert kit.data(new_id)["out"]["total"] == 3


def test_an_added_item_that_is_like_one_of_the_list_stays_beside_it(kit: Any, operator: User) -> None:
    visits = Visits({"/": ["/a", "/b"]}, before={"/b"}, after=set())
    run_id = visiting(kit, visits, items=["/", "/a"])
    visits.before.clear()
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(new_id).status, visits.visited) == ("completed", ["/", "/a", "/a", "/b"])
    assert kit.data(new_id)["out"]["total"] == 4


def test_an_item_with_another_value_adds_anew_what_the_one_before_it_had_added(kit: Any, operator: User) -> None:
    visits = Visits({"/": ["/a", "/b"], "/new": ["/a", "/b"]}, before={"/b"}, after=set())
    run_id = visiting(kit, visits, items=["/"])
    visits.before.clear()
    edit = DataEdit(values={"pages": ["/new"]}, seen={"pages": ["/"]})
    new_id = retry_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert (kit.run(new_id).status, visits.visited) == ("completed", ["/", "/a", "/new", "/b"])
    assert kit.data(new_id)["out"]["total"] == 3


def test_branches_that_have_completed_are_kept_when_the_run_is_retried(kit: Any, operator: User) -> None:
    mended: list[bool] = []

    def pay(app: Application) -> None:
        kit.notes.append("paid")

    def book(app: Application) -> None:
        if not mended:
            raise PermanentError("no room", code="full")

    config = {"branches": {"a": "pay", "b": "book"}, "concurrency": 1}
    run_id = kit.start(
        {"name": "split", "script": "run_parallel", "config": config},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "pay", "script": kit.script(pay, effect="once"), "next": False},
        {"name": "book", "script": kit.script(book), "next": False},
    )  # fmt: skip
    kit.work()
    mended.append(True)
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(new_id).status, kit.notes) == ("completed", ["paid", "after"])


def test_where_all_is_done_already_the_retried_run_goes_on_at_once(kit: Any, operator: User) -> None:
    charges = Charges()
    run_id: uuid.UUID = kit.start(*each(kit, kit.script(charges, effect="once"), items=[1]))
    for _ in range(2):
        held = claim(queue="default", worker="w")
        assert held is not None
        carry_out(held)
    # It has come together, and the run is cancelled before it hears of that.
    cancel(root_id=run_id, reason="wait")
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(new_id).status, charges.charged, kit.notes) == ("completed", [1], ["after"])


@pytest.mark.parametrize("batch", [1, 3])
def test_an_item_that_has_failed_after_it_did_what_must_not_be_done_twice_stands_in_the_way(
    kit: Any, operator: User, batch: int
) -> None:
    charges = Charges(after={2})
    run_id = charging(kit, charges, items=[1, 2, 3], batch=batch)
    with pytest.raises(NotControllableError) as refused:
        retry_run(run_id=run_id, user=operator)
    assert (refused.value.fields["reason"], refused.value.fields["names"]) == ("once", ["each"])
    assert preview_retry(run_id=run_id, user=operator).obstacle == "once"
    charges.after.clear()
    retry_run(run_id=run_id, user=operator, known=Known.NOT_DONE)
    kit.work()
    assert charges.charged == [1, 2, 2, 3]


def test_an_item_that_was_cut_off_in_what_must_not_be_done_twice_stands_in_the_way(kit: Any, operator: User) -> None:
    def dies(app: Application) -> None:
        raise KeyboardInterrupt

    run_id = kit.start(*each(kit, kit.script(dies, effect="once"), items=[1]))
    held = claim(queue="default", worker="w")
    assert held is not None
    carry_out(held)
    held = claim(queue="default", worker="w")
    assert held is not None
    with pytest.raises(KeyboardInterrupt):
        carry_out(held)
    Job.objects.filter(pk=held.root_id).update(lease_until=timezone.now() - timedelta(minutes=1))
    release_expired()
    cancel(root_id=run_id, reason="enough")
    with pytest.raises(NotControllableError) as refused:
        retry_run(run_id=run_id, user=operator)
    assert refused.value.fields["reason"] == "once"


def test_an_item_that_has_undone_what_it_did_begins_anew(kit: Any, operator: User) -> None:
    charges = Charges()
    mended: list[bool] = []

    def deliver(app: Application) -> None:
        if not mended:
            raise PermanentError("no room", code="full")

    actions = each(kit, kit.script(charges, effect="once"), items=[1])
    actions[2] = {**actions[2], "next": "deliver", "compensate": "refund"}
    run_id = kit.start(
        *actions,
        {"name": "deliver", "script": kit.script(deliver), "next": False},
        {"name": "refund", "script": kit.note("refund"), "next": False},
    )
    kit.work()
    mended.append(True)
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(new_id).status, kit.notes, charges.charged) == ("completed", ["refund", "after"], [1, 1])


def failed_behind(kit: Any, charges: Charges) -> uuid.UUID:
    """Leave a run that has failed once its loop had come together."""
    actions = each(kit, kit.script(charges, effect="once"), items=[1, 2])
    actions[1]["script"] = kit.script(breaks)
    run_id: uuid.UUID = kit.start(*actions)
    kit.work()
    assert kit.run(run_id).error["code"] == "full"
    return run_id


def test_whoever_rewinds_to_before_a_loop_is_told_what_its_items_have_done(kit: Any, operator: User) -> None:
    charges = Charges()
    run_id = failed_behind(kit, charges)
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=0)
    assert (refused.value.fields["reason"], refused.value.fields["names"]) == ("once", ["each"])
    # The same is known of the execution that follows.
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=new_id, user=operator, ordinal=0)
    assert refused.value.fields["reason"] == "once"


def test_an_owner_does_not_try_again_what_its_items_have_done(kit: Any) -> None:
    charges = Charges()
    for run_id in (failed_behind(kit, charges), charging(kit, Charges(before={2}), items=[1, 2])):
        with pytest.raises(NotRepeatableError):
            repeat_run(run_id=run_id, viewer=Viewer(session_key="s"), user=AnonymousUser())


def test_a_loop_that_waits_for_nobody_stands_in_the_way_too(kit: Any, operator: User) -> None:
    actions = each(kit, kit.script(Charges(), effect="once"), items=[1], config={"wait": False})
    actions[1]["script"] = kit.script(breaks)
    run_id = kit.start(*actions)
    kit.work()
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=0)
    assert refused.value.fields["reason"] == "once"


def test_what_parts_of_parts_have_done_stands_in_the_way(kit: Any, operator: User) -> None:
    charges = Charges()
    run_id = kit.start(
        {"name": "outer", "script": "for_each", "config": {"items": [1], "action": "inner"}},
        {"name": "after", "script": kit.script(breaks), "next": False},
        {"name": "inner", "script": "for_each", "config": {"items": [1, 2], "action": "item"}, "next": "broken"},
        {"name": "item", "script": kit.script(charges, effect="once"), "next": False},
        {"name": "broken", "script": kit.script(breaks), "next": False},
    )
    kit.work()
    assert kit.run(run_id).error["code"] == "piece_failed"
    with pytest.raises(NotControllableError) as refused:
        retry_run(run_id=run_id, user=operator)
    assert refused.value.fields["reason"] == "once"


def test_a_loop_is_begun_anew_by_who_goes_back_to_it_where_nothing_stands_in_the_way(kit: Any, operator: User) -> None:
    actions = each(kit, kit.note("item"), items=[1, 2])
    actions[1]["script"] = kit.script(breaks)
    run_id = kit.start(*actions)
    kit.work()
    rewind_run(run_id=run_id, user=operator, ordinal=0)
    kit.work()
    assert kit.notes == ["item"] * 4


def test_a_part_is_not_taken_up_by_itself(kit: Any, operator: User) -> None:
    run_id = charging(kit, Charges(before={1}), items=[1])
    [child] = children(run_id)
    for take_up in (retry_run, partial(rewind_run, ordinal=0)):
        with pytest.raises(NotControllableError) as refused:
            take_up(run_id=child.pk, user=operator)
        assert (refused.value.fields["reason"], refused.value.fields["parent"]) == ("part", str(run_id))
    with pytest.raises(NotRepeatableError):
        repeat_run(run_id=child.pk, viewer=Viewer(session_key="s"), user=AnonymousUser())
    with pytest.raises(NotControllableError) as refused:
        run_as_test(run_id=child.pk, user=operator)
    assert refused.value.fields["reason"] == "part"


def test_the_job_of_a_part_is_not_replayed(kit: Any) -> None:
    run_id = charging(kit, Charges(before={1}), items=[1])
    [child] = children(run_id)
    with pytest.raises(IllegalTransition):
        replay(root_id=child.pk, by=None)


# -- purged ------------------------------------------------------------------------------------------------------------


def overdue(*runs: uuid.UUID) -> None:
    TaskRoot.objects.filter(pk__in=runs).update(purge_at=timezone.now() - timedelta(seconds=1))


def test_a_run_whose_parts_are_still_at_work_is_not_purged(kit: Any) -> None:
    run_id = kit.start(*each(kit, kit.script(waits, durable=True), items=[1], config={"wait": False}))
    kit.work()
    assert (kit.run(run_id).status, statuses(run_id)) == ("completed", ["waiting"])
    overdue(run_id)
    assert purge_finished() == 0
    [child] = children(run_id)
    resume_run(run_id=child.pk, ordinal=child.ordinal, state=None, dedupe_key="go")
    kit.work()
    overdue(child.pk)
    assert [purge_finished() for _ in range(3)] == [1, 1, 0]
    assert not Run.objects.exists()


def test_a_part_that_has_ended_long_ago_is_kept_for_the_run_that_waits(kit: Any) -> None:
    run_id = kit.start(
        {"name": "split", "script": "run_parallel", "config": {"branches": {"slow": "slow", "quick": "quick"}}},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "slow", "script": kit.script(waits, durable=True), "next": False},
        {"name": "quick", "script": kit.note("quick"), "next": False},
    )
    kit.work()
    overdue(*(child.pk for child in children(run_id)))
    assert purge_finished() == 0


def test_a_file_of_a_part_lives_as_long_as_the_run_whose_data_name_it(kit: Any, operator: User) -> None:
    def write(app: Application) -> object:
        return dict(store_file(content=b"paid", name="receipt.txt", caller=caller_of(app)))

    run_id = kit.start(*each(kit, kit.script(write), items=[1], config={"into": "receipts"}), user=operator)
    kit.work()
    [child] = children(run_id)
    assert StoredFile.objects.get().run_id == child.pk
    Run.objects.get(pk=child.pk).delete()
    assert StoredFile.objects.get().run_id == run_id


# -- edited ------------------------------------------------------------------------------------------------------------


def test_an_edit_of_a_part_is_stored_with_the_message_that_brings_it(
    kit: Any, operator: User, monkeypatch: Any
) -> None:
    """Actions without an effect share a checkpoint: what they have left must not stand for what is edited."""
    monkeypatch.setattr(hearing_run, "LOOK_SECONDS", 0)
    stored: list[object] = []

    def edit(app: Application) -> None:
        app.data["own"] = True
        edit_run(run_id=uuid.UUID(app.get("run_id")), user=operator, edit=DataEdit(values={"edited": 1}))

    kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [1], "action": "edit"}, "next": False},
        {"name": "edit", "script": kit.script(edit, effect="pure")},
        {"name": "look", "script": kit.script(lambda app: stored.append(kit.data(uuid.UUID(app.get("run_id"))))),
         "next": False},
    )  # fmt: skip
    kit.work()
    [data] = stored
    assert (data["own"], data["edited"]) == (True, 1)  # type: ignore[index]
