"""Trying again: a run that came to nothing begins anew, once, and only where that is harmless and allowed."""

import json
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.domain.request import Request
from processes.errors import PermanentError
from processes.models import Access, AuditEntry, DataNode, Grant, ProcessTemplate, Run, StoredFile
from processes.services.access import Caller
from processes.services.data_nodes import create_data_node, load_data_node
from processes.services.errors import NotRepeatableError
from processes.services.files import store_file
from processes.services.foreground import Visit, published_plan, run_foreground
from processes.services.instances import context_node_of, create_instance, execute_instance
from processes.services.repeating import Standing, repeat_run, standing_of
from processes.services.stored_data import StoredData
from tasks.domain.tree import Tree
from tasks.errors import TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_steps, read_updates
from tasks.services.work import work_off
from tests.together import together

#: Whose runs `kit.start` starts: those of somebody not signed in.
OWNER = Viewer(session_key="s")


class Breaks:
    """Be a script that fails until it is told not to, and notes what it found in the data."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error: BaseException | None = error or PermanentError("The list is locked.")
        self.found: list[dict[str, Any]] = []

    def __call__(self, app: Application) -> None:
        self.found.append(json.loads(json.dumps(app.data)))
        if self.error is not None:
            raise self.error


def public(template: ProcessTemplate) -> ProcessTemplate:
    template.access = Access.PUBLIC
    template.save(update_fields=["access"])
    return template


def again(run_id: uuid.UUID, *, viewer: Viewer = OWNER, user: Any = None) -> uuid.UUID:
    return repeat_run(run_id=run_id, viewer=viewer, user=user or AnonymousUser()).run_id


def standing(run_id: uuid.UUID, *, viewer: Viewer = OWNER, user: Any = None) -> Any:
    return standing_of(TaskRoot.objects.get(pk=run_id), viewer=viewer, user=user or AnonymousUser())


def failed_run(kit: Any, breaks: Breaks | None = None, **options: Any) -> tuple[uuid.UUID, Breaks]:
    breaks = breaks or Breaks()
    template = public(
        kit.template({"name": "count", "script": kit.note("count")}, {"name": "b", "script": kit.script(breaks)})
    )
    run_id = kit.start(template=template, **options)
    kit.work()
    assert kit.run(run_id).status == "failed"
    return run_id, breaks


# -- what begins anew -------------------------------------------------------------------------------------------------


def test_a_failed_run_begins_anew_and_ends_well(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, breaks = failed_run(kit)
    assert standing(run_id).offered
    breaks.error = None
    new_id = again(run_id)
    kit.work()
    new, old = kit.run(new_id), kit.run(run_id)
    assert (new.status, old.status) == ("completed", "failed")
    assert kit.notes == ["count", "count"], "everything is done again"
    assert (new.previous_id, new.plan_id, new.user_id, new.session_key) == (run_id, old.plan_id, None, "s")
    assert TaskRoot.objects.get(pk=new_id).session_key == "s"
    assert kit.data(new_id) == {"count": 2}
    assert kit.data(run_id) == {"count": 1}


def test_what_was_cancelled_can_be_tried_again(kit) -> None:  # type: ignore[no-untyped-def]
    template = public(kit.template({"name": "one", "script": kit.note("one")}))
    run_id = kit.start(template=template)
    cancel(root_id=run_id, reason="never mind")
    new_id = again(run_id)
    assert kit.work() == 1
    assert kit.run(new_id).status == "completed"


def test_it_begins_with_the_data_that_the_first_one_began_with(kit) -> None:  # type: ignore[no-untyped-def]
    breaks, waits = Breaks(), []

    def wait_once(app: Application) -> Park | None:
        app.data["seen"] = [*app.data["seen"], "changed while it waited"]
        waits.append(app.get("mark"))
        return Park(reason="human")

    def begin(app: Application) -> None:
        app.data.update(seen=["at first"], gone=None, progress="something else")
        app.set("mark", 7)

    template = public(
        kit.template(
            {"name": "begin", "script": kit.script(begin)},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "wait", "script": kit.script(wait_once, durable=True)},
            {"name": "breaks", "script": kit.script(breaks)},
        )
    )
    run_foreground(visit(template))
    run = Run.objects.get()
    kit.work()
    assert kit.data(run.pk)["seen"] == ["at first", "changed while it waited"]
    cancel(root_id=run.pk, reason="enough")
    again(run.pk, viewer=Viewer(session_key="s"))
    kit.work()
    new = Run.objects.get(previous=run)
    assert kit.data(new.pk)["seen"] == ["at first", "changed while it waited"], "once, not twice"
    assert kit.data(new.pk)["progress"] == "something else"
    assert waits == [7, 7]


def visit(template: ProcessTemplate, *, user: Any = None, node: DataNode | None = None) -> Visit:
    return Visit(
        template=template,
        plan=published_plan(template),
        request=Request(method="POST", language="de"),
        caller=caller_of(template, user=user),
        user=user or AnonymousUser(),
        node=node,
    )


def caller_of(template: ProcessTemplate, *, user: Any = None) -> Caller:
    return Caller(
        user_id=user.pk if user else None,
        session_key="" if user else "s",
        template_id=template.pk,
        slug=template.slug,
    )


def test_its_data_names_the_new_indicator_and_its_page_is_the_new_one(kit) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    template = public(
        kit.template(
            {"name": "begin", "script": "start_progress", "config": {"title": "Counting"}},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "breaks", "script": kit.script(breaks)},
            {"name": "renderProgress", "script": "render_progress"},
        )
    )
    run_foreground(visit(template))
    run = Run.objects.get()
    kit.work()
    new_id = again(run.pk)
    kit.work()
    assert [found["progress"] for found in breaks.found] == [str(run.pk), str(new_id)]
    assert kit.run(new_id).response["redirect"] == f"/progress/{new_id}/"
    root = TaskRoot.objects.get(pk=new_id)
    assert (root.title, read_steps(root)) == ("Counting", read_steps(TaskRoot.objects.get(pk=run.pk)))
    assert kit.run(new_id).request["language"] == "de"


def test_a_repetition_that_fails_can_be_repeated(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    second = again(run_id)
    kit.work()
    third = again(second)
    kit.work()
    assert kit.run(third).previous_id == second
    assert standing(run_id).repeated_as == second
    assert kit.data(third) == {"count": 3}


def test_the_new_tree_is_told_from_its_beginning(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, breaks = failed_run(kit)
    breaks.error = None
    new_id = again(run_id)
    kit.work()
    tree = Tree()
    for _, body in read_updates(new_id, after=0, limit=1_000):
        tree.apply(json.loads(body))
    assert tree.snapshot() == read_snapshot(new_id).to_json()


# -- once -------------------------------------------------------------------------------------------------------------


def test_asking_twice_is_asking_once(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    first = repeat_run(run_id=run_id, viewer=OWNER, user=AnonymousUser())
    second = repeat_run(run_id=run_id, viewer=OWNER, user=AnonymousUser())
    assert (first.run_id, first.is_new, second.is_new) == (second.run_id, True, False)
    assert Job.objects.count() == 2
    assert standing(run_id) == Standing(repeated_as=first.run_id)


def test_of_two_clicks_at_the_same_moment_one_begins_and_both_lead_there(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    answers = together(*[partial(repeat_run, run_id=run_id, viewer=OWNER, user=AnonymousUser())] * 4)
    assert len({answer.run_id for answer in answers}) == 1
    assert sorted(answer.is_new for answer in answers) == [False, False, False, True]
    assert Run.objects.count() == Job.objects.count() == TaskRoot.objects.count() == 2


def test_it_can_be_repeated_anew_once_its_repetition_was_purged(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    new_id = again(run_id)
    kit.work()
    TaskRoot.objects.filter(pk=new_id).delete()
    assert again(run_id) != new_id


# -- refused ----------------------------------------------------------------------------------------------------------


def test_nobody_else_learns_that_there_is_anything(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    boss = Viewer(user_id=1, sees_all=True, changes_all=True)
    for viewer in (Viewer(session_key="t"), Viewer(), boss):
        with pytest.raises(TaskNotFound) as refused:
            again(run_id, viewer=viewer)
        with pytest.raises(TaskNotFound) as missing:
            again(uuid.uuid4(), viewer=viewer)
        assert refused.value.message == missing.value.message
        assert standing(run_id, viewer=viewer) == Standing()


def refused_text(run_id: uuid.UUID, **options: Any) -> str:
    with pytest.raises(NotRepeatableError) as refused:
        again(run_id, **options)
    assert Run.objects.count() == TaskRoot.objects.count(), "nothing was stored"
    assert not Run.objects.filter(previous_id=run_id).exists()
    shown = standing(run_id, **options)
    assert not shown.offered
    if TaskRoot.objects.get(pk=run_id).status in ("failed", "cancelled"):
        assert shown.refused == refused.value.message
    return refused.value.message


def test_what_is_at_work_or_ended_well_is_not_repeated(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(template=public(kit.template({"name": "one", "script": kit.note("one")})))
    assert "still at work" in refused_text(run_id)
    kit.work()
    assert "ended well" in refused_text(run_id)
    assert standing(run_id) == Standing()


def test_a_run_of_an_older_release_is_not_offered(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    Run.objects.filter(pk=run_id).update(origin=None)
    assert "older release" in refused_text(run_id)


def once_run(kit: Any, *actions: dict[str, object]) -> uuid.UUID:
    run_id: uuid.UUID = kit.start(template=public(kit.template(*actions)))
    kit.work()
    return run_id


def test_a_once_action_that_was_done_stands_in_the_way(kit) -> None:  # type: ignore[no-untyped-def]
    def charge(app: Application) -> None:
        kit.notes.append("charged")

    run_id = once_run(
        kit,
        {"name": "chargeCard", "script": kit.script(charge, effect="once")},
        {"name": "breaks", "script": kit.script(Breaks())},
    )
    assert "“Charge card” must not be done twice" in refused_text(run_id)
    assert kit.notes == ["charged"]


def test_it_does_so_whatever_waits_or_fails_after_it(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = once_run(
        kit,
        {"name": "charge", "script": kit.script(lambda app: None, effect="once")},
        {"name": "wait", "script": kit.script(lambda app: Park(reason="human"), durable=True, effect="once")},
    )
    cancel(root_id=run_id, reason="enough")
    assert "“Charge”" in refused_text(run_id)


@pytest.mark.parametrize(
    ("error", "is_offered"),
    [
        pytest.param(PermanentError("The card was refused."), True, id="it says that nothing was done"),
        pytest.param(ValueError("?"), False, id="nobody knows what was done"),
    ],
)
def test_a_once_action_that_failed_stands_in_the_way_unless_it_did_nothing(
    kit,  # type: ignore[no-untyped-def]
    error: Exception,
    is_offered: bool,
) -> None:
    breaks = Breaks(error)
    run_id = once_run(kit, {"name": "charge", "script": kit.script(breaks, effect="once")})
    assert standing(run_id).offered is is_offered
    if is_offered:
        breaks.error = None
        new_id = again(run_id)
        kit.work()
        assert kit.run(new_id).status == "completed"
    else:
        assert "“Charge”" in refused_text(run_id)


def test_a_once_action_that_did_nothing_is_no_hindrance_where_the_run_went_on_and_ended_later(kit) -> None:  # type: ignore[no-untyped-def]
    def nothing(app: Application) -> None:
        raise PermanentError("no money")

    run_id = once_run(
        kit,
        {"name": "charge", "script": kit.script(nothing, effect="once")},
        {"name": "@error", "script": "reset_error", "next": "go_on"},
        {"name": "go_on", "script": "noop"},
        {"name": "cancelled_here", "script": kit.script(lambda app: Park(reason="human"), durable=True)},
    )
    kit.work()
    cancel(root_id=run_id, reason="never mind")
    again(run_id)


def test_a_value_that_cannot_be_stored_was_found_after_the_deed(kit) -> None:  # type: ignore[no-untyped-def]
    def spoil(app: Application) -> None:
        app.data["when"] = timezone.now()

    run_id = once_run(kit, {"name": "charge", "script": kit.script(spoil, effect="once")})
    assert "“Charge”" in refused_text(run_id)


def test_a_once_action_whose_worker_died_stands_in_the_way(kit) -> None:  # type: ignore[no-untyped-def]
    template = public(
        kit.template({"name": "charge", "script": kit.script(Breaks(KeyboardInterrupt()), effect="once")})
    )
    run_id = kit.start(template=template)
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    kit.work()
    assert kit.run(run_id).error["code"] == "outcome_unknown"
    assert "nobody knows" in refused_text(run_id)


@pytest.mark.parametrize("change", [{"access": Access.SIGNED_IN}, {"published_plan": None}, {"abstract": True}])
def test_who_may_not_start_the_process_any_more_may_not_repeat_it(kit, change: dict[str, Any]) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    ProcessTemplate.objects.update(**change)
    assert "may not start this process" in refused_text(run_id)


def test_a_process_that_is_gone_is_not_repeated(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    Run.objects.update(template=None)
    assert "may not start this process" in refused_text(run_id)


# -- rights, files, data that others hold -----------------------------------------------------------------------------


def lent_run(kit: Any, user: User) -> uuid.UUID:
    """Start a run that has borrowed its caller's credentials before it went into the background, and fails."""
    template = public(
        kit.template(
            {"name": "store", "script": "store_credentials"},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "breaks", "script": kit.script(Breaks())},
        )
    )
    run_foreground(visit(template, user=user))
    kit.work()
    run = Run.objects.get()
    assert (run.status, Grant.objects.get().execution) == ("failed", str(run.pk))
    return run.pk


def test_what_was_lent_serves_the_run_that_repeats_it(kit) -> None:  # type: ignore[no-untyped-def]
    user = User.objects.create_user("ada")
    run_id = lent_run(kit, user)
    new_id = again(run_id, viewer=Viewer(user_id=user.pk), user=user)
    assert Grant.objects.get().execution == str(new_id)


def test_what_is_over_or_taken_back_is_not_lent_again(kit) -> None:  # type: ignore[no-untyped-def]
    user = User.objects.create_user("ada")
    run_id = lent_run(kit, user)
    past = timezone.now() - timedelta(seconds=1)
    for change in ({"expires_at": past}, {"revoked_at": past}):
        kept = Grant.objects.values(*change).get()
        Grant.objects.update(**change)
        assert "in somebody's name" in refused_text(run_id, viewer=Viewer(user_id=user.pk), user=user)
        Grant.objects.update(**kept)
    assert standing(run_id, viewer=Viewer(user_id=user.pk), user=user).offered


def test_files_that_it_began_with_go_with_the_later_run(kit) -> None:  # type: ignore[no-untyped-def]
    template = public(
        kit.template(
            {"name": "keep", "script": "save_data"},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "breaks", "script": kit.script(Breaks())},
        )
    )
    caller = caller_of(template)
    info = store_file(content=b"rows", name="a.csv", caller=caller)
    node = create_data_node(caller=caller, data={"upload": dict(info)})
    run_foreground(visit(template, node=node))
    kit.work()
    run = Run.objects.get()
    new_id = again(run.pk)
    TaskRoot.objects.filter(pk=run.pk).delete()
    stored = StoredFile.objects.get(pk=info["id"])
    assert stored.run_id == new_id
    assert kit.data(new_id)["upload"] == info


def test_whoever_holds_the_form_that_began_it_is_led_to_the_new_run(kit) -> None:  # type: ignore[no-untyped-def]
    template = public(
        kit.template(
            {"name": "leave", "script": "execute_in_background"}, {"name": "breaks", "script": kit.script(Breaks())}
        )
    )
    node = create_data_node(caller=caller_of(template), data={})
    run_foreground(visit(template, node=node))
    run = Run.objects.get()
    kit.work()
    new_id = again(run.pk)
    assert load_data_node(caller=caller_of(template), reference=node.reference).continued_in == new_id


def test_what_the_run_itself_saved_of_an_instance_is_no_conflict(kit) -> None:  # type: ignore[no-untyped-def]
    user, breaks = User.objects.create_user("ada"), Breaks()
    template = public(
        kit.template(
            {"name": "load", "script": "load_data"},
            {"name": "leave", "script": "execute_in_background"},
            {"name": "pay", "script": "set_data", "config": {"values": {"paid": True}}},
            {"name": "save", "script": "save_data"},
            {"name": "breaks", "script": kit.script(breaks)},
            {"name": "saveAgain", "script": "save_data"},
        )
    )
    instance = create_instance(template=template, owner=user, data={"amount": 7})
    execute_instance(instance=instance, user=user)
    kit.work()
    run = Run.objects.get()
    assert (run.status, context_node_of(instance).revision) == ("failed", 2)
    breaks.error = None
    new_id = again(run.pk, viewer=Viewer(user_id=user.pk), user=user)
    kit.work()
    assert (kit.run(new_id).status, kit.run(new_id).error) == ("completed", None)
    assert kit.run(new_id).instance_id == instance.pk
    other = User.objects.create_user("other")
    assert not standing(run.pk, viewer=Viewer(user_id=other.pk), user=other).offered


def test_it_is_written_down_who_repeats_what(kit) -> None:  # type: ignore[no-untyped-def]
    user = User.objects.create_user("ada")
    run_id, _breaks = failed_run(kit, user=user)
    new_id = again(run_id, viewer=Viewer(user_id=user.pk), user=user)
    entry = AuditEntry.objects.get(action="run.started", subject_id=new_id.hex)
    assert (entry.actor_name, entry.details["how"], entry.details["repeats"]) == ("ada", "again", str(run_id))


def test_only_what_it_began_with_is_kept_as_its_origin(kit) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = failed_run(kit)
    new_id = again(run_id)
    assert kit.run(new_id).origin == kit.run(run_id).origin
    assert StoredData.load(new_id)[1] == {}
