"""People who look after jobs, and jobs that came to every kind of end."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client

from tasks.domain.retry import RetryPolicy
from tasks.errors import PermanentError
from tasks.models import Job
from tasks.registry import JobContext, jobs
from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.roots import Owner
from tasks.services.work import work_off
from tests.tasks.services.conftest import JobKit

#: Permissions of somebody who may look, and of somebody who may act.
LOOKS = ("view_job", "view_taskroot")
ACTS = (*LOOKS, "change_job", "change_taskroot")
JOBS, TREES, DEAD = "/admin/tasks/job/", "/admin/tasks/taskroot/", "/admin/tasks/deadletter/"
#: What only a traceback shows.
SECRET_LINE = "in _breaks"


class Jobs:
    """Bring jobs to the ends that an operator meets."""

    def __init__(self, kit: JobKit) -> None:
        self.kit = kit

    def waiting(self, **options: Any) -> Job:
        return self._enqueue(self.kit.register(_nothing), **options)

    def completed(self, **options: Any) -> Job:
        return self._worked(self.kit.register(lambda context: {"rows": 7}), **options)

    def failed(self, **options: Any) -> Job:
        return self._worked(self.kit.register(_fails), **options)

    def dead(self, **options: Any) -> Job:
        retry = RetryPolicy(attempts=2, backoff="fixed", delay_seconds=0, jitter=0)
        job = self._enqueue(self.kit.register(_breaks, retry=retry), **options)
        assert work_off(job.queue)
        Job.objects.filter(pk=job.pk).update(due_at=job.due_at)
        assert work_off(job.queue)
        return Job.objects.get(pk=job.pk, status="dead_letter")

    def _worked(self, name: str, **options: Any) -> Job:
        job = self._enqueue(name, **options)
        assert work_off(job.queue)
        return Job.objects.get(pk=job.pk)

    def _enqueue(self, name: str, owner: User | None = None, **options: Any) -> Job:
        # A queue of its own, so that it is this one that is worked off.
        given = {"title": "Importing", "queue": f"q{uuid.uuid4().hex[:8]}", **options}
        return enqueue(name, owner=Owner(user_id=None if owner is None else owner.pk), **given)


def _nothing(context: JobContext) -> None:
    """Do nothing."""


def _fails(context: JobContext) -> None:
    raise PermanentError("The file is empty.")


def _breaks(context: JobContext) -> None:
    raise RuntimeError("no room")


@pytest.fixture
def kit() -> Iterator[JobKit]:
    kit = JobKit()
    yield kit
    for name in kit.names:
        jobs.remove(name)
    stop_flusher()
    stop_heart()


@pytest.fixture
def made(kit: JobKit) -> Jobs:
    return Jobs(kit)


def sign_in(*permissions: str, name: str = "staff", is_staff: bool = True) -> Client:
    """Return the client of somebody with these permissions."""
    user = User.objects.create_user(name, is_staff=is_staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions, content_type__app_label="tasks"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator(db: None) -> Client:
    return sign_in(*ACTS, name="operator")


@pytest.fixture
def reader(db: None) -> Client:
    return sign_in(*LOOKS, name="reader")


def ask(client: Client, place: str, action: str, *rows: Any, **more: str) -> Any:
    """Choose rows of a list, and an action."""
    chosen = [str(row.pk) for row in rows]
    return client.post(place, {"action": f"{action}_selected", "_selected_action": chosen, **more})


def told(response: Any) -> list[str]:
    """Return the messages that the next page shows."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def titles(response: Any) -> set[str]:
    """Return the titles of a list's rows."""
    assert response.status_code == 200
    return {getattr(row, "root", row).title for row in response.context["cl"].result_list}
