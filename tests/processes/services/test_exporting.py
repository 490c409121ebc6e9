"""A run is exported as one JSON object."""

import json
import tracemalloc
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from processes.models import AuditEntry, RunValue
from processes.services.exporting import export_run
from processes.services.inbox import resume_run
from tasks.api.streamed import StreamedText
from tasks.domain.tree import Tree
from tasks.errors import TaskNotFound
from tasks.models import TaskRoot, Update
from tasks.services.reading import read_snapshot
from tests.processes.services.test_compensating_runs import park
from tests.processes.services.test_controlling import post


def ended(kit: Any) -> Any:
    sub = kit.template({"name": "wait", "script": kit.script(park, durable=True)})
    run_id = kit.start(
        template=kit.template(
            {"name": "read", "script": kit.note("read")},
            {"name": "call", "script": "sub"},
            {"name": "drop", "script": kit.script(lambda app: app.data.pop("read"))},
            bindings={"sub": {"process": sub.slug}},
        )
    )
    kit.work()
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state="yes", dedupe_key="answer")
    kit.work()
    return run_id


def exported(run_id: Any, user: User) -> Any:
    return json.loads("".join(export_run(run_id=run_id, user=user)))


def test_an_export_has_where_the_run_has_been_with_what_it_knew_there(kit: Any, operator: User) -> None:
    run_id = ended(kit)
    told = exported(run_id, operator)
    assert (told["format"], told["run"]["status"]) == (1, "completed")
    assert [(row["ordinal"], row["action"]) for row in told["checkpoints"]] == [
        (0, ""),
        (1, "read"),
        (2, ""),
        (3, "call"),
        (4, "drop"),
    ]
    assert told["data"] == [{"ordinal": 1, "key": "read", "value": 1}, {"ordinal": 4, "key": "read"}]
    assert [(item["kind"], item["payload"]["state"]) for item in told["messages"]] == [("resume", "yes")]


def test_it_has_every_plan_that_it_was_at_as_it_would_be_written(kit: Any, operator: User) -> None:
    run_id = ended(kit)
    told = exported(run_id, operator)
    names = [[action["name"] for action in plan["definition"]] for plan in told["plans"].values()]
    assert sorted(names) == [["read", "call", "drop"], ["wait"]]
    assert told["run"]["plan"] in told["plans"]


def test_its_updates_are_the_whole_log(kit: Any, operator: User) -> None:
    run_id = ended(kit)
    tree = Tree()
    for update in exported(run_id, operator)["updates"]:
        tree.apply(update)
    assert tree.snapshot() == read_snapshot(run_id).to_json()


def test_the_session_of_whoever_began_it_stays_here(kit: Any, operator: User) -> None:
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    type(kit.run(run_id)).objects.update(session_key="the-key-of-a-session")
    assert "the-key-of-a-session" not in json.dumps(exported(run_id, operator))


def test_over_http_it_is_a_file_for_operators_and_written_down(kit: Any, api: Client) -> None:
    run_id = ended(kit)
    answer = post(api, f"/api/runs/{run_id}/export/")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="run-{run_id}.json"'
    assert json.loads(answer.getvalue())["run"]["id"] == str(run_id)
    assert AuditEntry.objects.get(action="run.exported").actor_name == "olga"
    assert post(Client(), f"/api/runs/{run_id}/export/").status_code == 404


def test_nobody_else_exports_it(kit: Any, operator: User) -> None:
    run_id = ended(kit)
    with pytest.raises(TaskNotFound):
        export_run(run_id=run_id, user=User.objects.create_user("sam", is_staff=True))


def grow(run_id: Any) -> None:
    """Let a run have a log of 8 MB, and 8 MB of data in many versions."""
    text = "x" * 4_000
    first = TaskRoot.objects.get(pk=run_id).last_seq + 1
    body = json.dumps({"v": 1, "type": "nodeOutput", "text": text})
    Update.objects.bulk_create(
        [Update(root_id=run_id, seq=first + number, body=body) for number in range(2_000)], batch_size=200
    )
    values = [RunValue(run_id=run_id, key=f"k{n % 7}", ordinal=100 + n, value=json.dumps(text)) for n in range(2_000)]
    RunValue.objects.bulk_create(values, batch_size=200)


def test_however_long_a_run_was_little_of_it_is_held(kit: Any, operator: User) -> None:
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    kit.work()
    grow(run_id)
    pieces = export_run(run_id=run_id, user=operator)
    next(pieces)
    tracemalloc.start()
    try:
        length = sum(len(piece) for piece in pieces)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert length > 16_000_000
    assert held < 6_000_000


def test_nothing_is_missing_of_a_long_run(kit: Any, operator: User) -> None:
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    kit.work()
    grow(run_id)
    told = exported(run_id, operator)
    assert len(told["updates"]) == Update.objects.filter(root_id=run_id).count()
    places = [(row["ordinal"], row["key"]) for row in told["data"]]
    assert places == sorted(RunValue.objects.filter(run_id=run_id).values_list("ordinal", "key"))


def test_it_is_sent_in_blocks_where_the_server_is_asynchronous(kit: Any, operator: User) -> None:
    run_id = ended(kit)
    answer = StreamedText(export_run(run_id=run_id, user=operator))

    async def read() -> bytes:
        return b"".join([block async for block in answer])

    assert json.loads(async_to_sync(read)())["run"]["id"] == str(run_id)
