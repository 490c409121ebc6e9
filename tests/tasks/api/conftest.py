"""People, their jobs, and programs with tokens, for the tests of the API."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tasks.errors import PermanentError
from tasks.models import Job
from tasks.registry import JobContext
from tasks.services.api_tokens import create_api_token
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner
from tasks.services.work import work_off
from tests.tasks.services.conftest import JobKit


class Desk:
    """Make jobs of people, and ask the API for them."""

    def __init__(self, kit: JobKit) -> None:
        self._kit = kit
        self.fine = kit.register(lambda _context: {"rows": 3})
        self.broken = kit.register(_raise)
        self.ann = User.objects.create_user("ann")
        self.bob = User.objects.create_user("bob")
        self.viewer = self._staff("vera", "view_taskroot", "view_job")
        self.changer = self._staff("carl", "view_taskroot", "change_taskroot")

    def _staff(self, name: str, *permissions: str) -> User:
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return user

    def job(self, owner: User | None = None, *, name: str = "", **options: Any) -> Job:
        """Enqueue a job of Ann's, unless somebody else is named."""
        return enqueue(name or self.fine, owner=Owner(user_id=(owner or self.ann).pk), **options)

    def done(self, owner: User | None = None, **options: Any) -> Job:
        """Enqueue a job, and do its work."""
        job = self.job(owner, **options)
        work_off("default")
        job.refresh_from_db()
        return job

    def of(self, user: User | None, **options: Any) -> Client:
        """Return somebody's browser; of nobody, one that hasn't signed in."""
        client = Client(**options)
        if user is not None:
            client.force_login(user)
        return client

    def program(self, user: User, *scopes: str, **options: Any) -> Client:
        """Return a program that has a token of somebody's."""
        secret = create_api_token(user=user, name="test", scopes=scopes or ["write"], **options)[1]
        return Client(headers={"Authorization": f"Bearer {secret}"}, enforce_csrf_checks=True)


def _raise(_context: JobContext) -> None:
    raise PermanentError("no such file")


def ids(answer: Any) -> list[uuid.UUID]:
    """Return the ids of the rows of a page."""
    assert answer.status_code == 200, answer.content
    return [uuid.UUID(row["id"]) for row in answer.json()["results"]]


@pytest.fixture
def kit() -> Iterator[JobKit]:
    kit = JobKit()
    yield kit
    kit.close()


@pytest.fixture
def desk(transactional_db: None, kit: JobKit) -> Desk:
    return Desk(kit)
