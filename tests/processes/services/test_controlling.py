"""Taking up runs that have ended, from the failed action or from any place, by those who may control them."""

import json
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.data_edit import DataEdit
from processes.domain.directives import Park
from processes.errors import PermanentError
from processes.models import AuditEntry, Run
from processes.services.authoring.templates import publish, save_draft
from processes.services.controlling import Known, preview_retry, preview_rewind, retry_run, rewind_run
from processes.services.errors import NotControllableError
from processes.services.repeating import repeat_run
from tasks.domain.tree import Tree
from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel
from tasks.services.losses import release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.replaying import replay
from tasks.services.work import work_off
from tests.processes.services.conftest import with_control
from tests.processes.services.test_advance import shape
from tests.processes.services.test_compensating_runs import booking, park
from tests.together import together


class Breaks:
    """Be a script that fails until it is mended."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error or PermanentError("The list is locked.")
        self.mended = False
        self.calls = 0

    def __call__(self, app: Application) -> None:
        self.calls += 1
        app.data["half"] = self.calls
        if not self.mended:
            raise self.error


def failed(kit: Any, breaks: Breaks, **options: Any) -> uuid.UUID:
    run_id: uuid.UUID = kit.start(
        {"name": "read", "script": kit.note("read")},
        {"name": "check", "script": kit.note("check")},
        {"name": "breaks", "script": kit.script(breaks, **options)},
        {"name": "last", "script": kit.note("last")},
    )
    kit.work()
    return run_id


def reason(refused: pytest.ExceptionInfo[NotControllableError]) -> str:
    return str(refused.value.fields["reason"])


# -- from the failed action -------------------------------------------------------------------------------------------


def test_a_retry_goes_on_with_the_action_that_failed_and_does_nothing_before_it_again(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = failed(kit, breaks)
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.notes == ["read", "check", "last"]
    assert kit.data(new_id) == {"read": 1, "check": 2, "half": 2, "last": 3}
    new, old = kit.run(new_id), kit.run(run_id)
    assert (new.status, old.status, new.previous_id, new.session_key) == ("completed", "failed", run_id, "s")
    assert TaskRoot.objects.get(pk=new_id).previous_id == run_id
    assert [title for title, _ in shape(new_id)] == ["Breaks", "Last"]


def test_what_the_failed_action_left_in_the_data_is_not_taken_along(kit, operator) -> None:  # type: ignore[no-untyped-def]
    seen: list[object] = []
    breaks = Breaks()
    run_id = kit.start(
        {"name": "breaks", "script": kit.script(breaks)},
        {"name": "look", "script": kit.script(lambda app: seen.append(dict(app.data)))},
    )
    kit.work()
    assert kit.data(run_id) == {"half": 1}
    breaks.mended = True
    retry_run(run_id=run_id, user=operator)
    kit.work()
    assert seen == [{"half": 2}]


def test_a_retry_in_a_sub_process_goes_on_there(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    sub = kit.template({"name": "inner", "script": kit.note("inner")}, {"name": "breaks", "script": kit.script(breaks)})
    run_id = kit.start(
        template=kit.template(
            {"name": "call", "script": "sub"},
            {"name": "after", "script": kit.note("after")},
            bindings={"sub": {"process": sub.slug}},
        )
    )
    kit.work()
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.notes == ["inner", "after"]
    assert kit.run(new_id).status == "completed"


def test_what_was_cancelled_while_it_waited_begins_that_action_anew(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(
        {"name": "read", "script": kit.note("read")}, {"name": "wait", "script": kit.script(park, durable=True)}
    )
    kit.work()
    cancel(root_id=run_id, reason="never mind")
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.notes == ["read"]
    assert (kit.run(new_id).status, kit.run(new_id).waiting_for) == ("waiting", {"code": "human"})


def test_a_compensation_that_failed_is_repaired_and_goes_on_undoing(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks, flight = Breaks(), Breaks()
    run_id = kit.start(*booking(kit, {"name": "flight", "script": kit.script(flight)})[:-1],
                       {"name": "no_hotel", "script": kit.script(breaks)})  # fmt: skip
    kit.work()
    assert kit.run(run_id).status == "failed"
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.notes == ["car", "hotel", "no car"]
    assert (kit.run(new_id).status, flight.calls) == ("compensated", 1)


def test_a_compensation_that_was_done_by_hand_is_passed_over(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = kit.start(*booking(kit, {"name": "flight", "script": kit.script(Breaks())})[:-1],
                       {"name": "no_hotel", "script": kit.script(breaks)})  # fmt: skip
    kit.work()
    new_id = retry_run(run_id=run_id, user=operator, known=Known.DONE)
    kit.work()
    assert kit.notes == ["car", "hotel", "no car"]
    assert (kit.run(new_id).status, breaks.calls) == ("compensated", 1)


# -- `once` -----------------------------------------------------------------------------------------------------------


def unknown_outcome(kit: Any) -> tuple[uuid.UUID, Breaks]:
    """Leave a run whose worker died in an action that must not run twice."""
    breaks = Breaks(KeyboardInterrupt())
    run_id = kit.start(
        {"name": "read", "script": kit.note("read")},
        {"name": "charge", "script": kit.script(breaks, effect="once"), "next": {"paid": "thank", "*": False}},
        {"name": "thank", "script": kit.note("thank")},
        {"name": "breaks", "script": kit.script(Breaks())},
    )
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    kit.work()
    assert kit.run(run_id).error["code"] == "outcome_unknown"
    return run_id, breaks


def test_nobody_knows_whether_it_was_done_so_it_is_not_done_again(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id, breaks = unknown_outcome(kit)
    with pytest.raises(NotControllableError) as refused:
        retry_run(run_id=run_id, user=operator)
    assert (reason(refused), refused.value.fields["names"]) == ("once", ["charge"])
    assert "“Charge”" in refused.value.message
    assert (Run.objects.count(), TaskRoot.objects.count(), breaks.calls) == (1, 1, 1)


def test_somebody_finds_out_that_it_was_not_done_and_lets_it_run_again(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id, breaks = unknown_outcome(kit)
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator, known=Known.NOT_DONE)
    kit.work()
    assert breaks.calls == 2
    assert kit.run(new_id).status == "completed"


def test_somebody_finds_out_that_it_was_done_and_lets_the_run_go_on_behind_it(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id, breaks = unknown_outcome(kit)
    new_id = retry_run(run_id=run_id, user=operator, known=Known.DONE, state="paid")
    kit.work()
    assert (kit.notes, breaks.calls) == (["read", "thank"], 1)
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=new_id, user=operator, ordinal=1)
    assert (reason(refused), refused.value.fields["names"]) == ("once", ["charge"]), "it counts as done from now on"


def test_where_the_last_action_was_done_the_run_ends_well(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "breaks", "script": kit.script(Breaks())})
    kit.work()
    new_id = retry_run(run_id=run_id, user=operator, known=Known.DONE)
    kit.work()
    assert kit.run(new_id).status == "completed"


# -- from any place ---------------------------------------------------------------------------------------------------


def test_a_run_is_rewound_to_a_place_and_does_what_followed_again(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = failed(kit, breaks)
    foresight = preview_rewind(run_id=run_id, user=operator, ordinal=1)
    assert [(again.action, again.effect) for again in foresight.again] == [
        ("check", "idempotent"),
        ("breaks", "idempotent"),
    ]
    breaks.mended = True
    new_id = rewind_run(run_id=run_id, user=operator, ordinal=1)
    kit.work()
    assert kit.notes == ["read", "check", "check", "last"]
    assert kit.data(new_id)["read"] == 1


def test_a_run_that_has_ended_well_is_rewound_too(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")}, {"name": "two", "script": kit.note("two")})
    kit.work()
    with pytest.raises(NotControllableError) as refused:
        retry_run(run_id=run_id, user=operator)
    assert reason(refused) == "completed"
    rewind_run(run_id=run_id, user=operator, ordinal=1)
    kit.work()
    assert kit.notes == ["one", "two", "two"]


def test_a_run_that_was_taken_up_can_be_rewound_to_before_that(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    second = retry_run(run_id=run_id, user=operator)
    kit.work()
    third = rewind_run(run_id=second, user=operator, ordinal=0)
    kit.work()
    assert kit.notes == ["read", "check", "read", "check"]
    assert kit.data(third)["check"] == 4


def test_what_a_run_began_with_lies_at_the_place_where_it_was_taken_up(kit, operator) -> None:  # type: ignore[no-untyped-def]
    """So its owner, who tries it again, does nothing again that lies before that."""
    template = kit.template(
        {"name": "charge", "script": kit.script(lambda app: kit.notes.append("charged"), effect="once")},
        {"name": "breaks", "script": kit.script(Breaks())},
    )
    template.access = "public"
    template.save()
    run_id = kit.start(template=template)
    kit.work()
    second = retry_run(run_id=run_id, user=operator)
    kit.work()
    repeat_run(run_id=second, viewer=Viewer(session_key="s"), user=operator)
    kit.work()
    assert kit.notes == ["charged"]


def test_a_once_action_that_was_undone_runs_again(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = kit.start(
        {"name": "pay", "script": kit.script(lambda app: kit.notes.append("pay"), effect="once"), "compensate": "back"},
        {"name": "breaks", "script": kit.script(breaks), "next": False},
        {"name": "back", "script": kit.note("back")},
    )
    kit.work()
    assert kit.run(run_id).status == "compensated"
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=1)
    assert (reason(refused), refused.value.fields["names"]) == ("undone", ["pay"])
    breaks.mended = True
    new_id = rewind_run(run_id=run_id, user=operator, ordinal=0)
    kit.work()
    assert kit.notes == ["pay", "back", "pay"]
    assert kit.run(new_id).status == "completed"


@pytest.mark.parametrize("ordinal", [2, 3, 99])
def test_where_the_run_waited_or_ended_or_never_was_is_no_place(kit, operator, ordinal: int) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(
        {"name": "read", "script": kit.note("read")}, {"name": "wait", "script": kit.script(park, durable=True)}
    )
    kit.work()
    cancel(root_id=run_id, reason="never mind")
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=ordinal)
    assert reason(refused) == "no_place"


# -- by the job -------------------------------------------------------------------------------------------------------


def test_a_run_that_was_set_aside_is_replayed_from_where_it_was_cut_off(kit, operator, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Its plan can't be read for a while, say, which is no matter of its process."""
    run_id = kit.start({"name": "read", "script": kit.note("read")}, {"name": "last", "script": kit.note("last")})
    Job.objects.update(retry={"attempts": 2, "delay_seconds": 0.0, "jitter": 0.0})
    with monkeypatch.context() as broken:
        broken.setattr("processes.services.claimed_run.load_plan", lambda plan_hash: 1 / 0)
        kit.work()
    assert (Job.objects.get().status, kit.run(run_id).status) == ("dead_letter", "failed")
    fresh = replay(run_id, by=Viewer(user_id=operator.pk))
    kit.work()
    new = kit.run(fresh.pk)
    assert (new.status, new.previous_id, kit.notes) == ("completed", run_id, ["read", "last"])
    entry = AuditEntry.objects.get(action="run.started", subject_id=new.pk.hex)
    assert (entry.actor_name, entry.details["how"], entry.details["repeats"]) == ("olga", "replay", str(run_id))


def test_a_replay_is_refused_as_a_retry_is_and_leaves_nothing(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id, _breaks = unknown_outcome(kit)
    with pytest.raises(IllegalTransition, match="must not be done twice"):
        replay(run_id)
    assert (Run.objects.count(), Job.objects.count(), TaskRoot.objects.count()) == (1, 1, 1)


def test_what_was_taken_up_already_is_not_replayed(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    retry_run(run_id=run_id, user=operator)
    with pytest.raises(IllegalTransition, match="repeated already"):
        replay(run_id)


# -- with edited data -------------------------------------------------------------------------------------------------


def test_data_are_edited_before_the_run_goes_on(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = failed(kit, breaks)
    breaks.mended = True
    edit = DataEdit(values={"read": "mended", "new": [1]}, removed=frozenset({"check"}), seen={"read": 1, "check": 2})
    new_id = retry_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert kit.data(new_id) == {"read": "mended", "new": [1], "half": 2, "last": 3}
    entry = AuditEntry.objects.get(action="run.started", subject_id=new_id.hex)
    assert entry.details["edited"] == ["check", "new", "read"]


def test_an_edit_of_what_was_not_so_at_that_place_is_refused(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    edit = DataEdit(values={"check": 0}, seen={"check": 2})
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=1, edit=edit)
    assert (reason(refused), refused.value.fields["names"]) == ("changed", ["check"])
    assert Run.objects.count() == 1


# -- who, and once ----------------------------------------------------------------------------------------------------


def test_only_staff_with_the_permission_learn_that_there_is_a_run(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    staff = User.objects.create_user("sam", is_staff=True)
    customer = with_control(User.objects.create_user("carl"))
    for user in (staff, customer):
        for deed in (retry_run, preview_retry, partial(rewind_run, ordinal=0), partial(preview_rewind, ordinal=0)):
            with pytest.raises(TaskNotFound):
                deed(run_id=run_id, user=user)
    with pytest.raises(TaskNotFound):
        retry_run(run_id=uuid.uuid4(), user=operator)


def test_what_is_alive_is_left_alone(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "wait", "script": kit.script(lambda app: Park(reason="human"), durable=True)})
    for _ in range(2):
        with pytest.raises(NotControllableError) as refused:
            rewind_run(run_id=run_id, user=operator, ordinal=0)
        assert reason(refused) == "alive"
        kit.work()


def test_of_several_who_take_a_run_up_at_once_one_wins(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    answers = together(*[partial(retry_run, run_id=run_id, user=operator)] * 3)
    won = [answer for answer in answers if isinstance(answer, uuid.UUID)]
    lost = [answer for answer in answers if isinstance(answer, NotControllableError)]
    assert (len(won), len(lost)) == (1, 2)
    assert {answer.fields["next"] for answer in lost} == {str(won[0])}
    assert Run.objects.count() == Job.objects.count() == 2


def test_the_new_log_is_told_from_its_beginning_and_leads_back(kit, operator) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = failed(kit, breaks)
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    tree = Tree()
    for _, body in read_updates(new_id, after=0, limit=1_000):
        tree.apply(json.loads(body))
    assert tree.snapshot() == read_snapshot(new_id).to_json()


def test_it_is_written_down_who_took_which_run_up_where(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    new_id = rewind_run(run_id=run_id, user=operator, ordinal=1)
    entry = AuditEntry.objects.get(action="run.started", subject_id=new_id.hex)
    assert entry.actor_name == "olga"
    assert entry.details == {"action": None, "how": "rewind", "repeats": str(run_id), "ordinal": 1, "steps": 2}


# -- over HTTP --------------------------------------------------------------------------------------------------------


def post(client: Client, path: str, body: object = None) -> Any:
    return client.post(path, json.dumps(body or {}), content_type="application/json")


def test_an_operator_sees_where_a_run_has_been_and_what_a_rewind_does(kit, api: Client) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    answer = api.get(f"/api/runs/{run_id}/").json()
    assert (answer["status"], answer["previous"], answer["next"]) == ("failed", None, None)
    places = api.get(f"/api/runs/{run_id}/checkpoints/").json()["checkpoints"]
    assert [(place["ordinal"], place["action"], place["is_place"], place["next"]) for place in places] == [
        (3, "breaks", False, None),
        (2, "check", True, "breaks"),
        (1, "read", True, "check"),
        (0, "", True, "read"),
    ]
    assert api.get(f"/api/runs/{run_id}/data/?ordinal=1").json() == {"data": {"read": 1}}
    looked = api.get(f"/api/runs/{run_id}/rewind/?ordinal=1").json()
    assert (looked["offered"], looked["steps"]) == (True, 2)
    assert looked["again"][0] == {
        "action": "check", "process": looked["again"][0]["process"], "effect": "idempotent", "times": 1, "undone": 0,
        "refused": False,
    }  # fmt: skip


def test_an_operator_retries_with_an_edit_and_gets_the_new_run(kit, api: Client) -> None:  # type: ignore[no-untyped-def]
    breaks = Breaks()
    run_id = failed(kit, breaks)
    breaks.mended = True
    answer = post(api, f"/api/runs/{run_id}/retry/", {"edit": {"set": {"read": 9}, "seen": {"read": 1}}})
    assert answer.status_code == 201
    kit.work()
    new_id = uuid.UUID(answer.json()["id"])
    assert kit.data(new_id)["read"] == 9
    second = post(api, f"/api/runs/{run_id}/retry/")
    assert (second.status_code, second.json()["code"]) == (409, "not_controllable")
    assert second.json()["fields"] == {"reason": "taken_up", "next": str(new_id)}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("rewind", {}),
        ("rewind", {"ordinal": True}),
        ("rewind", {"ordinal": -1}),
        ("rewind", {"ordinal": 1, "edit": {"sets": {}}}),
        ("rewind", {"ordinal": 1, "edit": {"set": {"read": 2}, "seen": {"read": 1}, "removes": ["read"]}}),
        ("retry", {"known": "perhaps"}),
        ("retry", {"state": 1}),
        ("retry", {"outcome": "done"}),
        ("retry", []),
    ],
)
def test_what_can_not_be_understood_is_refused(kit, api: Client, path: str, body: object) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    answer = api.post(f"/api/runs/{run_id}/{path}/", json.dumps(body), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert Run.objects.count() == 1


def test_for_everybody_else_there_is_no_such_run(kit, operator: User) -> None:  # type: ignore[no-untyped-def]
    run_id = failed(kit, Breaks())
    for path in ("", "checkpoints/", "data/", "retry/", "rewind/?ordinal=0"):
        assert Client().get(f"/api/runs/{run_id}/{path}").status_code == 404
    assert post(Client(), f"/api/runs/{run_id}/retry/").status_code == 404


@pytest.mark.parametrize(
    ("known", "then"),
    [(Known.NOTHING, ["pay", "after"]), (Known.NOT_DONE, ["pay", "after"]), (Known.DONE, ["after"])],
)
def test_the_action_that_failed_is_taken_up_although_its_error_was_handled(
    kit: Any, operator: User, known: Known, then: list[str]
) -> None:
    def pay(app: Application) -> None:
        kit.notes.append("pay")
        if len(kit.notes) == 1:
            raise ValueError("no")

    run_id = kit.start(
        {"name": "pay", "script": kit.script(pay)},
        {"name": "after", "script": kit.note("after")},
        {"name": "@error", "script": kit.note("told")},
    )
    kit.work()
    assert kit.notes == ["pay", "told"]
    new_id = retry_run(run_id=run_id, user=operator, known=known)
    kit.work()
    assert (kit.run(new_id).status, kit.notes[2:]) == ("completed", then)


@pytest.mark.parametrize("known", [Known.NOTHING, Known.DONE])
def test_a_once_action_that_handled_the_error_is_not_done_again_by_a_retry(
    kit: Any, operator: User, known: Known
) -> None:
    breaks = Breaks()
    run_id = kit.start(
        {"name": "pay", "script": kit.script(breaks)},
        {"name": "after", "script": kit.note("after")},
        {"name": "@error", "script": kit.script(lambda app: kit.notes.append("told"), effect="once")},
    )
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("failed", ["told"])
    assert [again.action for again in preview_retry(run_id=run_id, user=operator).again] == ["pay"]
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=run_id, user=operator, ordinal=0)
    assert (reason(refused), refused.value.fields["names"]) == ("once", ["@error"])
    breaks.mended = True
    new_id = retry_run(run_id=run_id, user=operator, known=known)
    kit.work()
    assert (kit.run(new_id).status, kit.notes) == ("completed", ["told", "after"])


def test_a_retry_that_fails_anew_handles_that_error_as_another_one(kit: Any, operator: User) -> None:
    run_id = kit.start(
        {"name": "pay", "script": kit.script(Breaks())},
        {"name": "@error", "script": kit.script(lambda app: kit.notes.append("told"), effect="once")},
    )
    kit.work()
    for count in (2, 3):
        run_id = retry_run(run_id=run_id, user=operator)
        kit.work()
        assert (kit.run(run_id).status, kit.notes) == ("failed", ["told"] * count)


@pytest.mark.parametrize(("known", "then"), [(Known.NOT_DONE, ["pay", "after"]), (Known.DONE, ["after"])])
def test_what_nobody_knew_of_is_found_out_although_its_error_was_handled(
    kit: Any, operator: User, known: Known, then: list[str]
) -> None:
    def pay(app: Application) -> None:
        kit.notes.append("pay")
        if len(kit.notes) == 1:
            raise KeyboardInterrupt

    run_id = kit.start(
        {"name": "pay", "script": kit.script(pay, effect="once")},
        {"name": "after", "script": kit.note("after")},
        {"name": "@error", "script": kit.note("told")},
    )
    with pytest.raises(KeyboardInterrupt):
        kit.work()
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert release_expired() == 1
    kit.work()
    assert (kit.run(run_id).error["code"], kit.notes) == ("outcome_unknown", ["pay", "told"])
    new_id = retry_run(run_id=run_id, user=operator, known=known)
    kit.work()
    assert (kit.run(new_id).status, kit.notes[2:]) == ("completed", then)


@pytest.mark.parametrize("newest", [False, True])
def test_what_undoes_in_a_sub_process_goes_on_by_the_plans_that_the_run_has(
    kit: Any, operator: User, newest: bool
) -> None:
    broken = [True]

    def undo(app: Application) -> None:
        kit.notes.append("undo below")
        if broken:
            raise ValueError("no")

    below = kit.template(
        {"name": "book", "script": kit.note("book"), "compensate": "undo", "next": False},
        {"name": "undo", "script": kit.script(undo)},
    )
    actions = [
        {"name": "sub", "script": "sub"},
        {"name": "fail", "script": "fail", "next": False},
        # Named as below, and nothing of theirs was done.
        {"name": "book", "script": None, "compensate": "undo", "next": False},
        {"name": "undo", "script": kit.note("undo above"), "next": False},
    ]
    template = kit.template(*actions, bindings={"sub": {"process": below.slug}})
    run_id = kit.start(template=template)
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("failed", ["book", "undo below"])
    if newest:
        definition = json.dumps([*actions, {"name": "more", "script": None}])
        save_draft(template=template, definition=definition, bindings={"sub": {"process": below.slug}})
        publish(template=template)
    broken.clear()
    new_id = retry_run(run_id=run_id, user=operator, newest=newest)
    kit.work()
    assert kit.notes == ["book", "undo below", "undo below"]
    template.refresh_from_db()
    plan_id = template.published_plan_id if newest else kit.run(run_id).plan_id
    assert (kit.run(new_id).plan_id, kit.run(new_id).status) == (plan_id, "compensated")
