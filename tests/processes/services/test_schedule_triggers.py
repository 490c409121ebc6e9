"""Triggers that start processes on a schedule."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest
from django.db import connection
from django.utils import timezone

from processes.domain.application import Application
from processes.errors import DefinitionError
from processes.models import Access, AuditEntry, Run, Trigger, TriggerFiring
from processes.services.authoring.templates import delete_template
from processes.services.errors import TriggerRefusedError
from processes.services.firing import fire_due
from processes.services.triggers import delete_trigger, fire_now, next_times, save_trigger
from tasks.services.dispatch import tick
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import action
from tests.processes.services.trigger_kit import a_process, a_trigger, a_user, make_due
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def firings(trigger: Trigger) -> list[tuple[str, str]]:
    return list(trigger.firings.order_by("id").values_list("outcome", "reason"))


# -- firing ------------------------------------------------------------------------------------------------------------


def test_the_dispatcher_starts_what_is_due_in_its_users_name(kit: RunKit) -> None:
    def take(app: Application) -> None:
        app.data["seen"] = [app.user.username, app.data["given"], app.request.parameters["of"], app.get("trigger")]

    template = kit.template(action("first", kit.note("first")), action("second", kit.script(take)))
    trigger = a_trigger(
        template=template, user=a_user("ada"), action="second", data={"given": 1}, parameters={"of": "night"}
    )
    due_at = make_due(trigger)
    assert tick().other == 1

    firing = trigger.firings.get()
    assert (firing.outcome, firing.due_at) == ("started", due_at)
    assert kit.notes == [], "only a worker runs it"
    kit.work()
    told = {"id": str(trigger.pk), "title": "Nightly", "kind": "schedule", "due_at": due_at.isoformat()}
    assert kit.data(firing.run_id)["seen"] == ["ada", 1, "night", told]
    trigger.refresh_from_db()
    assert trigger.next_at == next_three_o_clock()


def next_three_o_clock() -> datetime:
    now = timezone.now()
    today = now.astimezone(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def test_what_is_not_due_is_left_alone() -> None:
    a_trigger()
    assert fire_due(limit=10) == 0
    assert TriggerFiring.objects.count() == 0


def test_a_due_time_is_acted_on_once_even_where_it_comes_again() -> None:
    trigger = a_trigger()
    due_at = make_due(trigger)
    assert fire_due(limit=10) == 1
    # A clock that was set back, or an edited schedule that was edited back.
    Trigger.objects.filter(pk=trigger.pk).update(next_at=due_at)
    assert fire_due(limit=10) == 1
    assert (firings(trigger), Run.objects.count()) == ([("started", "")], 1)


def test_several_dispatchers_start_it_once() -> None:
    triggers = [a_trigger() for _ in range(3)]
    for trigger in triggers:
        make_due(trigger)
    done = together(*[lambda: fire_due(limit=10)] * 4)
    assert (sum(done), Run.objects.count()) == (3, 3)
    assert fire_due(limit=10) == 0


def test_a_batch_is_bounded_and_the_longest_due_come_first() -> None:
    late, later = a_trigger(), a_trigger()
    make_due(late)
    make_due(later, ago=timedelta(seconds=30))
    assert fire_due(limit=1) == 1
    assert (late.firings.count(), later.firings.count()) == (0, 1)


MISSED = [(True, [("started", "")]), (False, [("skipped", "It was missed.")])]


@pytest.mark.parametrize(("catches_up", "told"), MISSED)
def test_after_a_downtime_what_was_missed_is_made_up_for_once_or_passed_over(
    catches_up: bool, told: list[tuple[str, str]]
) -> None:
    trigger = a_trigger(cron="0 */2 * * *", catches_up=catches_up)
    Trigger.objects.filter(pk=trigger.pk).update(next_at=timezone.now() - timedelta(days=400))
    # So that it never was the latest time just now.
    Trigger.objects.filter(pk=trigger.pk).update(cron=f"{(timezone.now().minute + 30) % 60} */2 * * *")
    assert (fire_due(limit=10), fire_due(limit=10)) == (1, 0)
    assert (firings(trigger), Run.objects.count()) == (told, int(catches_up))
    trigger.refresh_from_db()
    assert trigger.next_at is not None
    assert trigger.next_at > timezone.now()


def test_a_time_span_keeps_its_pace_whenever_it_is_looked_at() -> None:
    trigger = a_trigger(every_seconds=600)
    due_at = make_due(trigger, ago=timedelta(seconds=1_300))
    assert fire_due(limit=10) == 1
    trigger.refresh_from_db()
    assert trigger.next_at == due_at + timedelta(seconds=1_800)
    assert trigger.firings.get().due_at == due_at + timedelta(seconds=1_200)


REFUSALS: list[tuple[str, Callable[[Trigger], object]]] = [
    ("inactive", lambda trigger: type(trigger.user).objects.update(is_active=False)),  # type: ignore[union-attr]
    ("inactive", lambda trigger: trigger.user.delete()),  # type: ignore[union-attr]
    ("may not execute", lambda trigger: type(trigger.template).objects.update(access=Access.STAFF)),
    ("isn't published", lambda trigger: type(trigger.template).objects.update(published_plan=None)),
    ('no action "gone"', lambda trigger: Trigger.objects.update(action="gone")),
]


@pytest.mark.parametrize(("reason", "spoil"), REFUSALS)
def test_what_can_not_start_is_told_once_and_due_again_next_time(
    reason: str, spoil: Callable[[Trigger], object]
) -> None:
    trigger, sound = a_trigger(), a_trigger(user=a_user(is_superuser=True), action="")
    make_due(trigger, ago=timedelta(seconds=2))
    spoil(trigger)
    Trigger.objects.filter(pk=sound.pk).update(action="")
    assert fire_due(limit=10) == 1
    assert fire_due(limit=10) == 0
    (firing,) = trigger.firings.all()
    assert (firing.outcome, firing.run_id) == ("failed", None)
    assert reason in firing.reason
    assert Run.objects.count() == 0
    trigger.refresh_from_db()
    assert trigger.next_at == next_three_o_clock()


def test_what_fails_unexpectedly_is_logged_and_told_without_its_words(
    kit: RunKit, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = a_trigger()
    make_due(trigger)
    with connection.execute_wrapper(failing_at("processes_run ")), caplog.at_level(logging.ERROR):
        assert fire_due(limit=10) == 1
    assert firings(trigger) == [("failed", "It failed unexpectedly: the log of this site has the details.")]
    assert "the disk sings" in caplog.text


def test_a_trigger_whose_schedule_can_not_be_read_any_more_stops_no_other_one(kit: RunKit) -> None:
    broken, sound = a_trigger(), a_trigger()
    due_at = make_due(broken, ago=timedelta(seconds=2))
    make_due(sound)
    Trigger.objects.filter(pk=broken.pk).update(time_zone="US/Pacific-New")
    assert fire_due(limit=1) == 1
    assert fire_due(limit=1) == 1
    assert firings(sound) == [("started", "")]
    assert firings(broken) == [("failed", "It failed unexpectedly: the log of this site has the details.")]
    assert broken.firings.get().due_at == due_at
    broken.refresh_from_db()
    assert broken.next_at is None
    assert next_times(broken) == []


def failing_at(table: str) -> Callable[..., object]:
    def wrap(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        if f"INSERT INTO {table}" in sql.replace('"', ""):
            raise RuntimeError("the disk sings")
        return execute(sql, params, many, context)

    return wrap


# -- setting up --------------------------------------------------------------------------------------------------------


def test_editing_takes_effect_at_once_and_only_a_changed_schedule_begins_anew() -> None:
    trigger = a_trigger(every_seconds=600)
    before = trigger.next_at
    trigger.title, trigger.data = "Another name", {"more": 1}
    save_trigger(trigger=trigger, editor=trigger.user)
    trigger.refresh_from_db()
    assert (trigger.title, trigger.next_at) == ("Another name", before)

    trigger.every_seconds, trigger.cron, trigger.time_zone = None, "30 4 * * *", "Asia/Tokyo"
    save_trigger(trigger=trigger, editor=trigger.user)
    trigger.refresh_from_db()
    assert trigger.next_at is not None
    assert trigger.next_at.astimezone(UTC).strftime("%H:%M") == "19:30"


def test_what_is_disabled_is_never_due_and_enabled_again_makes_up_for_nothing() -> None:
    trigger = a_trigger(every_seconds=600, enabled=False)
    assert (trigger.next_at, next_times(trigger)) == (None, [])
    trigger.enabled = True
    save_trigger(trigger=trigger, editor=trigger.user)
    assert trigger.next_at is not None
    assert timezone.now() < trigger.next_at <= timezone.now() + timedelta(seconds=600)


def test_saving_what_was_loaded_before_a_firing_undoes_none_of_it() -> None:
    trigger = a_trigger(every_seconds=600)
    make_due(trigger)
    loaded = Trigger.objects.get(pk=trigger.pk)
    fire_due(limit=10)
    fired = Trigger.objects.get(pk=trigger.pk).next_at
    loaded.title = "Renamed meanwhile"
    save_trigger(trigger=loaded, editor=trigger.user)
    assert Trigger.objects.get(pk=trigger.pk).next_at == fired


def test_the_next_five_times_are_told_in_the_triggers_own_zone() -> None:
    trigger = a_trigger(cron="30 2 * * *", time_zone="Europe/Berlin")
    times = next_times(trigger)
    assert len(times) == 5
    # In a March night it would be three.
    assert {moment.strftime("%H:%M") for moment in times} <= {"02:30", "03:00"}
    assert str(times[0].tzinfo) == "Europe/Berlin"


PROBLEMS = [
    ({"cron": "61 * * * *"}, "/cron", "line of crontab"),
    ({"cron": ""}, "/cron", "either"),
    ({"cron": "* * * * *", "every_seconds": 60}, "/cron", "either"),
    ({"every_seconds": 5}, "/every_seconds", "from 10 seconds"),
    ({"every_seconds": 40_000_000}, "/every_seconds", "to a year"),
    ({"time_zone": "Berlin"}, "/time_zone", "time zone"),
    ({"action": "missing"}, "/action", "no action"),
    ({"action": "missing?"}, "/action", "nothing at all"),
    ({"title": " "}, "/title", "title"),
    ({"data": [1]}, "/data", "JSON object"),
    ({"data": {"k" * 201: 1}}, "/data", "at most 200"),
    ({"parameters": {"x": "\0"}}, "/parameters", "/x"),
]


@pytest.mark.parametrize(("columns", "path", "message"), PROBLEMS)
def test_what_is_wrong_is_told_at_its_place(columns: dict[str, object], path: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        a_trigger(**columns)
    assert [problem.path for problem in refused.value.problems] == [path]
    assert message in refused.value.problems[0].message
    assert Trigger.objects.count() == 0


def test_a_process_that_is_not_published_or_not_the_users_to_execute_is_refused() -> None:
    closed = a_process()
    closed.access = Access.STAFF
    closed.save()
    with pytest.raises(DefinitionError, match="may not execute"):
        a_trigger(template=closed)
    a_trigger(template=closed, user=a_user(is_staff=True))


def test_nobody_lets_a_trigger_run_in_somebody_elses_name_but_an_administrator() -> None:
    editor, other, admin = a_user(), a_user(), a_user(is_superuser=True)
    trigger = a_trigger(user=editor)
    trigger.user = other
    with pytest.raises(DefinitionError, match="somebody else"):
        save_trigger(trigger=trigger, editor=editor)
    save_trigger(trigger=trigger, editor=admin)
    trigger.refresh_from_db()
    assert trigger.user == other

    # Now it is no longer theirs: not even in small things.
    trigger.title = "Mine again"
    for deed in (save_trigger, delete_trigger, fire_now):
        with pytest.raises(TriggerRefusedError):
            deed(trigger=trigger, editor=editor)
    assert Run.objects.count() == 0


def test_whose_user_is_gone_may_be_taken_over() -> None:
    trigger, editor = a_trigger(), a_user()
    assert trigger.user is not None
    trigger.user.delete()
    trigger.refresh_from_db()
    trigger.user = editor
    save_trigger(trigger=trigger, editor=editor)
    assert Trigger.objects.get().user == editor


def test_fired_now_it_starts_at_once_even_while_it_is_disabled_and_keeps_its_times(kit: RunKit) -> None:
    trigger = a_trigger(enabled=False)
    first, second = (fire_now(trigger=trigger, editor=trigger.user) for _ in range(2))
    assert first != second
    kit.work()
    assert {kit.run(first).status, kit.run(second).status} == {"completed"}
    trigger.refresh_from_db()
    assert trigger.next_at is None


def test_a_deleted_template_takes_its_triggers_along_and_the_audit_log_tells() -> None:
    trigger, admin = a_trigger(user=a_user("ada")), a_user("root", is_superuser=True)
    delete_template(template=trigger.template, user=admin)
    assert Trigger.objects.count() == 0
    entry = AuditEntry.objects.get(action="trigger.deleted")
    assert (entry.actor_name, entry.subject_name, entry.details["user"]) == ("root", "Nightly", "ada")


def test_deleted_it_leaves_its_runs() -> None:
    trigger = a_trigger()
    run_id = fire_now(trigger=trigger, editor=trigger.user)
    delete_trigger(trigger=trigger, editor=trigger.user)
    assert (Run.objects.get().pk, TriggerFiring.objects.count()) == (run_id, 0)


def test_a_purged_run_leaves_the_firing_with_its_id() -> None:
    trigger = a_trigger()
    run_id = fire_now(trigger=trigger, editor=trigger.user)
    Run.objects.get().root.delete()
    (firing,) = TriggerFiring.objects.select_related("run")
    assert (firing.run_id, firing.run) == (run_id, None)


def test_the_audit_log_tells_who_set_it_up_and_in_whose_name_it_ran() -> None:
    user, admin = a_user("ada"), a_user("root", is_superuser=True)
    trigger = a_trigger(user=user, data={"secret": "in the data"})
    trigger.title = "Each night"
    save_trigger(trigger=trigger, editor=user)
    make_due(trigger)
    fire_due(limit=1)
    fire_now(trigger=trigger, editor=admin)
    delete_trigger(trigger=trigger, editor=admin)
    rows = AuditEntry.objects.order_by("id").exclude(subject_kind="processtemplate")
    told = [(row.action, row.actor_name, row.authority_name, row.details) for row in rows]
    about = {"kind": "schedule", "template": trigger.template.slug, "user": "ada", "enabled": True}
    assert told == [
        ("trigger.created", "ada", "", about),
        ("trigger.edited", "ada", "", {**about, "changed": ["title"]}),
        ("run.started", "Stepline", "ada", {"action": "begin", "how": "schedule", "trigger": ANY}),
        ("run.started", "root", "ada", {"action": "begin", "how": "trigger", "trigger": ANY}),
        ("trigger.deleted", "root", "", about),
    ]
