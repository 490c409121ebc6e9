"""The audit log: what is written, and that nobody changes it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import post_save
from django.test import Client

from processes.models import AuditEntry, Run
from processes.services import audit
from tasks.domain.statuses import JobStatus
from tasks.models import Job
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel, request_cancel
from tests.processes.services.published import action, form, page, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry() -> AuditEntry:
    audit.record("run.started", actor=audit.Actor(id="1", name="ada"), kind="run", subject_id="7")
    return AuditEntry.objects.get()


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.save(),
        lambda entry: entry.delete(),
        lambda entry: AuditEntry.objects.update(actor_name="x"),
        lambda entry: AuditEntry.objects.filter(pk=entry.pk).update(actor_name="x"),
        lambda entry: AuditEntry.objects.filter(pk=entry.pk).delete(),
        lambda entry: AuditEntry.objects.all().delete(),
        lambda entry: AuditEntry.objects.bulk_update([entry], ["actor_name"]),
        lambda entry: AuditEntry.objects.update_or_create(pk=entry.pk, defaults={"actor_name": "x"}),
    ],
)
def test_django_changes_no_entry(entry: AuditEntry, change: Callable[[AuditEntry], object]) -> None:
    with pytest.raises(TypeError, match="only ever added to"):
        change(entry)
    assert AuditEntry.objects.get().actor_name == "ada"


def test_the_database_itself_changes_no_entry(entry: AuditEntry) -> None:
    table = AuditEntry._meta.db_table
    statements = [f"UPDATE {table} SET actor_name = 'x'"]
    if connection.vendor == "postgresql":
        statements.append(f"DELETE FROM {table}")
    for statement in statements:
        with (
            pytest.raises(DatabaseError, match="only ever added to"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        AuditEntry.objects.bulk_create(
            [AuditEntry(pk=entry.pk, action="x", subject_kind="y")],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["action"],
        )
    assert AuditEntry.objects.get().actor_name == "ada"


def test_an_entry_outlives_those_it_tells_of(client: Client) -> None:
    user = User.objects.create_user("ada")
    client.force_login(user)
    template = publish_process("steps", [page("first", "x"), page("second", "y")])
    client.post("/p/steps/", {"action": "second"})
    template.delete()
    user.delete()
    told = AuditEntry.objects.get(action="run.started")
    assert (told.actor_name, told.subject_name, told.details) == (
        "ada", "Steps", {"action": "second", "how": "page"},
    )  # fmt: skip


def test_what_is_submitted_is_recorded_and_what_is_opened_is_not(client: Client) -> None:
    publish_process("steps", [form("ask", "done", {"name": "x"}), page("done", "thanks")])
    client.get("/p/steps/")
    assert not AuditEntry.objects.filter(action="run.started").exists()
    client.post("/p/steps/", {"form": "ask", "x": "secret words"})
    told = AuditEntry.objects.get(action="run.started")
    assert (told.actor_id, told.actor_name, told.subject_kind) == ("", "", "processtemplate")
    assert told.details == {"action": "done", "how": "form"}


def test_what_is_refused_before_it_runs_is_not_recorded(client: Client) -> None:
    publish_process("steps", [form("ask", "done", {"name": "x"}), page("done", "thanks")])
    client.post("/p/steps/", {"form": "ask", "x": ""})
    assert not AuditEntry.objects.filter(action="run.started").exists()


def run_in_background(client: Client) -> Run:
    publish_process("works", [action("leave", "execute_in_background"), action("rest")])
    client.get("/p/works/")
    return Run.objects.get()


def told_of(run: Run) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(subject_kind="run", subject_id=run.pk.hex).order_by("pk")
    return [(entry.action, entry.actor_name) for entry in entries]


@pytest.mark.django_db(transaction=True)
def test_a_background_run_has_a_beginning_and_an_end(kit, client: Client) -> None:  # type: ignore[no-untyped-def]
    client.force_login(User.objects.create_user("ada"))
    run = run_in_background(client)
    kit.work()
    assert told_of(run) == [("run.started", "ada"), ("run.ended", "Stepline")]
    entries = AuditEntry.objects.filter(subject_kind="run").order_by("pk")
    assert [entry.details for entry in entries] == [{"action": "rest", "how": "background"}, {"status": "completed"}]
    assert {entry.plan_hash for entry in entries} == {run.plan_id}


@pytest.mark.django_db(transaction=True)
def test_whoever_listens_to_the_models_hears_of_every_run_that_begins_and_ends(kit) -> None:  # type: ignore[no-untyped-def]
    heard: list[str] = []

    def hear(instance: AuditEntry | Run, *, created: bool, **_: object) -> None:
        if created:
            heard.append(instance.action if isinstance(instance, AuditEntry) else "a run")

    for model in (AuditEntry, Run):
        post_save.connect(hear, sender=model)
    try:
        run_id = kit.start({"name": "a", "script": kit.note("a")})
        kit.work()
    finally:
        for model in (AuditEntry, Run):
            post_save.disconnect(hear, sender=model)
    assert heard[-3:] == ["a run", "run.started", "run.ended"]
    assert [entry.action for entry in AuditEntry.objects.filter(subject_id=run_id.hex)] == ["run.ended", "run.started"]


@pytest.mark.django_db(transaction=True)
def test_who_cancels_a_run_is_recorded_once(kit, client: Client) -> None:  # type: ignore[no-untyped-def]
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    run = run_in_background(client)
    client.post(f"/progress/{run.pk}/cancel/")
    assert told_of(run) == [("run.started", "ada"), ("run.ended", "Stepline"), ("run.cancelled", "ada")]
    assert AuditEntry.objects.get(action="run.ended").details == {"status": "cancelled"}


@pytest.mark.django_db(transaction=True)
def test_asking_twice_to_cancel_what_runs_is_asking_once(kit, client: Client) -> None:  # type: ignore[no-untyped-def]
    ada = User.objects.create_user("ada")
    client.force_login(ada)
    run = run_in_background(client)
    Job.objects.update(status=JobStatus.RUNNING.value)
    for _ in range(2):
        request_cancel(root_id=run.pk, viewer=Viewer(user_id=ada.pk))
    assert told_of(run) == [("run.started", "ada"), ("run.cancelled", "ada")]


@pytest.mark.django_db(transaction=True)
def test_what_the_system_cancels_was_cancelled_by_nobody(kit, client: Client) -> None:  # type: ignore[no-untyped-def]
    run = run_in_background(client)
    cancel(root_id=run.pk, reason="shut down")
    assert told_of(run) == [("run.started", ""), ("run.ended", "Stepline")]
