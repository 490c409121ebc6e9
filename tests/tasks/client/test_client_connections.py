"""How a client reaches its site: where the token goes, which connections are kept, what is resent."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tasks.client import BadAnswer, Client, Conflict, ConnectionLost, InvalidToken, NotConfigured, TaskFailed
from tests.tasks.client.scripted import TASK_ID, log

SECRET = "stl_secret"
LOG = log({"type": "taskEnd", "result": 1})


class Site(httpx.MockTransport):
    """Answer from memory, and count what is opened and closed."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        super().__init__(self._answer)
        self.requests: list[httpx.Request] = []
        self.closed = 0
        self._own = answer

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._own is not None:
            return self._own(request)
        if "/api/rpc/" in request.url.path:
            return httpx.Response(200, json={"job_id": TASK_ID})
        text = "".join(f"id: {update['seq']}\ndata: {json.dumps(update)}\n\n" for update in LOG)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def client_of(site: Site, **options: Any) -> Client:
    return Client("https://stepline.test/base/", token=SECRET, transport=site, **options)


def test_the_token_is_in_a_header_and_nowhere_else() -> None:
    site = Site()
    client = client_of(site)
    task = client.start("a/b")
    assert task.sync.result() == 1
    assert [request.headers["authorization"] for request in site.requests] == [f"Bearer {SECRET}"] * 2
    assert site.requests[0].url == "https://stepline.test/base/api/rpc/a%2Fb"
    assert SECRET not in "".join([*(str(request.url) for request in site.requests), repr(client), repr(task)])


@pytest.mark.parametrize("token", ["stl_a\nX-Other: 1", "stl a", "stl_é"])
def test_what_is_no_token_is_refused_before_anything_is_sent(token: str) -> None:
    with pytest.raises(InvalidToken) as raised:
        Client("https://stepline.test", token=token)
    assert token not in str(raised.value)


def test_connections_are_closed_after_each_call_or_after_the_last_block() -> None:
    site = Site()
    client = client_of(site)
    client.call("a").sync()
    client.call("a").sync()
    assert site.closed == 2
    with client:
        with client:
            client.call("a").sync()
        client.call("a").sync()
        assert site.closed == 2
    assert site.closed == 3


async def test_blocks_of_several_tasks_may_overlap() -> None:
    site = Site()
    client = client_of(site)
    inside, over = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with client:
            await inside.wait()
        over.set()

    async def second() -> None:
        async with client:
            inside.set()
            await over.wait()
            await client.call("a")
            assert site.closed == 0

    await asyncio.gather(first(), second())
    assert site.closed == 1
    await client.call("a")


async def test_a_stream_that_nobody_reads_on_is_closed() -> None:
    site = Site()
    client = client_of(site)
    for _ in client.follow(TASK_ID).sync.updates:
        break
    async for _ in client.follow(TASK_ID).updates:
        break
    async with asyncio.timeout(10):
        while site.closed < 2:
            await asyncio.sleep(0)


async def test_a_transport_is_for_one_way_of_waiting() -> None:
    with pytest.raises(NotConfigured, match="asynchronous one"):
        Client("http://stepline.test", transport=httpx.AsyncHTTPTransport()).call("a").sync()
    with pytest.raises(NotConfigured, match="blocking one"):
        await Client("http://stepline.test", transport=httpx.HTTPTransport()).call("a")


class Unlucky:
    """Lose the answers to the first requests."""

    def __init__(self, lost: int, *answers: httpx.Response) -> None:
        self.lost = lost
        self.answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.lost:
            self.lost -= 1
            raise httpx.ReadError("reset", request=request)
        return self.answers.pop(0)


def test_a_start_whose_answer_is_lost_is_sent_again_under_the_same_key() -> None:
    site = Site(Unlucky(1, httpx.Response(200, json={"run_id": TASK_ID})))
    assert client_of(site).start("csv-import").sync.task_id == TASK_ID
    keys = {request.headers["idempotency-key"] for request in site.requests}
    assert (len(site.requests), len(keys)) == (2, 1)


def test_a_call_whose_answer_is_lost_is_not_sent_again_without_a_key() -> None:
    site = Site(Unlucky(1, httpx.Response(200, json=1)))
    with pytest.raises(ConnectionLost, match="isn't known"):
        client_of(site).call("a").sync()
    site = Site(Unlucky(1, httpx.Response(200, json=1)))
    assert client_of(site).call("a", key="k").sync() == 1


@pytest.mark.parametrize(("status", "ends"), [("cancelled", True), ("completed", False)])
def test_an_abort_whose_answer_is_lost_tells_how_it_stands(status: str, ends: bool) -> None:
    ended = httpx.Response(409, json={"code": "illegal_transition", "message": "It has ended."})
    task = client_of(Site(Unlucky(1, ended, httpx.Response(200, json={"status": status})))).follow(TASK_ID)
    if ends:
        assert task.sync.abort() == "cancelled"
    else:
        with pytest.raises(Conflict):
            task.sync.abort()


def test_what_is_no_task_is_told() -> None:
    site = Site(lambda request: httpx.Response(200, json=7))
    with pytest.raises(BadAnswer, match="'count' is no process and no job"):
        client_of(site).start("count").sync.result()
    with pytest.raises(ValueError, match="UUID"):
        client_of(site).follow("7")


def test_the_result_is_asked_for_once() -> None:
    task = {"id": TASK_ID, "type": "task", "title": "a", "status": "failed", "error": "why", "children": []}
    snapshot = {"v": 1, "type": "snapshot", "seq": 3, "taskId": TASK_ID, "status": "failed", "task": task}
    text = f"data: {json.dumps(snapshot)}\n\n"
    site = Site(lambda request: httpx.Response(200, text=text, headers={"content-type": "text/event-stream"}))
    followed = client_of(site).follow(TASK_ID)
    for _ in range(2):
        with pytest.raises(TaskFailed, match="why"):
            followed.sync.result()
    assert len(site.requests) == 1
