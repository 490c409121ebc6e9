"""In Chromium, by WebSocket, by EventSource and by a token: never a lost update, never one twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import kill_servers, log_of
from tests.javascript.network import Network
from tests.javascript.pages import PATIENCE_MILLISECONDS, open_page, refuse_websockets, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

FOLLOW = """async ({ input, token }) => {
  const { configure, createTask } = await import("stepline");
  if (token) configure({ token });
  window.got = [];
  window.end = null;
  window.task = createTask({ taskTemplate: "js.export", input }, (update) => got.push([update.seq, update.type]));
  task.then((result) => (window.end = { result }), (error) => (window.end = { error: error.message }));
  return task.taskId;
}"""
HALF_WAY = "() => window.got.length > 6"
ENDED = "() => window.end !== null"


class Follower:
    """A page that follows one task, by one way or another."""

    def __init__(self, page: Page, stack: Stack, token: str, transport: str) -> None:
        self.page = page
        self._stack = stack
        self._api_token = token
        self._token = token if transport == "token" else ""
        self.task_id = ""
        #: Lines to the server that were opened.
        self.lines = 0

    def begin(self, **parameters: object) -> None:
        """Start a job, and wait until it stands before its gate."""
        given = {"input": {"rows": 6, **parameters}, "token": self._token}
        self.task_id = self.page.evaluate(FOLLOW, given)
        self.page.wait_for_function(HALF_WAY, timeout=PATIENCE_MILLISECONDS)

    def expect_everything(self) -> None:
        """Wait for the end, and compare what has come with the log."""
        self.page.wait_for_function(ENDED, timeout=PATIENCE_MILLISECONDS)
        log = log_of(self._stack, self._api_token, self.task_id)
        assert self.page.evaluate("got") == [[update["seq"], update["type"]] for update in log]
        assert self.page.evaluate("end") == {"result": {"rows": 6}}


@pytest.fixture(params=["websocket", "eventsource", "token"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def network(stack: Stack) -> Iterator[Network]:
    network = Network(stack.address)
    yield network
    network.close()


@pytest.fixture
def follower(
    page: Page, context: BrowserContext, stack: Stack, network: Network, token: str, transport: str
) -> Iterator[Follower]:
    if transport != "token":
        sign_in(context, stack)
    if transport == "eventsource":
        refuse_websockets(page)
    streams: list[tuple[str, str]] = []
    follower = Follower(page, stack, token, transport)
    kind = {"websocket": "websocket", "eventsource": "eventsource", "token": "fetch"}[transport]

    def note(found: str, url: str) -> None:
        streams.append((found, url))
        follower.lines += found == kind and ("/api/events/" in url or url.endswith("/ws/"))

    def note_request(request: Request) -> None:
        # Sockets are told by an event of their own as well.
        if request.resource_type != "websocket":
            note(request.resource_type, request.url)

    page.on("request", note_request)
    page.on("websocket", lambda socket: note("websocket", socket.url))
    open_page(page, replace(stack, address=network.address))
    yield follower
    kinds = [found for found, url in streams if "/api/events/" in url or url.endswith("/ws/")]
    # While a server is away, one that could use sockets tries the other way too.
    assert kinds[0] == kind
    assert transport != "token" or set(kinds) == {kind}
    # Wherever a token is shown, it is in no address.
    assert not [url for _, url in streams if "stl_" in url]


def test_every_update_arrives_once(follower: Follower, gate: Path) -> None:
    follower.begin(gate=str(gate))
    gate.touch()
    follower.expect_everything()
    assert follower.lines == 1


def test_every_update_arrives_once_through_the_death_of_the_servers(
    follower: Follower, stack: Stack, gate: Path
) -> None:
    follower.begin(gate=str(gate))
    assert follower.lines == 1
    kill_servers(stack)
    # The work goes on meanwhile.
    gate.touch()
    follower.expect_everything()
    assert follower.lines > 1


def test_who_was_offline_gets_what_was_told_meanwhile(
    follower: Follower, context: BrowserContext, network: Network, stack: Stack, token: str, gate: Path
) -> None:
    follower.begin(gate=str(gate))
    context.set_offline(True)
    network.lose()
    gate.touch()
    # The stream of another client ends with the task.
    assert log_of(stack, token, follower.task_id)[-1]["type"] == "taskEnd"
    assert follower.page.evaluate("end") is None
    network.find()
    context.set_offline(False)
    follower.expect_everything()


def test_two_tabs_get_each_update_once(context: BrowserContext, stack: Stack, token: str, gate: Path) -> None:
    sign_in(context, stack)
    tabs = [context.new_page(), context.new_page()]
    for tab in tabs:
        open_page(tab, stack)
    first = Follower(tabs[0], stack, token, "websocket")
    first.begin(gate=str(gate))
    tabs[1].evaluate(
        """async (taskId) => {
          const { subscribe } = await import("stepline");
          window.got = [];
          subscribe(taskId, {}, (update) => got.push([update.seq, update.type]));
        }""",
        first.task_id,
    )
    tabs[1].wait_for_function(HALF_WAY, timeout=PATIENCE_MILLISECONDS)
    gate.touch()
    first.expect_everything()
    tabs[1].wait_for_function(
        "(got) => JSON.stringify(window.got) === JSON.stringify(got)", arg=tabs[0].evaluate("got")
    )


def test_signing_out_in_another_tab_ends_what_is_followed(context: BrowserContext, stack: Stack, gate: Path) -> None:
    sign_in(context, stack)
    tab, other = context.new_page(), context.new_page()
    open_page(tab, stack)
    open_page(other, stack)
    tab.evaluate(
        """async (gate) => {
          const { createJobStore } = await import("stepline");
          createJobStore("js.export", { gate }).subscribe((state) => (window.job = state));
        }""",
        str(gate),
    )
    tab.wait_for_function("() => window.job.message === 'half way'", timeout=PATIENCE_MILLISECONDS)
    other.evaluate(
        """async () => {
          const token = document.cookie.match(/csrftoken=([^;]*)/)[1];
          await fetch("/accounts/logout/", { method: "POST", headers: { "X-CSRFToken": token } });
        }"""
    )
    tab.wait_for_function("() => window.job.status === 'not_found'", timeout=PATIENCE_MILLISECONDS)
    gate.touch()


def test_a_start_whose_answer_is_lost_is_sent_again_and_starts_nothing_twice(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    sign_in(context, stack)
    open_page(page, stack)
    keys: list[str] = []
    ids: list[str] = []

    def lose_the_first(route: Any) -> None:
        answer = route.fetch()
        ids.append(answer.json()["job_id"])
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/api/rpc/js.export", lose_the_first)
    state = page.evaluate(
        """async () => {
          const { createJobStore } = await import("stepline");
          const job = createJobStore("js.export", { rows: 2 });
          return await new Promise((done) => job.subscribe((state) => state.status === "completed" && done(state)));
        }"""
    )

    assert len(set(keys)) == len(set(ids)) == 1
    assert len(keys) == 2
    assert state["jobId"] == ids[0]
