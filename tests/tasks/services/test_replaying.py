"""Doing the work of an ended job once more."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User

from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext, JobSpec, jobs
from tasks.services.cancelling import cancel
from tasks.services.enqueuing import enqueue
from tasks.services.replaying import replay
from tasks.services.roots import Owner
from tasks.services.work import work_off
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def fails_at_first(context: JobContext, name: str) -> Any:
    if context.saved is None:
        context.save("been here")
        raise RuntimeError
    return f"hello {name}"


def dead(kit: Any, **options: Any) -> Any:
    job = kit.declare(fails_at_first, **options).enqueue("Ada")
    assert work_off("default")
    return job


def test_a_failed_job_is_done_again_with_what_it_was_given_and_what_it_has_saved(kit: Any) -> None:
    old = dead(kit)
    fresh = replay(old.root_id)
    assert work_off("default")
    root = TaskRoot.objects.select_related("job").get(pk=fresh.root_id)
    assert (root.result, root.previous_id, root.job.attempt) == ("hello Ada", old.root_id, 1)
    assert Job.objects.get(pk=old.root_id).status == "failed"


def test_the_new_one_belongs_to_the_same_owner_and_keeps_its_options(kit: Any) -> None:
    user = User.objects.create_user("ada")
    declared = kit.declare(fails_at_first).using(
        owner=Owner(user_id=user.pk), title="Greeting", queue="slow", priority=4, shared=True, concurrency_key="k"
    )
    old = declared.enqueue("Ada")
    assert work_off("slow")
    root = TaskRoot.objects.select_related("job").get(pk=replay(old.root_id).root_id)
    assert (root.owner_id, root.title, root.shared) == (user.pk, "Greeting", True)
    assert (root.job.queue, root.job.priority, root.job.concurrency_key) == ("slow", 4, "k")


def test_the_idempotency_key_stays_with_the_first(kit: Any) -> None:
    old = dead(kit, idempotency_key="hello:{name}")
    assert Job.objects.get(pk=replay(old.root_id).root_id).idempotency_key is None


def test_a_cancelled_job_may_be_done_after_all(kit: Any) -> None:
    job = kit.declare(fails_at_first).enqueue("Ada")
    cancel(root_id=job.root_id, reason="not now")
    assert Job.objects.get(pk=replay(job.root_id).root_id).status == "pending"


def test_it_is_done_again_once_however_many_ask(kit: Any) -> None:
    old = dead(kit)
    ends = together(*[lambda: replay(old.root_id)] * 4)
    assert sorted(type(end).__name__ for end in ends) == ["IllegalTransition"] * 3 + ["Job"]
    with pytest.raises(IllegalTransition, match="repeated already"):
        replay(old.root_id)


def test_what_has_not_ended_or_has_done_its_work_is_left_alone(kit: Any) -> None:
    waiting = kit.declare(fails_at_first).enqueue("Ada")
    with pytest.raises(IllegalTransition, match="Only what has failed"):
        replay(waiting.root_id)
    done = kit.enqueue(lambda context: None, priority=9)
    assert work_off("default")
    with pytest.raises(IllegalTransition, match="Only what has failed"):
        replay(done.root_id)


def test_a_job_that_is_not_there_is_not_found() -> None:
    with pytest.raises(TaskNotFound):
        replay(uuid.uuid4())


def test_work_with_a_state_of_its_own_says_how_it_is_repeated_or_is_not(kit: Any) -> None:
    copied: list[tuple[object, ...]] = []
    for name, repeat in (("test.plain", None), ("test.copied", lambda *told: copied.append(told))):
        jobs.add(JobSpec(name=name, function=lambda context: 1 / 0, checkpointed=True, repeat=repeat))
        kit.names.append(name)
    plain, with_hook = (enqueue(name, owner=Owner()) for name in ("test.plain", "test.copied"))
    assert work_off("default")
    assert work_off("default")
    with pytest.raises(IllegalTransition, match="a state of its own"):
        replay(plain.root_id)
    fresh = replay(with_hook.root_id, by=Owner(user_id=7))
    assert copied == [(with_hook.root_id, fresh.root_id, Owner(user_id=7))]
