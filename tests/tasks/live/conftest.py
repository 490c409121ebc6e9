"""A hub on the real channel layer and the real database, and a log that tests write and announce as they like."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from django.contrib.auth.models import AnonymousUser, User

from tasks.domain.sequencer import Item
from tasks.domain.statuses import NodeStatus
from tasks.live import Follower, Hub, Visitor
from tasks.live.reader import Reader
from tasks.models import TaskRoot, Update
from tasks.services.publish import close_publisher, flush_publisher, publish


class Log:
    """Write a log without telling anybody, and tell without writing: so messages get lost, doubled, reordered."""

    def __init__(self, root_id: uuid.UUID, writer: Reader) -> None:
        self.root_id = root_id
        self._writer = writer

    async def write(self, count: int = 1, *, ends: bool = False) -> None:
        await self._writer.run(self._write, count, ends)

    def tell(self, first: int, last: int | None = None) -> None:
        last = last or first
        publish(self.root_id, first=first, last=last, bodies=[self.body(seq) for seq in range(first, last + 1)])
        assert flush_publisher()

    async def write_and_tell(self, count: int = 1, *, ends: bool = False) -> None:
        first = await self._writer.run(self._write, count, ends)
        bodies = await self._writer.run(self._bodies, first)
        publish(self.root_id, first=first, last=first + count - 1, bodies=bodies)
        assert flush_publisher()

    async def forget(self, up_to: int) -> None:
        """Drop the beginning of the log."""
        await self._writer.run(lambda: Update.objects.filter(root_id=self.root_id, seq__lte=up_to).delete())

    async def run(self, action: Callable[[], object]) -> object:
        return await self._writer.run(action)

    def body(self, seq: int, kind: str = "nodeProgress") -> str:
        return f'{{"v":1,"seq":{seq},"type":"{kind}","taskId":"{self.root_id}"}}'

    def _write(self, count: int, ends: bool) -> int:
        root = TaskRoot.objects.get(pk=self.root_id)
        first, last = root.last_seq + 1, root.last_seq + count
        Update.objects.bulk_create(
            Update(root=root, seq=seq, body=self.body(seq, "taskEnd" if ends and seq == last else "nodeProgress"))
            for seq in range(first, last + 1)
        )
        root.last_seq, root.closed = last, ends
        root.status = NodeStatus.COMPLETED if ends else NodeStatus.RUNNING
        root.save()
        return first

    def _bodies(self, first: int) -> list[str]:
        rows = Update.objects.filter(root_id=self.root_id, seq__gte=first).order_by("seq")
        return list(rows.values_list("body", flat=True))


@pytest.fixture
def owner(transactional_db: None) -> User:
    return User.objects.create_user("owner")


@pytest.fixture
async def log(transactional_db: None, broker: object, owner: User) -> AsyncIterator[Log]:
    writer = Reader(threads=1)
    root = await writer.run(TaskRoot.objects.create, title="Importing", owner=owner)
    yield Log(root.pk, writer)
    await asyncio.to_thread(close_publisher)
    await asyncio.to_thread(writer.close)


@pytest.fixture
def visitor(owner: User) -> Visitor:
    return Visitor(user=owner, session=None)


@pytest.fixture
def stranger() -> Visitor:
    return Visitor(user=AnonymousUser(), session=None)


@pytest.fixture
async def start_hub() -> AsyncIterator[Callable[..., Hub]]:
    hubs: list[Hub] = []

    def start(**seconds: float) -> Hub:
        hubs.append(Hub(**{"reread_seconds": 60.0, "recheck_seconds": 60.0, **seconds}))
        return hubs[-1]

    yield start
    for hub in hubs:
        await hub.close()


Take = Callable[[Follower, int], Awaitable[list[Item]]]


@pytest.fixture
def take() -> Take:
    """Return the next `count` messages of a follower, and fail when they don't come within ten seconds."""

    async def take_items(follower: Follower, count: int) -> list[Item]:
        items: list[Item] = []
        async with asyncio.timeout(10):
            while len(items) < count:
                items += await follower.next()
        assert len(items) == count
        return items

    return take_items


def seqs(items: list[Item]) -> list[int]:
    """Return the numbers of updates, having looked that the texts bear them too."""
    assert [json.loads(item.text)["seq"] for item in items] == [item.seq for item in items]
    return [item.seq for item in items]
