"""The progress page on the real stack: it outlives its server, and every way of following a task that is left it."""

import json
import os
import re
import signal
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, WebSocket, WebSocketRoute, expect

from tests.acceptance.conftest import Stack, like_airports

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

PATIENCE_MILLISECONDS = 60_000
LONG_ROWS = 160_000
REFRESHES = "Live updates don't get through to you just now."


def begin_import(page: Page, stack: Stack, content: bytes) -> str:
    """Upload, confirm, and return the address of the progress page."""
    page.goto(f"{stack.address}/p/csv-import/")
    file: FilePayload = {"name": "airports.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files('input[type="file"]', file)
    page.get_by_role("button", name="Upload and check").click()
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/progress/[0-9a-f-]{36}/$"))
    return page.url


def expect_result(page: Page, accepted: int, rejected: int) -> None:
    expect(page.get_by_role("heading", name="Import finished")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page.locator(".rows-accepted")).to_have_attribute("value", str(accepted))
    expect(page.locator(".rows-rejected")).to_have_attribute("value", str(rejected))


def expect_to_be_under_way(page: Page) -> None:
    """Wait until the rows are being checked, and their bar moves."""
    validate = page.locator(".node", has=page.get_by_text("Validate", exact=True))
    moving = re.compile(r"^[1-9]")
    expect(validate.locator("progress").first).to_have_attribute("value", moving, timeout=PATIENCE_MILLISECONDS)


class Frames:
    """Note what comes over the page's WebSockets."""

    def __init__(self, page: Page) -> None:
        #: One list for each socket.
        self.received: list[list[dict[str, Any]]] = []
        page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        messages: list[dict[str, Any]] = []
        self.received.append(messages)
        socket.on("framereceived", lambda text: messages.extend(_messages(text)))

    def numbers(self) -> list[int]:
        """Return the numbers of what has come, from all sockets, one after the other."""
        return [message["seq"] for messages in self.received for message in messages if "seq" in message]


def _messages(text: str) -> list[dict[str, Any]]:
    """Return what a frame bears: one message, or several updates."""
    content = json.loads(text)
    return content if isinstance(content, list) else [content]


@pytest.fixture
def loads(page: Page) -> list[str]:
    """Return the addresses of the documents that the page loads."""
    found: list[str] = []
    page.on("framenavigated", lambda frame: found.append(frame.url))
    return found


def test_the_page_outlives_its_server(stack: Stack, page: Page, many_airports: bytes, loads: list[str]) -> None:
    frames = Frames(page)
    address = begin_import(page, stack, many_airports)
    expect_to_be_under_way(page)
    loads.clear()
    servers = stack.pids(b"uvicorn")
    assert servers

    for pid in servers:
        os.kill(pid, signal.SIGKILL)
    expect(page.get_by_text("The connection is lost.")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page.get_by_text("The connection is lost.")).to_be_hidden(timeout=PATIENCE_MILLISECONDS)

    expect_result(page, 39_600, 400)
    # It wasn't loaded again, and heard each update once and in order, from both servers.
    assert address not in loads
    assert len(frames.received) > 1
    numbers = frames.numbers()
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers)), numbers


def test_server_sent_events_carry_it_where_no_websocket_gets_through(
    stack: Stack, page: Page, loads: list[str]
) -> None:
    page.route_web_socket("**/ws/", _refuse)
    # The page tries sockets for some seconds first: by then a quick machine has imported what suffices elsewhere.
    content = like_airports(LONG_ROWS)
    with page.expect_request("**/api/events/?task=*&snapshot=1"):
        address = begin_import(page, stack, content)
    loads.clear()
    expect_to_be_under_way(page)
    expect(page.get_by_text(REFRESHES)).to_be_hidden()
    expect_result(page, LONG_ROWS * 99 // 100, LONG_ROWS // 100)
    assert address not in loads


def test_the_page_refreshes_itself_where_nothing_live_gets_through(
    stack: Stack, page: Page, context: BrowserContext, many_airports: bytes, loads: list[str]
) -> None:
    context.grant_permissions(["notifications"])
    page.route_web_socket("**/ws/", _refuse)
    page.route("**/api/events/*", lambda route: route.abort())
    address = begin_import(page, stack, many_airports)
    loads.clear()
    toggle = page.get_by_role("button", name="In this browser")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect_result(page, 39_600, 400)
    # Its content was fetched; it wasn't loaded again.
    assert address not in loads


#: Notes what the browser really shows.
WITNESS = """
  window.shown = [];
  window.Notification = class extends window.Notification {
    constructor(title, options) {
      super(title, options);
      this.addEventListener("show", () => window.shown.push([title, options.body]));
    }
  };
"""


def test_a_browser_in_the_background_shows_a_notification_at_the_end(
    stack: Stack, page: Page, context: BrowserContext, many_airports: bytes
) -> None:
    context.grant_permissions(["notifications"], origin=stack.address)
    page.add_init_script(WITNESS)
    address = begin_import(page, stack, many_airports)
    page.get_by_role("button", name="In this browser").click()
    expect(page.get_by_text("This browser will tell you")).to_be_visible()
    # Without a window manager no page is ever behind another.
    page.evaluate("() => Object.defineProperty(document, 'hidden', { value: true })")
    other = context.new_page()
    other.goto(address)
    cancel(other)

    page.wait_for_function("() => shown.length > 0", timeout=PATIENCE_MILLISECONDS)
    assert page.evaluate("shown") == [["Importing airports.csv", "Cancelled"]]


def cancel(page: Page) -> None:
    """Cancel the task, and wait until the page offers to try it again."""
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible(timeout=PATIENCE_MILLISECONDS)


def try_again(page: Page) -> str:
    """Try the task again, and return the address of the new one."""
    old = page.url
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(lambda url: "/progress/" in url and url != old)
    return page.url


def expect_repetition(page: Page, address: str) -> None:
    """See the old page lead to the new task, and offer nothing else of the kind."""
    link = page.get_by_role("link", name="See the new attempt")
    expect(link).to_have_attribute("href", re.compile(f"^{re.escape(urlsplit(address).path)}$"))
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_what_was_cancelled_is_tried_again_once_from_whichever_window(
    stack: Stack, page: Page, context: BrowserContext, many_airports: bytes
) -> None:
    old = begin_import(page, stack, many_airports)
    expect_to_be_under_way(page)
    cancel(page)
    second, third = context.new_page(), context.new_page()
    for window in (second, third):
        window.goto(old)

    new = try_again(page)
    assert try_again(second) == new

    third.reload()
    expect_repetition(third, new)
    expect_result(page, 39_600, 400)
    page.goto(old)
    expect_repetition(page, new)
    page.get_by_role("link", name="See the new attempt").click()
    expect_result(page, 39_600, 400)


def test_it_is_tried_again_without_javascript(stack: Stack, browser: Browser, many_airports: bytes) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        old = begin_import(page, stack, many_airports)
        cancel(page)
        second = context.new_page()
        second.goto(old)

        new = try_again(page)

        second.reload()
        expect_repetition(second, new)
        expect_result(page, 39_600, 400)
    finally:
        context.close()


def _refuse(socket: WebSocketRoute) -> None:
    socket.close(code=1011)
