"""Jobs for the tests of the services."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks.domain.jsonvalue import JSON
from tasks.domain.outcomes import Outcome
from tasks.domain.retry import RetryPolicy
from tasks.models import Job, TaskRoot
from tasks.registry import DeclaredJob, JobContext, JobSpec, job, jobs
from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.roots import Owner

Body = Callable[[JobContext], Outcome | JSON]


class JobKit:
    """Register functions as jobs for one test, and enqueue them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def register(self, body: Body, *, retry: RetryPolicy | None = None, checkpointed: bool = False) -> str:
        name = f"test.{uuid.uuid4().hex}"
        jobs.add(JobSpec(name=name, function=body, retry=retry or RetryPolicy(), checkpointed=checkpointed))
        self.names.append(name)
        return name

    def declare(self, function: Callable[..., Any], **options: Any) -> DeclaredJob[..., Any]:
        """Declare a function as a team would, under a name of its own."""
        name = f"test.{function.__name__}.{uuid.uuid4().hex}"
        self.names.append(name)
        return job(name, **options)(function)

    def enqueue(
        self, body: Body, *, retry: RetryPolicy | None = None, checkpointed: bool = False, **options: object
    ) -> Job:
        name = self.register(body, retry=retry, checkpointed=checkpointed)
        return enqueue(name, owner=Owner(), **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """Forget what was registered, and end the threads that have connections to the test's database."""
        for name in self.names:
            jobs.remove(name)
        stop_flusher()
        stop_heart()


@pytest.fixture
def kit() -> Iterator[JobKit]:
    kit = JobKit()
    yield kit
    kit.close()


def root_of(job: Job) -> TaskRoot:
    return TaskRoot.objects.get(pk=job.root_id)
