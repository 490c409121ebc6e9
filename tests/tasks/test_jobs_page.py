"""What docs/jobs.md shows works: its example is carried out as it stands."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tasks.domain.statuses import JobStatus
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext, jobs
from tasks.services.work import work_off

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def page() -> Iterator[dict[str, Any]]:
    """Carry out the declaration, and give what it defines."""
    namespace: dict[str, Any] = {}
    exec(compile(BLOCKS[0], "docs/jobs.md", "exec"), namespace)
    yield namespace
    jobs.remove("export_users")


class Direct(JobContext):
    """Be a context where a job's function is called like any other."""

    saved = None

    def save(self, state: Any) -> None: ...

    def progress(self, percent: float, message: str | None = None) -> None: ...

    def check_cancelled(self) -> None: ...


@pytest.mark.django_db(transaction=True)
def test_the_example(page: dict[str, Any]) -> None:
    user = User.objects.create_user("ada")
    exec(compile(BLOCKS[1], "docs/jobs.md", "exec"), {**page, "user": user, "context": Direct()})
    first, second = Job.objects.order_by("-priority")
    assert (first.idempotency_key, first.concurrency_key, second.arguments) == (
        "export-7",
        "export:7",
        {"user_id": 7, "format": "csv"},
    )
    assert work_off("default")
    root = TaskRoot.objects.get(pk=first.pk)
    assert root.owner_id == user.pk
    assert (root.result, root.message, root.current) == ({"rows": 1_000}, "Row 900", 90)
    assert Job.objects.get(pk=first.pk).saved == 900


def test_every_way_to_end_is_told() -> None:
    table = PAGE.partition("## How it ends")[2].partition("##")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert told == {
        status.value
        for status in (
            JobStatus.COMPLETED,
            JobStatus.RETRY,
            JobStatus.DEAD_LETTER,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        )
    }
