"""A generated client in Python, run against a real server."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.client import Client, InvalidArguments, Update
from tasks.domain.client_code import write_python
from tasks.services.client_surface import read_surface
from tests.tasks.client.conftest import Worker
from tests.tasks.live.called.jobs import Pace


@pytest.fixture
def generated(worker: Worker, pace: Pace) -> Any:
    """Return the functions of the client that is written for the jobs of these tests."""
    text = write_python(read_surface())
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "generated.py", "exec"), space)
    pace.let_go_on()
    return SimpleNamespace(**space)


def test_a_job_is_started_and_followed(generated: Any, client: Client) -> None:
    told: list[str] = []

    def tell(update: Update) -> None:
        told.append(update["type"])

    task = generated.track_called_export({"rows": 2}, client=client, on_update=tell)

    assert asyncio.run(_awaited(task.result)) == {"rows": 2}
    assert (told[0], told[-1]) == ("taskStart", "taskEnd")
    with pytest.raises(InvalidArguments):
        generated.track_called_export({"rows": "two"}, client=client).sync.result()


def test_a_function_is_called(generated: Any, client: Client) -> None:
    with pytest.raises(InvalidArguments):
        generated.instances_get({"instance": "none"}, client=client).sync()
    assert generated.instances_inbox(client=client).sync()


def test_what_nobody_may_start_has_no_function(generated: Any) -> None:
    assert not hasattr(generated, "track_called_hidden")


async def _awaited(call: Any) -> Any:
    return await call
