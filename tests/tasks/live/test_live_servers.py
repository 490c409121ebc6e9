"""The feed through real servers: Daphne and uvicorn, as processes of their own, over real sockets, side by side.

Where both are up, one channel layer and one database are behind them: what a client asks of the one is told on the
stream that the other holds.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from django.test import Client
from httpx_sse import EventSource, aconnect_sse
from websockets.asyncio.client import connect

from tasks.domain.updates import UpdateType
from tasks.models import TaskRoot
from tasks.services.publish import flush_publisher
from tasks.services.roots import Owner, create_root
from tests.live_servers import HOST
from tests.tasks.live.serving import Ports, serving

TOKEN = "t" * 32
OTHER = {"daphne": "uvicorn", "uvicorn": "daphne"}


@pytest.fixture
async def cookies(log, owner) -> dict[str, str]:
    def sign_in() -> str:
        client = Client()
        client.force_login(owner)
        return client.cookies["sessionid"].value

    return {"sessionid": await log.run(sign_in), "csrftoken": TOKEN}


def http_client(port: int, cookies: dict[str, str]) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{HOST}:{port}", cookies=cookies, timeout=20, trust_env=False)


@asynccontextmanager
async def events(client: httpx.AsyncClient, address: str, **headers: str) -> AsyncIterator[Any]:
    async with aconnect_sse(client, "GET", address, headers=headers) as source:
        assert isinstance(source, EventSource)
        assert source.response.status_code == 200
        # What only says how long to wait before connecting again has no data.
        yield (event async for event in source.aiter_sse() if event.data)


async def next_of(stream: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            event = json.loads((await anext(stream)).data)
            if event["type"] == kind:
                return event


@pytest.fixture(params=list(OTHER))
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def ports(log, server) -> AsyncIterator[Ports]:
    async with serving(log, server) as found:
        yield found


@pytest.fixture
async def ports_of_both(log) -> AsyncIterator[Ports]:
    async with serving(log, *OTHER) as found:
        yield found


async def test_one_task_by_websocket_and_by_events_is_the_same(server, ports, log, cookies):
    await log.write(2)
    headers = {"Cookie": f"sessionid={cookies['sessionid']}", "Origin": f"http://{HOST}:{ports[server]}"}
    address = f"ws://{HOST}:{ports[server]}/ws/"
    async with (
        connect(address, additional_headers=headers, proxy=None) as socket,
        http_client(ports[server], cookies) as client,
        events(client, f"/api/tasks/{log.root_id}/updates/") as stream,
    ):
        await socket.send(json.dumps({"type": "subscribe", "taskId": str(log.root_id)}))
        assert json.loads(await socket.recv())["type"] == "subscribed"
        await log.write_and_tell(2)
        await log.write_and_tell(3, ends=True)

        async with asyncio.timeout(20):
            by_socket = [str(await socket.recv()) for _ in range(7)]
            by_events = [event async for event in stream]

        assert by_socket == [event.data for event in by_events]
        assert [json.loads(text)["seq"] for text in by_socket] == [int(event.id) for event in by_events]
        assert json.loads(by_socket[-1])["type"] == UpdateType.TASK_END
        back = await client.get(f"/api/tasks/{log.root_id}/updates/", headers={"Last-Event-ID": "7"})
        assert back.status_code == 204


async def test_many_on_one_stream_added_through_the_other_server(server, ports_of_both, log, owner, cookies):
    """And lists, and the tree of a request to come; and the stream ends with the session."""
    async with (
        http_client(ports_of_both[server], cookies) as client,
        http_client(ports_of_both[OTHER[server]], cookies) as elsewhere,
        events(client, "/api/events/") as stream,
    ):
        connection_id = (await next_of(stream, "connected"))["connectionId"]
        request_id = str(uuid.uuid4())

        async def add(**what: object) -> None:
            answer = await elsewhere.post(
                "/api/subscribe-job/",
                json={"connectionId": connection_id, **what},
                headers={"X-CSRFToken": TOKEN},
            )
            assert answer.status_code == 202, answer.text

        await log.write(1)
        await add(taskId=str(log.root_id), clientSubId="bar")
        assert (await next_of(stream, "subscribed"))["clientSubId"] == "bar"
        assert (await next_of(stream, "nodeProgress"))["seq"] == 1
        await add(scope="mine")
        assert [task["seq"] for task in (await next_of(stream, "tasks"))["tasks"]] == [1]
        await add(requestId=request_id)
        root_id = uuid.UUID((await next_of(stream, "subscribed"))["taskId"])

        def begin() -> None:
            create_root(title="Upload", owner=Owner(user_id=owner.pk), root_id=root_id, request_scoped=True)
            create_root(title="Export", owner=Owner(user_id=owner.pk))
            assert flush_publisher()

        await log.run(begin)

        assert (await next_of(stream, "taskStart"))["taskId"] == str(root_id)
        assert [task["title"] for task in (await next_of(stream, "tasks"))["tasks"]] == ["Export"]
        answer = await elsewhere.post("/accounts/logout/", headers={"X-CSRFToken": TOKEN})
        assert answer.status_code < 400
        async with asyncio.timeout(20):
            assert [event async for event in stream] == []


@asynccontextmanager
async def called(client: httpx.AsyncClient, name: str, arguments: object) -> AsyncIterator[AsyncIterator[Any]]:
    """Call a function and yield what its stream tells."""
    headers = {"X-CSRFToken": TOKEN}
    async with aconnect_sse(client, "POST", f"/api/rpc/{name}", json=arguments, headers=headers) as source:
        assert source.response.status_code == 200
        yield source.aiter_sse()


async def test_a_call_streams_its_progress_and_its_result(server, ports, cookies):
    async with (
        http_client(ports[server], cookies) as client,
        called(client, "called.count", {"rows": 3}) as stream,
        asyncio.timeout(20),
    ):
        told = [event async for event in stream]

    assert [json.loads(event.data)["seq"] for event in told[:-1]] == list(range(1, len(told)))
    assert json.loads(told[-2].data)["type"] == UpdateType.TASK_END
    assert (told[-1].event, json.loads(told[-1].data)) == ("result", {"rows": 3})


async def test_a_call_ends_when_its_client_goes(server, ports, log, cookies):
    async with http_client(ports[server], cookies) as client, called(client, "called.endless", {}) as stream:
        task_id = json.loads((await anext(stream)).data)["taskId"]

    def status() -> str:
        return TaskRoot.objects.get(pk=task_id).status

    async with asyncio.timeout(20):
        while await log.run(status) != "cancelled":
            await asyncio.sleep(0.05)


async def test_a_call_over_a_websocket_ends_with_it(server, ports, log, cookies):
    headers = {"Cookie": f"sessionid={cookies['sessionid']}", "Origin": f"http://{HOST}:{ports[server]}"}
    address = f"ws://{HOST}:{ports[server]}/ws/"
    async with connect(address, additional_headers=headers, proxy=None) as socket, asyncio.timeout(20):
        await socket.send(json.dumps({"type": "call", "requestId": str(uuid.uuid4()), "fn": "called.endless"}))
        task_id = json.loads(await socket.recv())["taskId"]
        while json.loads(await socket.recv())["type"] != "nodeProgress":
            pass

    def status() -> str:
        return TaskRoot.objects.get(pk=task_id).status

    async with asyncio.timeout(20):
        while await log.run(status) != "cancelled":
            await asyncio.sleep(0.05)
