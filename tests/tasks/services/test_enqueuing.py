"""Enqueuing declared jobs."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from tasks.errors import InvalidArguments, NotConnected
from tasks.models import Job, TaskRoot, Update
from tasks.registry import JobContext, port
from tasks.services.roots import Owner
from tasks.services.work import work_off
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def add(context: JobContext, a: int, b: int = 1) -> int:
    return a + b


def test_a_declared_job_is_enqueued_with_its_arguments_and_returns_what_it_declares(kit: Any) -> None:
    job = kit.declare(add).enqueue(2, b=3)
    assert work_off("default")
    assert TaskRoot.objects.get(pk=job.root_id).result == 5


def test_what_is_wrong_with_the_arguments_is_said_at_once_and_nothing_is_inserted(kit: Any) -> None:
    with pytest.raises(InvalidArguments, match="a: "):
        kit.declare(add).enqueue(a="two")
    assert not Job.objects.exists()


def test_its_input_is_the_first_thing_that_its_log_tells(kit: Any) -> None:
    job = kit.declare(add, title="Adding up").enqueue(2)
    first = json.loads(Update.objects.get(root_id=job.root_id, seq=1).body)
    assert (first["type"], first["title"], first["input"]) == ("taskStart", "Adding up", {"a": 2, "b": 1})


def test_calling_it_calls_the_function(kit: Any) -> None:
    assert kit.declare(add)(None, 2, b=5) == 7


def test_a_rollback_leaves_no_job(kit: Any) -> None:
    with transaction.atomic():
        kit.declare(add).enqueue(1)
        transaction.set_rollback(True)
    assert not TaskRoot.objects.exists()


def test_its_owner_is_a_user_as_views_have_one_or_whoever_owns_a_session(kit: Any) -> None:
    declared = kit.declare(add)
    user = User.objects.create_user("ada")
    mine = declared.using(owner=SimpleLazyObject(lambda: user)).enqueue(1)
    theirs = declared.using(owner=Owner(session_key="s" * 32)).enqueue(1)
    nobodys = declared.using(owner=AnonymousUser()).enqueue(1)
    roots = [TaskRoot.objects.get(pk=job.root_id) for job in (mine, theirs, nobodys)]
    assert [(root.owner_id, root.session_key) for root in roots] == [(user.pk, ""), (None, "s" * 32), (None, "")]


def test_options_hold_for_this_once(kit: Any) -> None:
    declared = kit.declare(add, queue="slow", priority=1)
    user = User.objects.create_user("ada")
    owner = Owner(user_id=user.pk)
    other = declared.using(queue="quick", priority=9, owner=owner, title="Sum", shared=True).enqueue(1)
    as_declared = declared.enqueue(1)
    rows = {job.pk: job for job in Job.objects.select_related("root")}
    changed, plain = rows[other.root_id], rows[as_declared.root_id]
    assert (changed.queue, changed.priority, changed.root.owner_id, changed.root.title, changed.root.shared) == (
        "quick",
        9,
        user.pk,
        "Sum",
        True,
    )
    assert (plain.queue, plain.priority, plain.root.owner_id, plain.root.shared) == ("slow", 1, None, False)


def test_what_names_no_queue_goes_to_the_first_that_the_workers_serve(kit: Any, settings: Any) -> None:
    settings.STEPLINE_QUEUES = ("mail", "default")
    unnamed, named = kit.declare(add).enqueue(1), kit.declare(add, queue="default").enqueue(1)
    queues = dict(Job.objects.values_list("pk", "queue"))
    assert (queues[unnamed.root_id], queues[named.root_id]) == ("mail", "default")


def test_a_delay_makes_it_due_later(kit: Any) -> None:
    job = kit.declare(add).using(delay_seconds=3_600).enqueue(1)
    due_in = (Job.objects.get(pk=job.root_id).due_at - timezone.now()).total_seconds()
    assert 3_500 < due_in <= 3_600
    assert not work_off("default")


def test_the_same_idempotency_key_gives_the_same_job(kit: Any) -> None:
    declared = kit.declare(add, idempotency_key="add:{a}")
    first, again, other = declared.enqueue(1), declared.enqueue(1, b=7), declared.enqueue(2)
    assert (first.root_id == again.root_id, first.root_id == other.root_id) == (True, False)
    assert Job.objects.count() == 2
    assert Job.objects.get(pk=first.root_id).arguments == {"a": 1, "b": 1}


def test_the_key_still_holds_when_its_job_is_over(kit: Any) -> None:
    declared = kit.declare(add).using(idempotency_key="once")
    first = declared.enqueue(1)
    assert work_off("default")
    assert declared.enqueue(1).root_id == first.root_id
    assert not work_off("default")


def test_keys_of_different_jobs_do_not_meet(kit: Any) -> None:
    one, other = kit.declare(add), kit.declare(add)
    ids = {job.using(idempotency_key="k").enqueue(1).root_id for job in (one, other)}
    assert len(ids) == 2


def test_of_many_who_enqueue_under_one_key_at_once_all_get_one_job(kit: Any) -> None:
    declared = kit.declare(add).using(idempotency_key="k")
    ends = together(*[lambda: declared.enqueue(1).root_id] * 6)
    assert len(set(ends)) == 1
    assert isinstance(ends[0], uuid.UUID)
    assert (Job.objects.count(), TaskRoot.objects.count()) == (1, 1)


def test_a_key_inside_a_transaction_leaves_that_usable(kit: Any) -> None:
    declared = kit.declare(add).using(idempotency_key="k")
    with transaction.atomic():
        assert declared.enqueue(1).root_id == declared.enqueue(2).root_id
        User.objects.create_user("ada")
    assert User.objects.count() == 1


def test_a_key_that_is_too_long_is_refused_rather_than_cut(kit: Any) -> None:
    with pytest.raises(InvalidArguments, match="200 characters"):
        kit.declare(add).using(idempotency_key="k" * 201).enqueue(1)


def test_what_a_job_starts_belongs_to_its_owner_and_hangs_below_it(kit: Any) -> None:
    child = kit.declare(add)

    def start(context: JobContext) -> str:
        return str(child.enqueue(1).root_id)

    user = User.objects.create_user("ada")
    parent = kit.declare(start).using(owner=Owner(user_id=user.pk)).enqueue()
    assert work_off("default")
    started = TaskRoot.objects.get(pk=TaskRoot.objects.get(pk=parent.root_id).result)
    assert (started.owner_id, started.parent_id) == (user.pk, parent.root_id)
    assert work_off("default")


def test_a_detached_job_hangs_below_nothing(kit: Any) -> None:
    child = kit.declare(add).using(detached=True)

    def start(context: JobContext) -> str:
        return str(child.enqueue(1).root_id)

    parent = kit.declare(start).enqueue()
    assert work_off("default")
    assert TaskRoot.objects.get(pk=TaskRoot.objects.get(pk=parent.root_id).result).parent_id is None


def test_arguments_that_a_newer_release_does_not_take_any_more_fail_the_job_for_good(kit: Any) -> None:
    job = kit.declare(add, attempts=5).enqueue(1)
    Job.objects.update(arguments={"c": 1})
    assert work_off("default")
    row = Job.objects.get(pk=job.root_id)
    assert (row.status, row.error["code"]) == ("failed", "invalid_arguments")


def test_before_django_is_set_up_enqueuing_says_so(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "_enqueuer", None)
    with pytest.raises(NotConnected, match="INSTALLED_APPS"):
        kit.declare(add).enqueue(1)


@pytest.mark.parametrize("keys", [{"idempotency_key": "of:{name}"}, {"concurrency_key": "of:{name}"}])
def test_a_key_is_made_of_what_no_database_stores(kit: Any, keys: dict[str, Any]) -> None:
    def greet(context: JobContext, name: str) -> None: ...

    job = kit.declare(greet, **keys).enqueue(name="a\0b")
    assert work_off("default")
    assert Job.objects.get(pk=job.root_id).status == "completed"


def test_a_key_that_cannot_be_made_is_refused_and_says_why(kit: Any) -> None:
    def of_its_context(context: JobContext) -> None: ...

    with pytest.raises(InvalidArguments, match="this is 7: write str"):
        kit.declare(add, idempotency_key=lambda given: given["a"]).enqueue(7)
    with pytest.raises(InvalidArguments, match=r"user:\{user_id\}"):
        kit.declare(of_its_context, concurrency_key="user:{user_id}").enqueue()
    assert not Job.objects.exists()


def test_a_coroutine_enqueues_and_saves(kit: Any) -> None:
    added = kit.declare(add)

    async def follow(context: JobContext) -> str:
        await context.asave({"step": 1})
        return str((await added.aenqueue(2)).root_id)

    job = kit.declare(follow).enqueue()
    assert work_off("default")
    below = Job.objects.get(pk=TaskRoot.objects.get(pk=job.root_id).result)
    assert (below.root.parent_id, below.arguments) == (job.root_id, {"a": 2, "b": 1})
    assert Job.objects.get(pk=job.root_id).saved == {"step": 1}
