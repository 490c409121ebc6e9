"""The scripts `run_parallel` and `for_each`: work in child runs, side by side."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.errors import DefinitionError, PermanentError, ProcessError
from processes.models import Callback, FanOut, FanOutItem, Run
from processes.registry import querysets
from processes.scripts import parallel as parallel_scripts
from processes.services.access import Caller
from processes.services.authoring.templates import check_draft
from processes.services.callback_tokens import token_of
from processes.services.callbacks import report
from processes.services.fan_out import set_total
from processes.services.home import Section, list_work
from processes.services.inbox import resume_run
from processes.services.pieces import Piece, store_pieces
from tasks.domain.listing import ListFilter, ListScope
from tasks.models import Job, Node, TaskRoot
from tasks.services import sql
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel
from tasks.services.claims import claim
from tasks.services.jobs import wake_due
from tasks.services.lists import read_list
from tasks.services.reading import read_snapshot
from tasks.services.work import carry_out, work_off
from tests.processes.services.conftest import kit
from tests.processes.services.test_advance import fold, shape
from tests.tasks.celery.conftest import wait_until

__all__ = ["kit"]


def give(kit: Any, key: str, value: object, **script: Any) -> str:
    def give(app: Application) -> object:
        kit.notes.append(key)
        app.data[key] = value
        return value

    return kit.script(give, **script)  # type: ignore[no-any-return]


def fail(app: Application) -> None:
    raise PermanentError("no room", code="full")


def park(app: Application) -> Park:
    return Park(reason="human")


@pytest.mark.parametrize(
    ("script", "config", "path"),
    [
        ("for_each", {"items": [1], "action": "chek"}, "/0/config/action"),
        ("run_parallel", {"branches": {"a": "check", "b": "chek"}}, "/0/config/branches/b"),
        ("run_parallel", {"branches": {"b": {"action": "chek", "if": "true"}}}, "/0/config/branches/b/action"),
        ("for_each", {"items": [1], "action": "%{data:which}"}, None),
        ("for_each", {"items": [1], "action": "${which}"}, None),
        ("for_each", {"items": [1], "process": "%{data:which}", "action": "chek"}, None),
        ("run_parallel", {"branches": {"b": {"process": "%{data:which}", "action": "chek"}}}, None),
        ("run_parallel", {"branches": "%{data:branches}"}, None),
    ],
)
@pytest.mark.django_db
def test_where_a_part_begins_is_checked_when_a_template_is_saved(script: str, config: Any, path: str | None) -> None:
    definition = [{"name": "go", "script": script, "config": config}, {"name": "check", "script": "noop"}]
    options: dict[str, Any] = {"definition": json.dumps(definition), "bindings": {"which": {"value": "chek"}}}
    if path is None:
        check_draft(slug="parts", extends=[], **options)
        return
    with pytest.raises(DefinitionError) as refused:
        check_draft(slug="parts", extends=[], **options)
    [problem] = refused.value.problems
    assert (problem.path, problem.suggestion) == (path, 'Did you mean "check"?')


def parallel(kit: Any, branches: dict[str, dict[str, Any]], **config: Any) -> list[dict[str, Any]]:
    """Write a process with a branch for each script."""
    return [
        {
            "name": "split",
            "script": "run_parallel",
            "config": {"branches": {name: name for name in branches}, **config},
        },
        {"name": "after", "script": kit.note("after"), "next": False},
        *({"name": name, "next": False, **action} for name, action in branches.items()),
    ]


def children() -> list[Run]:
    return list(Run.objects.filter(fan_out__isnull=False).order_by("first_index"))


def by_name() -> dict[str, str]:
    return {child.root.title: child.status for child in children()}


def test_branches_are_runs_of_their_own_and_the_process_goes_on_when_all_have_completed(kit: Any) -> None:
    run_id = kit.start(
        *parallel(kit, {"a": {"script": give(kit, "x", 1)}, "b": {"script": give(kit, "y", 2)}}, collect=["x", "y"])
    )
    assert claim_and_carry_out() == run_id
    assert (kit.run(run_id).status, kit.run(run_id).waiting_for["code"]) == ("waiting", "children")
    assert Job.objects.filter(status="pending").count() == 2
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert kit.data(run_id)["branches"] == {
        "total": 2, "completed": 2, "failed": 0, "errors": [],
        "results": {"a": {"status": "completed", "result": {"x": 1}},
                    "b": {"status": "completed", "result": {"y": 2}}},
    }  # fmt: skip
    assert kit.notes == ["x", "y", "after"]
    assert "x" not in kit.data(run_id)
    assert [(child.root.title, child.root.parent_id) for child in children()] == [("a", run_id), ("b", run_id)]
    assert shape(run_id) == [("Split", "completed"), ("After", "completed")]


def claim_and_carry_out() -> object:
    held = claim(queue="default", worker="w")
    assert held is not None
    carry_out(held)
    return held.root_id


def test_a_branch_begins_with_a_copy_of_the_data(kit: Any) -> None:
    def look(app: Application) -> None:
        app.data["seen"] = [app.data["rows"], app.get("run_id")]
        app.data["rows"].append("mine")

    run_id = kit.start(
        {"name": "before", "script": give(kit, "rows", [1])},
        *parallel(kit, {"a": {"script": kit.script(look)}, "b": {"script": kit.script(look)}}, collect=["rows"]),
    )
    kit.work()
    results = kit.data(run_id)["branches"]["results"]
    assert [results[name]["result"] for name in "ab"] == [{"rows": [1, "mine"]}] * 2
    assert kit.data(run_id)["rows"] == [1]


def test_a_branch_that_fails_ends_the_others_and_the_action(kit: Any) -> None:
    run_id = kit.start(
        *parallel(kit, {"bad": {"script": kit.script(fail)}, "slow": {"script": kit.script(park, durable=True)}})
    )
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.error["code"]) == ("failed", "piece_failed")
    assert run.error["fields"]["errors"] == [{"index": 0, "name": "bad", "code": "full", "message": "no room"}]
    assert [child.status for child in children()] == ["failed", "cancelled"]
    assert kit.notes == []


def test_failures_may_be_tolerated(kit: Any) -> None:
    actions = parallel(
        kit, {"bad": {"script": kit.script(fail)}, "good": {"script": give(kit, "x", 1)}}, failures="tolerate"
    )
    actions[0]["next"] = {"partial": "after", "*": False}
    run_id = kit.start(*actions)
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["x", "after"])
    assert kit.data(run_id)["branches"]["failed"] == 1


def test_any_branch_may_be_enough_and_the_others_are_cancelled(kit: Any) -> None:
    actions = parallel(
        kit, {"slow": {"script": kit.script(park, durable=True)}, "quick": {"script": give(kit, "x", 1)}}, join="any"
    )
    actions[0]["next"] = {"quick": "after", "*": False}
    run_id = kit.start(*actions)
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["x", "after"])
    assert by_name() == {"slow": "cancelled", "quick": "completed"}


def test_branches_that_are_not_needed_any_more_may_be_left_to_themselves(kit: Any) -> None:
    actions = parallel(
        kit,
        {"slow": {"script": kit.script(park, durable=True)}, "quick": {"script": give(kit, "x", 1)}},
        join="any",
        losers="leave",
    )
    run_id = kit.start(*actions)
    kit.work()
    assert (kit.run(run_id).status, by_name()) == ("completed", {"slow": "waiting", "quick": "completed"})
    slow = next(child for child in children() if child.root.title == "slow")
    resume_run(run_id=slow.pk, ordinal=slow.ordinal, state=None, dedupe_key="go")
    kit.work()
    assert by_name()["slow"] == "completed"


def left_with_one_at_a_time(kit: Any) -> Any:
    scripts = {name: {"script": kit.note(name)} for name in ("a", "b", "c")}
    return kit.start(*parallel(kit, scripts, join="any", losers="leave", concurrency=1))


def test_branches_that_are_left_to_themselves_are_begun_however_few_may_be_at_work(kit: Any) -> None:
    run_id = left_with_one_at_a_time(kit)
    kit.work()
    assert (kit.run(run_id).status, sorted(kit.notes)) == ("completed", ["a", "after", "b", "c"])
    fan_out = FanOut.objects.get()
    assert (fan_out.completed, fan_out.running) == (3, 0)


def test_branches_that_are_left_to_themselves_begin_no_more_once_the_run_is_cancelled(kit: Any) -> None:
    run_id = left_with_one_at_a_time(kit)
    for _ in range(2):
        assert work_off("default")
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert kit.notes == ["a"]


def test_some_of_the_branches_may_be_enough(kit: Any) -> None:
    scripts = {"a": give(kit, "x", 1), "b": kit.script(park, durable=True), "c": give(kit, "y", 1)}
    run_id = kit.start(*parallel(kit, {name: {"script": script} for name, script in scripts.items()}, join=2))
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert [child.status for child in children()] == ["completed", "cancelled", "completed"]


def test_too_many_failures_end_an_action_that_needs_some(kit: Any) -> None:
    scripts = {"a": kit.script(fail), "b": kit.script(fail), "c": give(kit, "y", 1)}
    run_id = kit.start(*parallel(kit, {name: {"script": script} for name, script in scripts.items()}, join=2))
    kit.work()
    assert kit.run(run_id).error["code"] == "piece_failed"


def test_a_branch_may_run_another_process_with_its_lifecycle(kit: Any) -> None:
    sub = [{"name": "work", "script": give(kit, "x", 1)}, {"name": "@end", "script": kit.note("end")}]
    template = kit.template(
        {"name": "split", "script": "run_parallel", "config": {"branches": {"sub": {"process": "${sub}"}}}},
        bindings={"sub": {"process": sub}},
    )
    run_id = kit.start(template=template)
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert kit.data(run_id)["branches"]["results"]["sub"]["result"] == 1
    assert kit.notes == ["x", "end"]


def test_a_waiting_run_that_is_cancelled_takes_its_branches_along(kit: Any) -> None:
    run_id = kit.start(
        *parallel(kit, {"a": {"script": kit.script(park, durable=True)}, "b": {"script": give(kit, "x", 1)}})
    )
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert kit.run(run_id).status == "cancelled"
    assert [child.status for child in children()] == ["cancelled", "completed"]


# for_each.


def each(kit: Any, action: dict[str, Any], **config: Any) -> list[dict[str, Any]]:
    return [
        {"name": "each", "script": "for_each", "config": {"items": "%{data:rows}", "action": "work", **config}},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "work", "next": False, **action},
    ]


def start_each(kit: Any, rows: list[Any], action: dict[str, Any], **config: Any) -> Any:
    actions = each(kit, action, **config)
    return kit.start({"name": "rows", "script": kit.script(lambda app: app.data.update(rows=rows))}, *actions)


def double(kit: Any) -> dict[str, Any]:
    def double(app: Application) -> object:
        kit.notes.append(str(app.data["index"]))
        app.data["twice"] = app.data["item"] * 2
        return app.data["twice"]

    return {"script": kit.script(double)}


@pytest.mark.parametrize("batch", [1, 2, 3, 10])
def test_each_item_is_worked_off_and_results_come_in_order(kit: Any, batch: int) -> None:
    run_id = start_each(kit, [1, 2, 3, 4, 5], double(kit), batch=batch, into="doubled")
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert kit.data(run_id)["doubled"] == {
        "total": 5, "completed": 5, "failed": 0, "results": [2, 4, 6, 8, 10], "errors": [],
    }  # fmt: skip
    assert sorted(kit.notes) == ["0", "1", "2", "3", "4", "after"]
    assert len(children()) == -(-5 // batch)


@pytest.mark.parametrize(("items", "told"), [(1, "1 item"), (1200, "1,200 items")])
def test_the_step_of_a_loop_says_what_it_has_counted(kit: Any, items: int, told: str) -> None:
    run_id = start_each(kit, list(range(items)), {"script": kit.script(park, durable=True)}, concurrency=1)
    kit.work()
    assert read_snapshot(run_id).tree.children[1].message == told


def test_only_the_run_itself_is_in_its_owners_lists(kit: Any) -> None:
    run_id = start_each(kit, [1, 2, 3], double(kit))
    kit.work()
    viewer, caller = Viewer(user_id=None, session_key="s"), Caller(user_id=None, session_key="s")
    assert [one.task_id for one in read_list(viewer, ListScope.MINE, ListFilter())] == [str(run_id)]
    assert [work.root.pk for work in list_work(caller, Section.FINISHED, first=0, count=9).rows] == [run_id]


def test_no_more_runs_are_at_work_than_the_author_allows(kit: Any) -> None:
    seen: list[int] = []

    def count(app: Application) -> None:
        seen.append(Run.objects.filter(fan_out__isnull=False, root__closed=False).count())

    start_each(kit, list(range(9)), {"script": kit.script(count)}, concurrency=2, batch=2)
    kit.work()
    assert (max(seen), len(seen)) == (2, 9)


def test_an_item_that_fails_ends_the_others(kit: Any) -> None:
    def work(app: Application) -> None:
        kit.notes.append(str(app.data["item"]))
        if app.data["item"] == 2:
            raise ProcessError("bad row", code="bad")

    run_id = start_each(kit, [1, 2, 3, 4], {"script": kit.script(work)}, concurrency=1)
    kit.work()
    run = kit.run(run_id)
    assert (run.error["code"], kit.notes) == ("piece_failed", ["1", "2"])
    assert "2" in run.error["message"]
    assert FanOut.objects.get().standing == "failed"


@pytest.mark.parametrize(("failures", "status"), [("tolerate", "completed"), (2, "completed"), (1, "failed")])
@pytest.mark.parametrize("batch", [1, 4])
def test_so_many_items_may_fail(kit: Any, failures: object, status: str, batch: int) -> None:
    def work(app: Application) -> object:
        if app.data["item"] % 2:
            raise ProcessError("odd", code="odd")
        return app.data["item"]

    run_id = start_each(kit, [1, 2, 3, 4], {"script": kit.script(work)}, failures=failures, batch=batch, into="done")
    kit.work()
    assert kit.run(run_id).status == status
    if status == "completed":
        assert kit.data(run_id)["done"]["results"] == [None, 2, None, 4]
        assert [error["index"] for error in kit.data(run_id)["done"]["errors"]] == [0, 2]


def test_items_of_a_batch_that_have_failed_before_it_waited_count(kit: Any) -> None:
    def work(app: Application) -> Park | None:
        kit.notes.append(str(app.data["item"]))
        if app.data["item"] == 2:
            return Park(reason="human")
        raise ProcessError("bad row", code="bad")

    start_each(kit, [1, 2, 3, 4], {"script": kit.script(work, durable=True)}, failures=1, batch=4)
    kit.work()
    [child] = children()
    resume_run(run_id=child.pk, ordinal=child.ordinal, state=None, dedupe_key="go")
    kit.work()
    assert (children()[0].status, kit.notes) == ("failed", ["1", "2", "3"])


def test_a_list_without_items_is_passed_over(kit: Any) -> None:
    run_id = start_each(kit, [], double(kit), into="doubled")
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["after"])
    assert kit.data(run_id)["doubled"]["results"] == []


def test_a_condition_chooses_among_the_items(kit: Any) -> None:
    run_id = start_each(kit, [1, 2, 3, 4], double(kit), into="doubled", **{"if": "item > 1 && index < 3"})
    kit.work()
    assert kit.data(run_id)["doubled"]["results"] == [4, 6]


def test_items_get_the_data_that_are_named(kit: Any) -> None:
    def look(app: Application) -> object:
        return sorted(app.data)

    run_id = start_each(kit, [1], {"script": kit.script(look)}, input=["rows"], item="row", into="seen")
    kit.work()
    assert kit.data(run_id)["seen"]["results"] == [["index", "row", "rows"]]


def test_an_item_leaves_nothing_to_the_next_one_of_its_batch(kit: Any) -> None:
    def look(app: Application) -> None:
        seen = [sorted(app.data), app.get("mark"), app.response.title, app.request.to_json()]
        app.data["seen"] = seen
        app.set("mark", True)
        app.request.parameters["left"], app.request.path = True, "/left/"
        app.response.title = "left"

    give = {"name": "give", "script": kit.script(lambda app: app.data["seen"]), "next": False}
    config = {"items": [1, 2], "action": "look", "batch": 2, "into": "seen"}
    run_id = kit.start(
        {"name": "each", "script": "for_each", "config": config, "next": False},
        # A checkpoint stands between the two, and holds what the item leaves.
        {"name": "look", "script": kit.script(look), "next": "give"},
        give,
    )
    kit.work()
    assert kit.data(run_id)["seen"]["results"] == [[["index", "item"], None, None, {"method": "GET"}]] * 2


def test_the_objects_of_a_queryset_are_items(kit: Any, django_user_model: Any) -> None:
    for name in ("c", "a", "b"):
        django_user_model.objects.create(username=name)
    querysets.queryset("test_names", value="username")(lambda user: django_user_model.objects.all())
    try:
        run_id = kit.start(*each(kit, give_item(kit), items={"queryset": "test_names"}, into="names"))
        kit.work()
    finally:
        querysets.unregister("test_names")
    assert kit.data(run_id)["names"]["results"] == ["a", "b", "c"]


def give_item(kit: Any) -> dict[str, Any]:
    return {"script": kit.script(lambda app: app.data["item"])}


def test_what_changes_while_an_attempt_to_spread_it_fails_is_spread_as_it_is_then(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "ROWS_PER_STATEMENT", 2)
    for name in "abcdef":
        Group.objects.create(name=name)
    attempts: list[int] = []

    def groups(user: object) -> object:
        if len(attempts) > 1:
            Group.objects.filter(name__in="ae").delete()
        return Group.objects.all()

    def breaking(fan_out: FanOut, pieces: Iterable[Piece], **hold: Any) -> Iterator[int]:
        attempts.append(FanOutItem.objects.count())
        for total in store_pieces(fan_out, pieces, **hold):
            yield total
            if len(attempts) == 1 and total == 4:
                raise ConnectionError("gone for a moment")

    monkeypatch.setattr(parallel_scripts, "store_pieces", breaking)
    querysets.queryset("some_groups", value="name")(groups)
    try:
        run_id = kit.start(
            {
                "name": "each",
                "script": "for_each",
                "config": {"items": {"queryset": "some_groups"}, "action": "item", "concurrency": 1},
                "retry": {"attempts": 2, "delay_seconds": 0},
                "next": False,
            },
            {"name": "item", "script": kit.script(lambda app: kit.notes.append(app.data["item"])), "next": False},
        )
        kit.work()
        wake_due()
        kit.work()
    finally:
        querysets.unregister("some_groups")
    assert attempts == [0, 4]
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["b", "c", "d", "f"])


def test_pieces_that_are_counted_stay_though_the_step_is_begun_once_more(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(*args: Any, **columns: Any) -> int:
        total = set_total(*args, **columns)
        if not broken:
            broken.append(True)
            raise ConnectionError("gone for a moment")
        return total

    broken: list[bool] = []
    monkeypatch.setattr(parallel_scripts, "set_total", breaking)
    querysets.queryset("all_groups", value="name")(lambda user: Group.objects.all())
    Group.objects.create(name="a")
    try:
        run_id = kit.start(
            {
                "name": "each",
                "script": "for_each",
                "config": {"items": {"queryset": "all_groups"}, "action": "item"},
                "retry": {"attempts": 2, "delay_seconds": 0},
                "next": False,
            },
            {"name": "item", "script": kit.script(lambda app: kit.notes.append(app.data["item"])), "next": False},
        )
        kit.work()
        Group.objects.create(name="b")
        wake_due()
        kit.work()
    finally:
        querysets.unregister("all_groups")
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["a"])


def test_an_item_of_a_batch_may_wait_and_the_batch_goes_on_behind_it(kit: Any) -> None:
    run_id = start_each(kit, [1, 2], {"script": kit.script(park, durable=True)}, batch=2)
    for number in (1, 2):
        kit.work()
        [child] = children()
        assert child.status == "waiting"
        resume_run(run_id=child.pk, ordinal=child.ordinal, state=None, dedupe_key=str(number))
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_the_action_shows_how_many_items_are_done(kit: Any) -> None:
    run_id = start_each(kit, [1, 2, 3], double(kit), concurrency=1)
    kit.work()
    node = Node.objects.get(root_id=run_id, title="Each")
    assert (node.current, node.total) == (3, 3)
    assert read_snapshot(run_id).to_json()["task"] == fold(run_id).snapshot()["task"]


def test_the_items_of_a_batch_are_nodes_of_its_tree(kit: Any) -> None:
    start_each(kit, ["x", "y"], double(kit), batch=2)
    kit.work()
    [child] = children()
    assert [(title, status) for title, status in shape(child.pk)] == [("1", "completed"), ("2", "completed")]
    assert TaskRoot.objects.get(pk=child.pk).title == "1–2"


def test_an_action_with_a_policy_is_begun_anew_as_a_whole(kit: Any) -> None:
    def work(app: Application) -> None:
        kit.notes.append("tried")
        if len(kit.notes) == 1:
            raise ProcessError("not yet")

    actions = each(kit, {"script": kit.script(work)}, items=[1])
    actions[0]["retry"] = {"attempts": 2, "delay_seconds": 0}
    run_id = kit.start(*actions)
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["tried", "tried", "after"])


def test_what_is_spread_is_given_up_when_the_time_of_the_action_is_up(kit: Any) -> None:
    actions = each(kit, {"script": kit.script(park, durable=True)}, items=[1, 2])
    actions[0]["timeout_seconds"] = 0.05
    run_id = kit.start(*actions)
    kit.work()
    wait_until(wake_due)
    kit.work()
    assert kit.run(run_id).error["code"] == "timeout"
    assert {child.status for child in children()} == {"cancelled"}


REFUSED = [
    ("run_parallel", {"branches": {}}),
    ("run_parallel", {"branches": {"a": {}}}),
    ("run_parallel", {"branches": {"a": "work"}, "join": 2}),
    ("for_each", {"items": [1]}),
    ("for_each", {"items": "text", "action": "work"}),
    ("for_each", {"items": [1], "action": "work", "concurrency": 0}),
    ("for_each", {"items": [1], "action": "work", "failures": -1}),
    ("for_each", {"items": [1], "action": "work", "if": "item >"}),
]


@pytest.mark.parametrize(("script", "config"), REFUSED)
def test_a_config_that_says_nothing_clear_is_refused_when_it_is_saved(kit: Any, script: str, config: Any) -> None:
    with pytest.raises(DefinitionError):
        kit.template({"name": "split", "script": script, "config": config}, {"name": "work", "script": "noop"})


def test_a_branch_that_is_not_declared_fails_the_action(kit: Any) -> None:
    split = {"name": "split", "script": "run_parallel", "config": {"branches": {"a": "%{data:which}"}}}
    run_id = kit.start(split, data={"which": "wrok"})
    kit.work()
    assert kit.run(run_id).error["code"] == "not_found"


def test_results_are_kept_as_rows(kit: Any) -> None:
    start_each(kit, [1, 2, 3], double(kit), batch=3)
    kit.work()
    rows = FanOutItem.objects.order_by("index").values_list("item", "status", "result")
    assert [(json.loads(item), status, result) for item, status, result in rows] == [
        (n, "completed", {"value": 2 * n}) for n in (1, 2, 3)
    ]


def test_branches_whose_condition_does_not_hold_are_left_out(kit: Any) -> None:
    branches = {"a": {"action": "a", "if": "1 > 0"}, "b": {"action": "b", "if": "1 < 0"}}
    run_id = kit.start(
        {"name": "split", "script": "run_parallel", "config": {"branches": branches}, "next": False},
        {"name": "a", "script": kit.note("a"), "next": False},
        {"name": "b", "script": kit.note("b"), "next": False},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["a"])
    assert kit.data(run_id)["branches"]["total"] == 1


@pytest.mark.parametrize(("join", "state"), [("all", "complete"), (2, "complete"), ("any", "a"), (1, "a")])
def test_the_one_branch_that_is_left_gives_its_name_only_where_any_one_was_enough(
    kit: Any, join: object, state: str
) -> None:
    branches = {"a": {"action": "a", "if": "1 > 0"}, "b": {"action": "b", "if": "1 < 0"}}
    run_id = kit.start(
        {
            "name": "split",
            "script": "run_parallel",
            "config": {"branches": branches, "join": join},
            "next": {state: "after", "*": False},
        },
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "a", "script": kit.note("a"), "next": False},
        {"name": "b", "script": kit.note("b"), "next": False},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["a", "after"])


def test_where_no_branch_is_left_the_run_goes_on(kit: Any) -> None:
    run_id = kit.start(
        {
            "name": "split",
            "script": "run_parallel",
            "config": {"branches": {"a": {"action": "a", "if": "1 < 0"}}, "join": "any"},
            "next": {"empty": "after", "*": False},
        },
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "a", "script": kit.note("a"), "next": False},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["after"])


@pytest.mark.parametrize("script", ["run_parallel", "for_each"])
def test_a_run_that_does_not_wait_goes_on_at_once(kit: Any, script: str) -> None:
    config: dict[str, Any] = {"wait": False}
    config |= {"branches": {"a": "work"}} if script == "run_parallel" else {"items": [1], "action": "work"}
    run_id = kit.start(
        {"name": "split", "script": script, "config": config, "next": {"begun": "after", "*": False}},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "work", "script": kit.note("work"), "next": False},
    )
    assert claim_and_carry_out() == run_id
    assert (kit.run(run_id).status, kit.notes) == ("completed", ["after"])
    kit.work()
    assert kit.notes == ["after", "work"]


def test_branches_may_be_kept_from_being_at_work_at_once(kit: Any) -> None:
    def count(app: Application) -> None:
        seen.append(Run.objects.filter(fan_out__isnull=False, root__closed=False).count())

    seen: list[int] = []
    kit.start(*parallel(kit, {name: {"script": kit.script(count)} for name in "abc"}, concurrency=1))
    kit.work()
    assert seen == [1, 1, 1]


def test_items_may_be_added_while_a_loop_is_under_way(kit: Any) -> None:
    def find(app: Application) -> None:
        depth = app.data["item"]
        kit.notes.append(str(depth))
        app.data["found"] = [depth + 1] * 2 if depth < 2 else []

    run_id = kit.start(
        {"name": "each", "script": "for_each", "config": {"items": [0], "action": "visit"}},
        {"name": "after", "script": kit.note("after"), "next": False},
        {"name": "visit", "script": kit.script(find)},
        {"name": "deeper", "script": "add_items", "config": {"items": "%{data:found}"}, "next": False},
    )
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert kit.notes == ["0", "1", "1", "2", "2", "2", "2", "after"]


def test_items_are_added_to_nothing_but_a_loop(kit: Any) -> None:
    run_id = kit.start({"name": "add", "script": "add_items", "config": {"items": [1]}})
    kit.work()
    assert kit.run(run_id).error["code"] == "no_loop"


@pytest.mark.parametrize(("wait", "status"), [(True, "cancelled"), (False, "waiting")])
def test_a_run_that_ends_badly_takes_along_what_it_waits_for(kit: Any, wait: bool, status: str) -> None:
    run_id = kit.start(
        {"name": "anchor", "script": "callback", "next": {"prepare": "each", "progress": "break", "*": False}},
        {
            "name": "each",
            "script": "for_each",
            "config": {"items": [1, 2], "action": "work", "wait": wait},
            "next": False,
        },
        {"name": "work", "script": kit.script(park, durable=True), "next": False},
        {"name": "break", "script": kit.script(fail), "next": False},
    )
    kit.work()
    report(token_of(str(Callback.objects.get().pk)), "progress")
    kit.work()
    assert kit.run(run_id).error["code"] == "full"
    assert {child.status for child in children()} == {status}
