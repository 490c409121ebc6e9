"""Who signs out, or may see less than before, is told so at once, in every process."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections, transaction
from django.test import AsyncClient

from tasks.domain.listing import ListFilter, ListScope
from tasks.errors import TaskNotFound
from tasks.live import Visitor, current_hub
from tasks.live.consumer import TasksConsumer
from tasks.live.protocol import Interrupted
from tasks.models import TaskRoot
from tasks.services.access import Viewer
from tasks.services.revocations import USERS_GROUP
from tests.tasks.live.streams import EventStream, until

#: Long enough that no look of its own could be what ends a stream.
PATIENCE = {"reread_seconds": 3_600.0, "recheck_seconds": 3_600.0}


@pytest.fixture
def staff(transactional_db: None) -> User:
    user = User.objects.create_user("staff", is_staff=True)
    group = Group.objects.create(name="operators")
    group.permissions.add(Permission.objects.get(codename="view_taskroot"))
    user.groups.add(group)
    return user


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


LOSSES: dict[str, Callable[[User], Any]] = {
    "deactivated": deactivate,
    "deleted": lambda user: user.delete(),
    "no staff any more": lambda user: (setattr(user, "is_staff", False), user.save(update_fields=["is_staff"])),
    "out of the group": lambda user: user.groups.clear(),
    "put out of the group": lambda user: user.groups.get().user_set.remove(user),
    "everyone is put out": lambda user: user.groups.get().user_set.clear(),
    "the group may no more": lambda user: user.groups.get().permissions.clear(),
    "the group is gone": lambda user: user.groups.get().delete(),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
async def test_who_may_no_more_loses_tasks_and_lists_at_once(lose, log, staff, start_hub, take):
    visitor = Visitor(user=staff, session=None)
    hub = start_hub(**PATIENCE)
    task = await hub.follow(log.root_id, visitor=visitor)
    everyone = await hub.follow_list(ListScope.ALL, visitor=visitor, wanted=ListFilter())
    await everyone.next()
    await until(lambda: USERS_GROUP in hub.groups)

    await log.run(lambda: lose(User.objects.get(pk=staff.pk)))

    for stream in (task, everyone):
        with pytest.raises(TaskNotFound):
            await stream.next(timeout_seconds=10)


async def test_who_may_still_notices_nothing(log, owner, visitor, staff, start_hub, take):
    hub = start_hub(**PATIENCE)
    follower = await hub.follow(log.root_id, visitor=visitor)
    await until(lambda: USERS_GROUP in hub.groups)

    await log.run(lambda: deactivate(User.objects.get(pk=staff.pk)))
    await log.run(lambda: User.objects.get(pk=owner.pk).save())
    await log.write_and_tell()

    assert len(await take(follower, 1)) == 1


def rule_that_fails(viewer: Viewer, root: TaskRoot, action: str) -> bool | None:
    """Be a team's own authorizer, which stumbles over one task and leaves the others to the usual rule."""
    if root.title == "Odd":
        raise LookupError(root.title)
    return None


async def test_a_rule_that_fails_for_one_keeps_nobody_else_from_being_asked(
    log, owner, visitor, staff, start_hub, settings
):
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.rule_that_fails"
    hub = start_hub(reread_seconds=3_600.0, recheck_seconds=0.05)
    odd = await log.run(lambda: TaskRoot.objects.create(title="Even", owner=owner))
    stumbled = await hub.follow(odd.pk, visitor=visitor)
    usual = await hub.follow(log.root_id, visitor=visitor)
    refused = await hub.follow(log.root_id, visitor=Visitor(user=staff, session=None))

    def change() -> None:
        with transaction.atomic():
            TaskRoot.objects.filter(pk=odd.pk).update(title="Odd")
            User.objects.filter(pk=staff.pk).update(is_active=False)

    await log.run(change)

    # Who can't be told that they may go on asks again, and goes on where they were.
    with pytest.raises(Interrupted):
        await stumbled.next(timeout_seconds=10)
    with pytest.raises(TaskNotFound):
        await refused.next(timeout_seconds=10)
    assert await usual.next(timeout_seconds=0.3) == []


async def test_what_is_rolled_back_is_not_told(log, staff, start_hub):
    visitor = Visitor(user=staff, session=None)
    hub = start_hub(**PATIENCE)
    follower = await hub.follow(log.root_id, visitor=visitor)
    await until(lambda: USERS_GROUP in hub.groups)

    def change_our_mind() -> None:
        with transaction.atomic():
            deactivate(User.objects.get(pk=staff.pk))
            transaction.set_rollback(True)

    await log.run(change_our_mind)

    assert await follower.next(timeout_seconds=0.3) == []


@pytest.fixture
async def client(log, owner) -> AsyncIterator[AsyncClient]:
    client = AsyncClient()
    await client.aforce_login(owner)
    yield client
    await current_hub().close()
    await sync_to_async(connections.close_all)()


async def test_signing_out_ends_the_streams_of_the_session_and_no_others(log, owner, client):
    await log.write(1)
    elsewhere = AsyncClient()
    await elsewhere.aforce_login(owner)
    streams = [EventStream(await one.get(f"/api/events/?task={log.root_id}")) for one in (client, elsewhere)]
    single = EventStream(await client.get(f"/api/tasks/{log.root_id}/updates/"))
    for stream in (*streams, single):
        await stream.until("nodeProgress")
    await until(lambda: USERS_GROUP in current_hub().groups)

    await client.post("/accounts/logout/")

    assert await single.rest() == []
    assert await streams[0].rest() == []
    await log.write_and_tell()
    assert (await streams[1].next())["seq"] == 2
    await streams[1].close()


async def test_signing_out_closes_the_socket(log, owner, client):
    @database_sync_to_async
    def session_of_client() -> SessionStore:
        session = SessionStore(client.cookies["sessionid"].value)
        assert session[SESSION_KEY]
        return session

    socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/")
    socket.scope["user"], socket.scope["session"] = owner, await session_of_client()
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps({"type": "subscribe", "taskId": str(log.root_id)}))
    assert json.loads(await socket.receive_from(timeout=10))["type"] == "subscribed"
    await until(lambda: USERS_GROUP in current_hub().groups)

    await client.post("/accounts/logout/")

    assert (await socket.receive_output(timeout=10))["type"] == "websocket.close"
    await socket.disconnect()
    assert current_hub().followed == frozenset()


async def test_a_session_that_signs_out_is_on_no_broker(log, client, monkeypatch):
    told: list[object] = []
    monkeypatch.setattr("tasks.services.revocations.announce", lambda group, message: told.append((group, message)))
    key = client.cookies["sessionid"].value

    await client.post("/accounts/logout/")

    assert [group for group, _ in told] == ["tasks.users"]
    assert key not in repr(told)


async def test_a_sign_in_tells_nobody(log, owner, monkeypatch):
    told: list[object] = []
    monkeypatch.setattr("tasks.services.revocations.announce", lambda *message: told.append(message))
    client = AsyncClient()

    await client.aforce_login(owner)

    assert told == []
    await sync_to_async(connections.close_all)()


async def test_a_shared_task_is_followed_by_anybody_until_it_is_shared_no_more(log, start_hub):
    await log.run(lambda: TaskRoot.objects.filter(pk=log.root_id).update(shared=True))
    hub = start_hub(reread_seconds=3_600.0, recheck_seconds=0.05)
    follower = await hub.follow(log.root_id, visitor=Visitor(user=AnonymousUser(), session=None))

    await log.run(lambda: TaskRoot.objects.filter(pk=log.root_id).update(shared=False))

    with pytest.raises(TaskNotFound):
        await follower.next(timeout_seconds=10)
