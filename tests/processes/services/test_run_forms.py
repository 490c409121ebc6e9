"""Durable runs wait at forms, and go on with the answer of whoever may give it."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from processes.domain.application import Application
from processes.errors import PermanentError
from processes.models import AuditEntry, InboxItem, Run, RunForm, RunFormAudience, RunFormEntry, StoredFile
from processes.services.controlling import retry_run
from processes.services.errors import FormClosedError, FormNotFoundError, SignInRequiredError
from processes.services.files import open_file
from processes.services.form_answers import answer_form_of_run, keep_typed
from processes.services.form_audience import find_audience, meant_by
from processes.services.host import caller_of
from processes.services.operators import pause_run, unpause_run
from processes.services.run_forms import form_instead, forms_for, forms_in_tree
from tasks.models import Job
from tasks.services.cancelling import cancel
from tasks.services.jobs import wake_due
from tests.processes.form_answer_kit import answer, ask, form_of, found, person, visitor

OWNER = visitor(session="s")


def waiting(kit: Any, *actions: dict[str, Any], **options: Any) -> Any:
    run_id = kit.start(*actions, **options)
    kit.work()
    return run_id


def passes(run_id: Any) -> None:
    """Let the time of what waits be over, and the dispatcher notice."""
    Job.objects.filter(pk=run_id, status="waiting").update(wake_at=timezone.now() - timedelta(seconds=1))
    wake_due()


def blank(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "script": None, **keys}


def simple(kit: Any, **config: Any) -> Any:
    return waiting(
        kit,
        ask(**config),
        {"name": "skipped", "script": kit.note("skipped")},
        {"name": "after", "script": kit.note("after")},
    )


# -- waiting and going on ---------------------------------------------------------------------------------------------


def test_a_run_waits_at_a_form_and_says_for_what(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit, title="Approve it")
    run = kit.run(run_id)
    assert (run.status, run.waiting_for) == ("waiting", {"code": "form", "title": "Approve it", "action": "ask"})
    assert Job.objects.get().status == "waiting"
    assert (form_of(run_id).title, kit.notes) == ("Approve it", [])


def test_what_waits_for_whom_is_not_told_to_those_who_follow(kit) -> None:  # type: ignore[no-untyped-def]
    person("ann")
    run_id = simple(kit, answered_by={"users": ["ann"]})
    assert set(kit.run(run_id).waiting_for) == {"code", "title", "action"}
    assert "audience" not in str(Job.objects.get().__dict__)


def test_it_goes_on_where_the_button_leads_with_the_values_among_its_data(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit)
    answer(run_id, OWNER, {"text": "yes"})
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["after"], "completed")
    assert kit.data(run_id) == {"text": "yes", "after": 1}


def test_conditions_can_ask_which_button_was_pressed(kit) -> None:  # type: ignore[no-untyped-def]
    seen = []
    see = kit.script(lambda app: seen.append(app.request.parameters.get("button")))
    buttons = [{"label": "No", "action": "see", "name": "no"}]
    run_id = waiting(kit, ask(leads_to="other", buttons=buttons), blank("other"), {"name": "see", "script": see})
    answer(run_id, OWNER, {"text": "x"}, button="no")
    kit.work()
    assert seen == ["no"]


def test_a_button_that_leaves_takes_no_values_along(kit) -> None:  # type: ignore[no-untyped-def]
    buttons = [{"label": "Never mind", "does": "leave", "action": "after"}]
    run_id = simple(kit, buttons=buttons)
    answer(run_id, OWNER, None, button="leave-1")
    kit.work()
    assert (kit.run(run_id).status, kit.data(run_id)) == ("completed", {"after": 1})


def test_forms_follow_each_other(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(
        kit, ask("first", leads_to="second"), ask("second", fields=[{"name": "more"}]),
        {"name": "after", "script": kit.note("after")},
    )  # fmt: skip
    answer(run_id, OWNER, {"text": "1"})
    kit.work()
    assert (form_of(run_id).name, RunForm.objects.filter(closed_at=None).count()) == ("second", 1)
    answer(run_id, OWNER, {"more": "2"})
    kit.work()
    assert kit.data(run_id) == {"text": "1", "more": "2", "after": 1}


def test_an_answer_that_comes_before_the_run_has_parked_again_is_taken(kit, operator) -> None:  # type: ignore[no-untyped-def]
    """Paused runs keep what was said until they go on."""
    run_id = simple(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    answer(run_id, OWNER, {"text": "kept"})
    kit.work()
    assert (kit.notes, kit.run(run_id).waiting_for["code"]) == ([], "paused")
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(run_id).status, kit.data(run_id)["text"]) == ("completed", "kept")


def test_a_run_that_was_paused_and_goes_on_waits_at_the_same_form(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit)
    reference = form_of(run_id).reference
    pause_run(run_id=run_id, user=operator)
    kit.work()
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert [form.reference for form in forms_for(OWNER)] == [reference]
    assert kit.run(run_id).waiting_for["code"] == "form"


def test_a_form_of_a_sub_process_leads_to_an_action_there(kit) -> None:  # type: ignore[no-untyped-def]
    inner = kit.template(ask(leads_to="inside"), blank("passed"), {"name": "inside", "script": kit.note("inside")})
    binding = {"sub": {"process": inner.slug}}
    template = kit.template(
        {"name": "sub", "script": "sub"}, {"name": "last", "script": kit.note("last")}, bindings=binding
    )
    run_id = waiting(kit, template=template)
    answer(run_id, OWNER, {"text": "x"})
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["inside", "last"], "completed")


def test_a_form_in_a_branch_of_a_fan_out_is_answered_there(kit) -> None:  # type: ignore[no-untyped-def]
    branches = {"branches": {"one": "ask", "two": "quick"}, "into": "results"}
    run_id = waiting(
        kit,
        {"name": "both", "script": "run_parallel", "config": branches, "next": False},
        ask("ask", leads_to="quick"),
        {"name": "quick", "script": kit.note("quick"), "next": False},
    )
    form = RunForm.objects.get()
    assert form.run_id != run_id
    answer(form.run_id, OWNER, {"text": "x"})
    kit.work()
    assert kit.run(run_id).status == "completed", kit.run(run_id).error


# -- the ways in which the waiting ends otherwise ---------------------------------------------------------------------


def test_the_time_limit_of_the_action_ends_the_waiting(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(
        kit, ask(timeout_seconds=60), blank("after", next=False),
        {"name": "@error", "script": kit.note("late")},
    )  # fmt: skip
    form = form_of(run_id)
    assert form.until is not None
    passes(run_id)
    with pytest.MonkeyPatch.context() as patch:
        later = form.until + timedelta(seconds=1)
        patch.setattr("processes.services.hearing_run.timezone.now", lambda: later)
        kit.work()
    form.refresh_from_db()
    assert (kit.notes, form.outcome) == (["late"], "timeout")
    with pytest.raises(FormClosedError, match="time for “Ask” is up"):
        found(run_id, OWNER)


def test_an_action_that_is_tried_again_after_its_time_asks_anew(kit) -> None:  # type: ignore[no-untyped-def]
    again = {**ask(timeout_seconds=60), "retry": {"attempts": 2, "delay_seconds": 0}}
    run_id = waiting(kit, again, {"name": "after", "script": kit.note("after")})
    first = form_of(run_id)
    passes(run_id)
    with pytest.MonkeyPatch.context() as patch:
        later = timezone.now() + timedelta(seconds=61)
        patch.setattr("processes.services.hearing_run.timezone.now", lambda: later)
        kit.work()
    Job.objects.filter(pk=run_id).update(due_at=timezone.now() - timedelta(seconds=1))
    kit.work()
    first.refresh_from_db()
    assert (first.outcome, form_of(run_id).ordinal > first.ordinal) == ("timeout", True)
    answer(run_id, OWNER, {"text": "at last"})
    kit.work()
    assert (kit.run(run_id).status, kit.data(run_id)["text"]) == ("completed", "at last")


def test_a_loop_asks_for_each_item_in_a_run_of_its_own(kit) -> None:  # type: ignore[no-untyped-def]
    loop = {"items": [1, 2], "action": "ask", "collect": ["text"], "into": "said"}
    run_id = waiting(
        kit,
        {"name": "each", "script": "for_each", "config": loop, "next": False},
        ask("ask", title="Item %{data:item}", leads_to="over"),
        blank("over", next=False),
    )
    forms = forms_in_tree(run_id, visitor=OWNER)
    assert sorted(form.title for form in forms) == ["Item 1", "Item 2"]
    for form in forms:
        answer(form.run_id, OWNER, {"text": form.title})
        kit.work()
    run = kit.run(run_id)
    assert run.status == "completed", run.error
    assert "Item 2" in str(kit.data(run_id)["said"])


def test_an_execution_that_follows_asks_anew(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, {"name": "read", "script": kit.note("read")}, ask(), blank("after"))
    cancel(root_id=run_id, reason="a mistake")
    kit.work()
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    old, new = form_of(run_id), form_of(new_id)
    assert (old.outcome, new.closed_at) == ("cancelled", None)
    assert form_instead(old, visitor=OWNER) == new
    answer(new_id, OWNER, {"text": "x"})
    kit.work()
    assert (kit.notes, kit.run(new_id).status) == (["read"], "completed")


def test_a_cancelled_run_waits_for_no_answer(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit)
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert (kit.run(run_id).status, form_of(run_id).outcome) == ("cancelled", "cancelled")
    with pytest.raises(FormClosedError, match="cancelled") as refused:
        found(run_id, OWNER)
    assert refused.value.fields["outcome"] == "cancelled"
    assert list(forms_for(OWNER)) == []


def test_a_run_with_something_to_undo_closes_its_form_when_it_is_cancelled(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(
        kit,
        {"name": "book", "script": kit.note("book"), "compensate": "unbook"},
        ask(),
        blank("after", next=False),
        {"name": "unbook", "script": kit.note("unbook"), "next": False},
    )
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert (kit.notes, form_of(run_id).outcome) == (["book", "unbook"], "cancelled")


def test_what_undoes_may_ask(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(
        kit,
        {"name": "book", "script": kit.note("book"), "compensate": "ask"},
        {"name": "break", "script": "fail", "config": {"message": "broken"}, "next": False},
        ask("ask", leads_to="never"),
        {"name": "never", "script": kit.note("never"), "next": False},
    )
    assert kit.run(run_id).status == "compensating"
    answer(run_id, OWNER, {"text": "undone by hand"})
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["book"], "compensated")
    assert kit.data(run_id)["text"] == "undone by hand"


def test_a_form_that_error_shows_resets_the_error_with_its_answer(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(
        kit,
        {"name": "break", "script": "fail", "config": {"message": "broken"}},
        {"name": "repaired", "script": kit.note("repaired")},
        ask("@error", leads_to="repaired"),
    )
    answer(run_id, OWNER, {"text": "by hand"})
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["repaired"], "completed")


def test_a_form_below_a_call_from_code_fails_with_the_code_of_all_that_waits_there(kit) -> None:  # type: ignore[no-untyped-def]
    call = kit.script(lambda app: app.invoke("ask"))
    run_id = waiting(kit, {"name": "call", "script": call, "next": False}, ask(), blank("after"))
    assert kit.run(run_id).error["code"] == "durable_in_call"
    assert not RunForm.objects.exists()


# -- who may ----------------------------------------------------------------------------------------------------------


def may(run_id: Any, who: Any) -> bool:
    try:
        found(run_id, who)
    except FormNotFoundError:
        return False
    return True


AUDIENCES = [
    ("the owner by default", {}, {"olive"}),
    ("the owner", {"answered_by": "owner"}, {"olive"}),
    ("staff", {"answered_by": "staff"}, {"stan"}),
    ("users", {"answered_by": {"users": ["ann", "bob"]}}, {"ann", "bob"}),
    ("a group", {"answered_by": {"groups": ["clerks"]}}, {"clara"}),
    ("a name in the data", {"answered_by": {"data": "approver"}}, {"bob"}),
    ("ids in the data", {"answered_by": {"data": "deep.ids"}}, {"ann"}),
    ("several rules", {"answered_by": {"owner": True, "groups": ["clerks"]}}, {"olive", "clara"}),
]  # fmt: skip


@pytest.mark.parametrize(("config", "allowed"), [row[1:] for row in AUDIENCES], ids=[row[0] for row in AUDIENCES])
def test_the_rules_say_who_may(kit, config, allowed) -> None:  # type: ignore[no-untyped-def]
    people = {
        "olive": person("olive"), "ann": person("ann"), "bob": person("bob"), "clara": person("clara", "clerks"),
        "stan": person("stan", is_staff=True), "root": person("root", is_superuser=True),
    }  # fmt: skip
    data = {"approver": "bob", "deep": {"ids": [people["ann"].pk]}}
    run_id = waiting(kit, ask(**config), blank("after"), user=people["olive"], data=data)
    assert {name for name, user in people.items() if may(run_id, visitor(user))} == allowed
    assert {name for name, user in people.items() if forms_for(visitor(user)).exists()} == allowed
    with pytest.raises(SignInRequiredError):
        found(run_id, visitor(session="s"))


def test_whoever_is_deleted_inactive_or_has_left_the_group_may_no_longer(kit) -> None:  # type: ignore[no-untyped-def]
    ann, clara, ina = person("ann"), person("clara", "clerks"), person("ina")
    run_id = simple(kit, answered_by={"users": ["ann", "ina"], "groups": ["clerks"]})
    assert all(may(run_id, visitor(user)) for user in (ann, clara, ina))
    clara.groups.clear()
    User.objects.filter(pk=ina.pk).update(is_active=False)
    ina.refresh_from_db()
    assert not may(run_id, visitor(clara))
    assert not may(run_id, visitor(ina))
    ann.delete()
    assert not RunFormAudience.objects.filter(user__isnull=False).exclude(user=ina).exists()


def test_whoever_comes_into_the_group_later_may(kit) -> None:  # type: ignore[no-untyped-def]
    late, _ = person("late"), Group.objects.create(name="clerks")
    run_id = simple(kit, answered_by={"groups": ["clerks"]})
    late.groups.add(Group.objects.get(name="clerks"))
    assert may(run_id, visitor(late))


NOBODY = [
    ({"users": ["nobody"]}, 'there is no user "nobody"'),
    ({"groups": ["none"]}, 'there is no group "none"'),
    ({"data": "missing"}, "data.missing names no user"),
    ({"data": "number"}, 'there is no user "77"'),
    ({"data": "empty"}, "an empty list"),
]


@pytest.mark.parametrize(("rule", "said"), NOBODY)
def test_a_rule_that_names_nobody_is_an_error_of_the_action(kit, rule, said) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit, ask(answered_by=rule), blank("after"), data={"number": 77, "empty": []})
    error = kit.run(run_id).error
    assert (error["code"], error["action"]) == ("form_audience", "ask")
    assert said in error["message"]


def test_nobodys_run_cannot_ask_its_owner(kit) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PermanentError, match="the run is nobody's") as refused:
        find_audience(meant_by(None), data={}, has_owner=False)
    assert refused.value.code == "form_audience"
    assert find_audience(meant_by("staff"), data={}, has_owner=False).staff


def test_which_forms_wait_for_me_is_one_query_however_many_there_are(kit, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    clara = person("clara", "clerks")
    for _ in range(3):
        simple(kit, answered_by={"groups": ["clerks"]})
    with django_assert_num_queries(1):
        assert [form.run.root.title for form in forms_for(visitor(clara))] == ["A process"] * 3


# -- several people ---------------------------------------------------------------------------------------------------


def test_of_two_who_answer_the_same_form_one_wins_and_the_other_is_told_by_whom(kit) -> None:  # type: ignore[no-untyped-def]
    ann, bob = person("ann"), person("bob")
    run_id = simple(kit, answered_by={"users": ["ann", "bob"]})
    late = found(run_id, visitor(bob))
    answer(run_id, visitor(ann), {"text": "from ann"})
    with pytest.raises(FormClosedError, match="answered by ann") as refused:
        answer_form_of_run(late, button=late.config.button(""), values={"text": "from bob"})
    assert refused.value.fields["by"] == "ann"
    kit.work()
    assert kit.data(run_id)["text"] == "from ann"
    assert InboxItem.objects.filter(run_id=run_id, kind="answer").count() == 1


def test_of_two_who_answer_at_the_same_moment_one_wins(kit) -> None:  # type: ignore[no-untyped-def]
    people = [person("ann"), person("bob")]
    run_id = simple(kit, answered_by={"users": ["ann", "bob"]})
    results: list[str] = []
    gate = threading.Barrier(2)

    def send(user: User) -> None:
        try:
            gate.wait(timeout=10)
            answer(run_id, visitor(user), {"text": user.username})
            results.append(user.username)
        except FormClosedError:
            results.append("told")
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    kit.work()
    winner = next(name for name in results if name != "told")
    assert sorted(results) == sorted([winner, "told"])
    assert (kit.data(run_id)["text"], kit.run(run_id).status) == (winner, "completed")


def test_the_audit_log_says_who_has_answered_and_how(kit) -> None:  # type: ignore[no-untyped-def]
    ann = person("ann")
    run_id = simple(kit, answered_by={"users": ["ann"]}, title="Approve it")
    answer(run_id, visitor(ann), {"text": "secret"})
    entry = AuditEntry.objects.get(action="form.answered")
    assert (entry.actor_name, entry.subject_id, entry.subject_name) == ("ann", run_id.hex, "Approve it")
    assert entry.details == {"form": "ask", "step": 1, "button": "submit", "how": "form"}


# -- what is typed ----------------------------------------------------------------------------------------------------


def test_what_somebody_has_typed_is_kept_for_them_alone(kit) -> None:  # type: ignore[no-untyped-def]
    ann, bob = person("ann"), person("bob")
    run_id = simple(kit, answered_by={"users": ["ann", "bob"]})
    keep_typed(found(run_id, visitor(ann)), {"text": "half"})
    assert found(run_id, visitor(ann)).entered == {"text": "half"}
    assert found(run_id, visitor(bob)).entered == {}
    answer(run_id, visitor(ann), {"text": "whole"})
    assert not RunFormEntry.objects.exists()


def test_a_file_in_an_answer_is_the_runs_and_its_scripts_can_read_it(kit) -> None:  # type: ignore[no-untyped-def]
    read: list[bytes] = []

    def script(app: Application) -> None:
        with open_file(app.data["paper"], caller=caller_of(app)) as file:
            read.append(file.read())

    ann, olive = person("ann"), person("olive")
    run_id = waiting(
        kit, ask(fields=[{"name": "paper", "type": "file"}], answered_by={"users": ["ann"]}),
        {"name": "after", "script": kit.script(script)}, user=olive,
    )  # fmt: skip
    answer(run_id, visitor(ann), {"paper": SimpleUploadedFile("a.txt", b"signed")})
    kit.work()
    assert (kit.run(run_id).status, read) == ("completed", [b"signed"])
    stored = StoredFile.objects.get()
    assert (stored.run_id, stored.owner_id) == (run_id, olive.pk)


def test_files_of_an_answer_that_came_too_late_are_not_kept(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit, fields=[{"name": "paper", "type": "file"}])
    late = found(run_id, OWNER)
    answer(run_id, OWNER, {"paper": SimpleUploadedFile("a.txt", b"first")})
    with pytest.raises(FormClosedError):
        answer_form_of_run(late, button=late.config.button(""), values={"paper": SimpleUploadedFile("b.txt", b"late")})
    assert [stored.name for stored in StoredFile.objects.all()] == ["a.txt"]


def test_a_kept_file_goes_when_another_takes_its_place(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit, fields=[{"name": "paper", "type": "file"}])
    keep_typed(found(run_id, OWNER), {"paper": SimpleUploadedFile("a.txt", b"first")})
    kept = keep_typed(found(run_id, OWNER), {"paper": SimpleUploadedFile("b.txt", b"second")})
    assert [stored.name for stored in StoredFile.objects.all()] == ["b.txt"]
    answer(run_id, OWNER, {"paper": kept["paper"]})
    kit.work()
    assert kit.data(run_id)["paper"]["name"] == "b.txt"


def test_everything_of_a_form_goes_with_its_run(kit) -> None:  # type: ignore[no-untyped-def]
    run_id = simple(kit)
    keep_typed(found(run_id, OWNER), {"text": "half"})
    Run.objects.get(pk=run_id).root.delete()
    assert [model.objects.count() for model in (RunForm, RunFormAudience, RunFormEntry)] == [0, 0, 0]
