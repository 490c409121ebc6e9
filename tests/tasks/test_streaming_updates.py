"""What `streaming_updates.txt` promises of a task's updates, on the server's side.

A real tree is written by the recorder, and read by everyone who may iterate: a follower (asynchronous), the log
(synchronous), and the fold that gives each update its context.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from tasks.domain.context import Context
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.domain.updates import TERMINAL_TYPES
from tasks.errors import TaskNotFound
from tasks.live import Hub, Visitor
from tasks.live.reader import Reader
from tasks.models import Update
from tasks.services.publish import close_publisher
from tasks.services.reading import read_snapshot
from tasks.services.recorder import Recorder
from tasks.services.replay import iter_updates
from tasks.services.roots import Owner, create_root, ending

pytestmark = pytest.mark.django_db(transaction=True)

INPUT = {"data": [1, 2, 3]}
ENDS = {
    "taskEnd": (NodeStatus.COMPLETED, {"result": {"sum": 6}}),
    "taskError": (NodeStatus.FAILED, {"reason": "no such file"}),
    "taskAborted": (NodeStatus.CANCELLED, {"reason": "by its owner"}),
}


class Work:
    """A task that goes through everything there is to tell."""

    def __init__(self, owner: Owner) -> None:
        root = create_root(title="my-template", owner=owner, input=INPUT, steps=[{"name": "read", "title": "Read"}])
        self.root_id: uuid.UUID = root.pk
        self._recorder = Recorder(root_id=root.pk, title=root.title, fence=None, strict=False, schedule=None)

    def go_on(self) -> None:
        """Report of every kind, and write it."""
        recorder = self._recorder
        node = recorder.root.child("Read", type="action", alias="read", total=3)
        node.progress(1, message="one row")
        node.output("a row\n")
        recorder.note_data(node, 1)
        recorder.note_meta(node, {"rows": 3})
        recorder.note_data(node, {"rows": 3})
        node.complete()
        check = recorder.root.child("Check", type="action", alias="check")
        recorder.defer(check, reason="the other side rests", until="2026-11-20T12:00:00Z")
        check.fail("the other side is gone")
        self._write()

    def end(self, kind: str = "taskEnd") -> None:
        """End the task."""
        status, fields = ENDS[kind]
        closing, columns = ending(status, **fields)
        self._write(closing, columns=columns)

    def _write(self, *extra: Any, **options: Any) -> None:
        with self._recorder.checkpoint() as checkpoint, transaction.atomic():
            checkpoint.write(*extra, **options)


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def work(broker: object, owner: User) -> Iterator[Work]:
    yield Work(Owner(user_id=owner.pk))
    close_publisher()


@pytest.fixture
async def follow(owner: User) -> AsyncIterator[Callable[..., Any]]:
    hub = Hub()
    yield lambda root_id, **options: hub.follow(root_id, visitor=Visitor(user=owner, session=None), **options)
    await hub.close()


def contexts(updates: list[dict[str, Any]]) -> list[Context]:
    tree = Tree()
    found = []
    for update in updates:
        tree.apply(update)
        found.append(tree.context)
    return found


def kinds(updates: list[dict[str, Any]]) -> list[str]:
    return [update["type"] for update in updates]


def test_updates_can_be_iterated(work: Work) -> None:
    work.go_on()
    work.end()

    updates = list(iter_updates(work.root_id))

    assert kinds(updates) == [
        *("taskStart", "nodeStart", "nodeProgress", "nodeOutput", "nodeUpdate", "nodeMeta", "nodeUpdate", "nodeEnd"),
        *("nodeStart", "nodeDefer", "nodeError", "nodeEnd", "taskEnd"),
    ]
    assert [update["seq"] for update in updates] == list(range(1, len(updates) + 1))


def test_task_start_is_first_and_holds_input_and_task_id(work: Work) -> None:
    work.go_on()
    first = next(iter_updates(work.root_id))
    assert (first["type"], first["input"], first["taskId"]) == ("taskStart", INPUT, str(work.root_id))


def test_a_node_is_named_by_id_type_and_alias(work: Work) -> None:
    work.go_on()
    start = next(update for update in iter_updates(work.root_id) if update["type"] == "nodeStart")
    assert {name: start["node"][name] for name in ("type", "alias")} == {"type": "action", "alias": "read"}
    assert uuid.UUID(start["node"]["id"])


def test_each_type_of_update_holds_what_it_tells(work: Work) -> None:
    work.go_on()
    by_type = {update["type"]: update for update in iter_updates(work.root_id)}
    assert by_type["nodeUpdate"]["data"] == {"rows": 3}
    assert by_type["nodeError"]["error"] == "the other side is gone"
    assert (by_type["nodeDefer"]["reason"], by_type["nodeDefer"]["until"]) == (
        *("the other side rests", "2026-11-20T12:00:00Z"),
    )
    assert by_type["nodeEnd"]["status"] == "failed"


def test_every_update_has_a_timestamp(work: Work) -> None:
    work.go_on()
    stamps = [update["timestamp"] for update in iter_updates(work.root_id)]
    assert stamps == sorted(stamps)
    assert all(stamp.endswith("Z") for stamp in stamps)


@pytest.mark.parametrize("kind", ENDS)
def test_exactly_one_terminal_update_and_it_is_last(kind: str, work: Work) -> None:
    work.go_on()
    work.end(kind)

    updates = list(iter_updates(work.root_id))

    assert [index for index, update in enumerate(updates, start=1) if update["type"] in TERMINAL_TYPES] == [
        len(updates)
    ]
    last = updates[-1]
    assert last["type"] == kind
    assert {name: last[name] for name in ENDS[kind][1]} == ENDS[kind][1]


@pytest.mark.parametrize("kind", ENDS)
def test_the_result_is_partial_until_the_task_has_ended(kind: str, work: Work) -> None:
    work.go_on()
    work.end(kind)

    *before, last = contexts(list(iter_updates(work.root_id)))

    assert [context.result for context in before[:5]] == [{}, {}, {}, {}, {"read": 1}]
    assert before[-1].result == {"read": {"rows": 3}}
    assert last.result == ({"sum": 6} if kind == "taskEnd" else {"read": {"rows": 3}})


def test_every_update_has_the_input_the_task_id_data_and_errors_in_its_context(work: Work) -> None:
    work.go_on()
    found = contexts(list(iter_updates(work.root_id)))
    assert {(context.task_id, str(context.input)) for context in found} == {(str(work.root_id), str(INPUT))}
    assert found[-1].get_node_data("read") == {"rows": 3}
    assert found[-1].get_node_error("check") == "the other side is gone"
    assert found[-1].get_node_error("read") is None


def test_a_snapshot_of_an_ended_task_has_its_result(work: Work) -> None:
    work.go_on()
    work.end()
    tree = Tree()
    tree.apply(json.loads(json.dumps(read_snapshot(work.root_id).to_json())))
    assert (tree.context.result, tree.context.get_node_error("check")) == ({"sum": 6}, "the other side is gone")


async def _in_thread(action: Callable[[], Any]) -> Any:
    reader = Reader(threads=1)
    try:
        return await reader.run(action)
    finally:
        await asyncio.to_thread(reader.close)


async def test_synchronous_and_asynchronous_iteration_agree(work: Work, follow: Any) -> None:
    follower = await follow(work.root_id)

    async def listen() -> list[dict[str, Any]]:
        return [json.loads(item.text) async for item in follower]

    listening = asyncio.create_task(listen())
    await _in_thread(work.go_on)
    await _in_thread(work.end)
    async with asyncio.timeout(20):
        live = await listening

    assert live == await _in_thread(lambda: list(iter_updates(work.root_id)))


async def test_iterators_replay_from_the_first_update(work: Work, follow: Any) -> None:
    await _in_thread(work.go_on)
    await _in_thread(work.end)

    replayed = [json.loads(item.text) async for item in await follow(work.root_id)]

    assert kinds(replayed)[0] == "taskStart"
    assert replayed == await _in_thread(lambda: list(iter_updates(work.root_id)))


async def test_both_begin_with_a_snapshot_where_the_start_is_missed(work: Work, follow: Any) -> None:
    await _in_thread(work.go_on)
    await _in_thread(lambda: Update.objects.filter(root_id=work.root_id, seq__lte=4).delete())
    await _in_thread(work.end)

    live = [json.loads(item.text) async for item in await follow(work.root_id, since=1)]
    read = await _in_thread(lambda: list(iter_updates(work.root_id, after=1)))

    assert [update["type"] for update in live] == kinds(read) == ["snapshot"]
    assert (live[0]["incomplete"], live[0].pop("isOwner")) == (True, True)
    assert live == json.loads(json.dumps(read))


@pytest.mark.timeout(30)
def test_synchronous_iteration_waits_for_what_follows(work: Work) -> None:
    updates = iter_updates(work.root_id, wait=True, poll_seconds=0.01)
    assert next(updates)["type"] == "taskStart"

    def write() -> None:
        try:
            work.go_on()
            work.end()
        finally:
            connections.close_all()

    writing = threading.Thread(target=write)
    writing.start()
    rest = list(updates)
    writing.join()

    assert kinds(rest)[-1] == "taskEnd"
    assert rest == list(iter_updates(work.root_id, after=1))


def test_synchronous_iteration_ends_with_the_log_where_it_does_not_wait(work: Work) -> None:
    assert kinds(list(iter_updates(work.root_id))) == ["taskStart"]
    work.go_on()
    assert kinds(list(iter_updates(work.root_id, after=12))) == []


def test_a_task_that_is_missing_is_told() -> None:
    with pytest.raises(TaskNotFound):
        next(iter_updates(uuid.uuid4(), wait=True))
