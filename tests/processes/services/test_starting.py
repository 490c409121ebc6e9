"""Runs that are in the background from their beginning, started from code."""

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from processes.domain.application import Application
from processes.errors import NotFoundError, NotJsonError
from processes.models import Access, AuditEntry, Run
from processes.services.errors import TemplateNotFoundError
from processes.services.starting import start_in_background
from tasks.models import Job, TaskRoot
from tasks.services.reading import read_steps
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import action
from tests.processes.services.trigger_kit import a_process, a_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_runs_until_a_worker_takes_it(kit: RunKit) -> None:
    template = kit.template(action("a", kit.note("a")), action("b", kit.note("b")))
    run_id = start_in_background(slug=template.slug, user=a_user())
    assert (kit.notes, kit.run(run_id).status, Job.objects.get(pk=run_id).status) == ([], "created", "pending")
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["a", "b"], "completed")


def test_it_enters_with_data_and_parameters_where_the_caller_says(kit: RunKit) -> None:
    def take(app: Application) -> None:
        app.data["seen"] = [app.data["given"], app.request.parameters["of"], app.user.username]

    template = kit.template(action("first", kit.note("first")), action("second", kit.script(take)))
    run_id = start_in_background(
        slug=template.slug,
        action="second",
        data={"given": {"deep": [1]}},
        # Only the caller decides where it enters.
        parameters={"of": "code", "action": "first"},
        user=a_user("ada"),
    )
    kit.work()
    assert kit.data(run_id)["seen"] == [{"deep": [1]}, "code", "ada"]
    assert kit.notes == []


def test_its_progress_is_its_users_under_a_title_of_its_own(kit: RunKit) -> None:
    user = a_user()
    run_id = start_in_background(slug=a_process().slug, user=user, title="The nightly import")
    root = TaskRoot.objects.get(pk=run_id)
    assert (root.title, root.owner_id) == ("The nightly import", user.pk)
    assert [step["name"] for step in read_steps(root)] == ["begin"]


def test_without_a_user_nobody_is_asked(kit: RunKit) -> None:
    template = a_process()
    template.access = Access.STAFF
    template.save()
    run_id = start_in_background(slug=template.slug)
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.user_id, bool(run.session_key)) == ("completed", None, True)


def test_a_user_starts_only_what_they_may_execute() -> None:
    template = a_process()
    template.access = Access.STAFF
    template.save()
    with pytest.raises(TemplateNotFoundError):
        start_in_background(slug=template.slug, user=a_user())
    with pytest.raises(TemplateNotFoundError):
        start_in_background(slug=a_process().slug, user=AnonymousUser())  # type: ignore[arg-type]
    assert Run.objects.count() == 0


@pytest.mark.parametrize("slug", ["nothing-of-that-name", "unpublished"])
def test_what_is_not_published_is_not_started(slug: str) -> None:
    with pytest.raises(TemplateNotFoundError):
        start_in_background(slug=slug)


def test_an_action_that_nobody_can_enter_is_refused_at_once_even_where_errors_are_caught() -> None:
    template = a_process(action("a"), action("inner", entry=False), action("@error", "reset_error"))
    for name in ("missing", "inner"):
        with pytest.raises(NotFoundError):
            start_in_background(slug=template.slug, action=name, user=a_user())
    assert Run.objects.count() == 0


@pytest.mark.parametrize("value", [object(), "nul \0", float("nan"), {1: 2}])
def test_what_is_no_json_is_refused_with_its_place(value: object) -> None:
    slug, user = a_process().slug, a_user()
    with pytest.raises(NotJsonError, match="/data/x"):
        start_in_background(slug=slug, data={"x": value}, user=user)
    with pytest.raises(NotJsonError, match="/parameters/x"):
        start_in_background(slug=slug, parameters={"x": value}, user=user)
    assert (Run.objects.count(), TaskRoot.objects.count()) == (0, 0)


def test_rolled_back_with_the_callers_transaction_there_is_no_run() -> None:
    slug, user = a_process().slug, a_user()
    with transaction.atomic():
        start_in_background(slug=slug, user=user)
        transaction.set_rollback(True)
    assert (Run.objects.count(), TaskRoot.objects.count(), Job.objects.count()) == (0, 0, 0)


def test_a_process_without_actions_completes(kit: RunKit) -> None:
    run_id = start_in_background(slug=kit.template(action("@end", kit.note("end"))).slug, user=a_user())
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_the_audit_log_tells_who_has_started_it_and_how() -> None:
    user = a_user("ada")
    run_id = start_in_background(slug=a_process().slug, user=user)
    entry = AuditEntry.objects.get(action="run.started", subject_id=uuid.UUID(str(run_id)).hex)
    assert (entry.actor_name, entry.authority_name, entry.details) == ("ada", "", {"action": "begin", "how": "code"})
