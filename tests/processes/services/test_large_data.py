"""A run with much data costs what its actions read and change of it, not what there is."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.domain.application import Application
from processes.models import RunValue
from processes.registry import scripts

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = [{"row": number, "text": "x" * 980} for number in range(10_000)]
SMALL = "y" * 1_000


@pytest.fixture(autouse=True)
def large_scripts() -> Iterator[None]:
    """Register scripts that read and change data for the time of a test."""

    def read(app: Application) -> None:
        app.data["count"] = len(app.data["rows"])

    async def read_later(app: Application) -> None:
        app.data["count"] = len(app.data["rows"])

    def append(app: Application) -> None:
        app.data["rows"].append({"row": -1})

    def rewrite(app: Application) -> None:
        app.data["rows"] = list(LARGE)

    def remove(app: Application) -> None:
        del app.data["rows"]

    with ExitStack() as stack:
        for name, function in (
            ("test_read", read),
            ("test_read_later", read_later),
            ("test_append", append),
            ("test_rewrite", rewrite),
            ("test_remove", remove),
        ):
            stack.enter_context(scripts.override(name, function))
        yield


def _bytes_of(run_id: uuid.UUID) -> int:
    rows = RunValue.objects.filter(run_id=run_id)
    return sum(len(key) + len(value or "") for key, value in rows.values_list("key", "value"))


def test_a_change_of_a_kilobyte_writes_about_a_kilobyte(kit: Any) -> None:
    change = {"name": "change", "script": "set_data", "config": {"values": {"note": SMALL}}}
    run_id = kit.start(change, data={"rows": LARGE})
    assert len(json.dumps(LARGE)) > 10_000_000
    before = _bytes_of(run_id)
    kit.work()
    assert kit.data(run_id)["note"] == SMALL
    assert 1_000 <= _bytes_of(run_id) - before <= 1_100


def test_what_no_action_asks_for_is_not_read(kit: Any) -> None:
    actions = [{"name": f"set-{n}", "script": "set_data", "config": {"values": {"n": n}}} for n in range(3)]
    kit.start(*actions, data={"rows": LARGE})
    with CaptureQueriesContext(connection) as queries:
        kit.work()
    assert not [query for query in queries if "SELECT value FROM" in query["sql"]]


@pytest.mark.parametrize("script", ["test_read", "test_read_later"])
def test_an_action_reads_what_it_asks_for(kit: Any, script: str) -> None:
    run_id = kit.start({"name": "read", "script": script}, data={"rows": LARGE})
    kit.work()
    assert kit.data(run_id)["count"] == len(LARGE)
    assert RunValue.objects.filter(run_id=run_id, key="rows").count() == 1


def test_a_change_in_the_depth_of_a_value_is_stored(kit: Any) -> None:
    run_id = kit.start(
        {"name": "append", "script": "test_append"}, {"name": "again", "script": "test_append"}, data={"rows": LARGE}
    )
    kit.work()
    assert kit.data(run_id)["rows"] == [*LARGE, {"row": -1}, {"row": -1}]


def test_the_same_value_written_again_is_not_stored_again(kit: Any) -> None:
    run_id = kit.start({"name": "rewrite", "script": "test_rewrite"}, data={"rows": LARGE})
    kit.work()
    assert RunValue.objects.filter(run_id=run_id, key="rows").count() == 1


def test_a_large_value_that_is_removed_unread_stays_removed(kit: Any) -> None:
    run_id = kit.start({"name": "remove", "script": "test_remove"}, data={"rows": LARGE})
    kit.work()
    assert kit.data(run_id) == {}
    assert [row.value for row in RunValue.objects.filter(run_id=run_id, key="rows").order_by("ordinal")][1:] == [None]
