"""The tree of one's own request can be followed before it exists."""

import asyncio
import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore

from tasks.errors import TaskNotFound
from tasks.live import Visitor
from tasks.live.events import events_response
from tasks.live.protocol import Subscribe, Target
from tasks.models import TaskRoot
from tasks.services.access import Viewer
from tasks.services.publish import flush_publisher, group_name
from tasks.services.reading import read_heads
from tasks.services.requests import request_root_id
from tasks.services.roots import Owner, create_root, report_progress
from tests.tasks.live.streams import EventStream, until

REQUEST = uuid.UUID(int=77)


def test_the_id_is_the_viewers_own_and_always_the_same() -> None:
    viewers = [Viewer(user_id=1), Viewer(user_id=2), Viewer(session_key="1"), Viewer(session_key="2")]

    found = [request_root_id(viewer, REQUEST) for viewer in viewers]

    assert len(set(found)) == 4
    assert found == [request_root_id(viewer, REQUEST) for viewer in viewers]
    assert request_root_id(Viewer(user_id=1, session_key="2"), REQUEST) == found[0]
    assert request_root_id(viewers[0], uuid.UUID(int=78)) != found[0]


def test_nobody_has_no_requests() -> None:
    assert request_root_id(Viewer(), REQUEST) is None


def begin(owner: Owner, root_id: uuid.UUID) -> None:
    create_root(title="Upload", owner=owner, root_id=root_id, request_scoped=True)
    report_progress(root_id=root_id, title="Upload", current=1, total=2)
    assert flush_publisher()


async def test_what_comes_later_is_followed_from_its_first_update_on(log, owner, visitor, start_hub):
    hub = start_hub(reread_seconds=3_600.0)
    root_id = await hub.request_root(REQUEST, visitor=visitor)
    waiting = asyncio.create_task(hub.follow_awaited(root_id, visitor=visitor))
    await until(lambda: group_name(root_id) in hub.groups)
    assert not waiting.done()

    await log.run(lambda: begin(Owner(user_id=owner.pk), root_id))

    async with asyncio.timeout(10):
        follower = await waiting
        items = []
        while len(items) < 2:
            items += await follower.next()
    assert [item.seq for item in items] == [1, 2]


async def test_a_lost_message_is_no_loss(log, owner, visitor, start_hub):
    hub = start_hub(reread_seconds=0.05)
    root_id = await hub.request_root(REQUEST, visitor=visitor)
    waiting = asyncio.create_task(hub.follow_awaited(root_id, visitor=visitor))
    await until(lambda: root_id in hub.followed)

    await log.run(lambda: TaskRoot.objects.create(id=root_id, title="Quiet", owner=owner))

    async with asyncio.timeout(10):
        assert (await waiting).root_id == root_id


async def test_all_that_is_waited_for_is_looked_for_together(log, visitor, start_hub, monkeypatch):
    looks: dict[str, list[int]] = {"feed": [], "hub": []}

    def count(module: str) -> Callable[[list[uuid.UUID]], object]:
        def read(root_ids: list[uuid.UUID]) -> object:
            looks[module].append(len(root_ids))
            return read_heads(root_ids)

        return read

    for module in looks:
        monkeypatch.setattr(f"tasks.live.{module}.read_heads", count(module))
    hub = start_hub(reread_seconds=0.01)
    waiting = [asyncio.create_task(hub.follow_awaited(uuid.uuid4(), visitor=visitor)) for _ in range(3)]

    await until(lambda: looks["hub"][-3:] == [3, 3, 3])

    # One look of its own when it begins, and no more.
    assert looks["feed"] == [1, 1, 1]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_never_comes_is_given_up(log, visitor, start_hub):
    hub = start_hub(await_seconds=0.05)
    root_id = await hub.request_root(REQUEST, visitor=visitor)

    with pytest.raises(TaskNotFound):
        await hub.follow_awaited(root_id, visitor=visitor)
    assert hub.followed == frozenset()


async def test_a_stream_waits_for_it_and_says_under_which_id_it_comes(log, visitor, owner, start_hub):
    hub = start_hub()
    target = Target(request_id=REQUEST)
    stream = EventStream(events_response(hub, visitor=visitor, requests=[Subscribe(target=target)]))
    confirmed = await stream.until("subscribed")
    root_id = uuid.UUID(confirmed["taskId"])
    assert confirmed["requestId"] == str(REQUEST)

    await log.run(lambda: begin(Owner(user_id=owner.pk), root_id))

    started = await stream.next()
    assert (started["type"], started["taskId"], started["seq"]) == ("taskStart", str(root_id), 1)
    last_id = stream.last_id
    await stream.close()
    again = EventStream(
        events_response(hub, visitor=visitor, requests=[Subscribe(target=target)], last_event_id=last_id)
    )
    await again.until("subscribed")
    assert (await again.next())["seq"] == 2
    await again.close()


async def test_without_a_session_nothing_is_ones_own(log, start_hub):
    hub = start_hub()

    with pytest.raises(TaskNotFound):
        await hub.request_root(REQUEST, visitor=Visitor(user=AnonymousUser(), session=None))


async def test_a_session_has_requests_and_keeps_them_to_itself(log, start_hub):
    hub = start_hub(await_seconds=0.2)

    def session() -> SessionStore:
        store = SessionStore()
        store.create()
        return store

    first, second = [Visitor(user=AnonymousUser(), session=await log.run(session)) for _ in range(2)]
    ids = [await hub.request_root(REQUEST, visitor=visitor) for visitor in (first, second)]
    assert ids[0] != ids[1]
    viewer = await hub.viewer(first)
    await log.run(lambda: begin(Owner(session_key=viewer.session_key), ids[0]))

    assert (await hub.follow_awaited(ids[0], visitor=first)).root_id == ids[0]
    with pytest.raises(TaskNotFound):
        await hub.follow_awaited(ids[0], visitor=second)


async def test_who_signs_in_has_other_requests(owner, log, start_hub):
    hub = start_hub()
    other = await log.run(lambda: User.objects.create_user("other"))

    found = [await hub.request_root(REQUEST, visitor=Visitor(user=user, session=None)) for user in (owner, other)]

    assert found[0] != found[1]
