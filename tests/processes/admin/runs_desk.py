"""An operator's desk: the pages of runs in the admin, by HTTP."""

import uuid
from typing import Any

from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.processes.services.test_compensating_runs import park

RUNS = "/admin/processes/run/"


def page_of(run_id: uuid.UUID, deed: str = "change", query: str = "") -> str:
    """Return a run's page, or that of a deed."""
    return f"{RUNS}{run_id}/{deed}/{query}"


def told(response: Any) -> str:
    """Return what the admin says after a deed."""
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def buttons(client: Client, run_id: uuid.UUID) -> list[str]:
    """Return which deeds a run's page offers."""
    return [page.name for page, _address in client.get(page_of(run_id)).context["buttons"]]


def queries(client: Client, address: str) -> int:
    """Return how many queries a page takes that was asked for before."""
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def waiting(kit: Any, **options: Any) -> uuid.UUID:
    """Leave a run that waits for a person, between two others."""
    run_id: uuid.UUID = kit.start(
        {"name": "read", "script": kit.note("read")},
        {"name": "wait", "script": kit.script(park, durable=True)},
        {"name": "last", "script": kit.note("last")},
        **options,
    )
    kit.work()
    return run_id
