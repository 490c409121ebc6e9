"""The progress page promises to draw live what the server would draw, whenever the page was loaded."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Route, WebSocketRoute

from tasks.domain.statuses import NODE_TERMINAL
from tasks.domain.tree import Tree
from tests.static.conftest import BROWSER

pytestmark = BROWSER

ORIGIN = "http://stepline.test"
TASK = "0197f000-0000-7000-8000-000000000000"
POLICY = {"Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'"}


def of(name: str, parent: str | None = None) -> dict[str, object]:
    reference = {"id": name, "type": "action", "title": f"The step {name} <b>"}
    return {"node": reference | ({"parentId": parent} if parent else {})}


STORY: list[dict[str, object]] = [
    {"type": "taskStart", "title": "Import", "steps": [{"name": name, "title": name} for name in ("a", "b")]},
    {"type": "taskStatus", "status": "pending"},
    {"type": "taskStatus", "status": "running"},
    {"type": "nodeProgress", **of(TASK), "message": "Reading <airports.csv>"},
    {"type": "nodeStart", **of("a"), "total": 8},
    {"type": "nodeProgress", **of("a"), "current": 3, "message": "row 3"},
    {"type": "nodeOutput", **of("a"), "text": "row 2 is wrong\n"},
    {"type": "nodeOutput", **of("a"), "text": "row 3 is <i>wrong</i>\n"},
    {"type": "nodeProgress", **of("a"), "current": 8},
    {"type": "nodeEnd", **of("a"), "status": "completed"},
    {"type": "nodeStart", **of("b")},
    {"type": "nodeStart", **of("c", "b"), "total": 4},
    {"type": "nodeProgress", **of("c"), "current": 1},
    {"type": "nodeStart", **of("d", "b")},
    {"type": "nodeDefer", **of("d"), "reason": "again in a minute"},
    {"type": "nodeOutput", **of(TASK), "text": "half way\n"},
    {"type": "taskStatus", "status": "cancel_requested"},
    {"type": "nodeError", **of("c"), "error": "line one\nline two"},
    {"type": "nodeEnd", **of("c"), "status": "failed"},
    {"type": "nodeEnd", **of("d"), "status": "cancelled"},
    {"type": "nodeEnd", **of("b"), "status": "failed"},
    {"type": "taskStatus", "status": "failed"},
    {"type": "taskError", "reason": "c failed"},
]
UPDATES = [
    {"v": 1, "seq": seq, "taskId": TASK, "timestamp": "2026-11-20T12:00:00.000Z", **update}
    for seq, update in enumerate(STORY, start=1)
]

SEEN = """() => {
  const seen = (element) => {
    if (element.closest("[hidden]")) return null;
    if (element.matches("progress")) return [element.getAttribute("value"), element.getAttribute("aria-label")];
    return element.textContent.trim().replaceAll(/[ \\n]+/g, " ");
  };
  const parts = [...document.querySelectorAll('[data-part="status"], [data-part="figure"], [data-part="bar"], ' +
    '[data-part="count"], [data-part="message"], [data-part="error"], [data-part="output"]')].map(seen);
  const nodes = [...document.querySelectorAll("[data-node-id]")].map((node) => ({
    id: node.dataset.nodeId,
    parent: node.parentElement.closest("[data-node-id]")?.dataset.nodeId ?? null,
    status: node.dataset.status,
    parts: ["title", "status", "count", "figure", "bar", "message", "error", "output"]
      .map((name) => seen(node.querySelector(`.node-${name}`))),
  }));
  return { title: document.title, status: document.querySelector(".progress-page").dataset.status, parts, nodes };
}"""


def tree_at(count: int, meta: object = None) -> Tree:
    tree = Tree()
    for update in UPDATES[:count]:
        tree.apply(update)
    if tree.root is not None and meta is not None:
        tree.root.meta = meta  # type: ignore[assignment]
    return tree


def html_at(count: int) -> str:
    tree = tree_at(count)
    assert tree.root is not None
    finished = tree.root.status in NODE_TERMINAL
    request = RequestFactory().get("/progress/x/")
    request.user = AnonymousUser()
    context = {
        "title": "Import",
        "tree": tree.root,
        "status": tree.status,
        "is_finished": finished,
        "may_cancel": not finished,
        "cancel_url": "/cancel/",
        "again_url": "/p/import/",
        "redirect_url": "",
    }
    return render_to_string("processes/progress.html", context, request)


class Site:
    """Serve the page as it was after some updates, and tell the rest over the WebSocket."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.cancelled: list[dict[str, str]] = []
        self.cancel_answer = (202, {"status": "cancel_requested"})
        self._html = ""
        self._messages: list[dict[str, object]] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        page.route(f"{ORIGIN}/**", self._serve)
        page.route_web_socket("ws://stepline.test/ws/", self._connect)

    def open(self, *, rendered: int, told: int, snapshot_at: int | None = None, meta: object = None) -> None:
        self._html = html_at(rendered)
        start = rendered if snapshot_at is None else snapshot_at
        self._messages = [dict(tree_at(start, meta).snapshot()), *UPDATES[start:told]]
        self.page.goto(f"{ORIGIN}/progress/x/")

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        file = Path(__file__).parents[2] / path.lstrip("/")
        if path.startswith("/static/") and file.is_file():
            kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[file.suffix]
            route.fulfill(body=file.read_bytes(), content_type=kind)
        elif path.endswith("/cancel/"):
            self.cancelled.append(route.request.headers)
            status, body = self.cancel_answer
            route.fulfill(status=status, json=body)
        elif path.startswith("/progress/"):
            route.fulfill(body=self._html, content_type="text/html; charset=utf-8", headers=POLICY)
        else:
            route.fulfill(body="<!doctype html><title>elsewhere</title>", content_type="text/html")

    def _connect(self, socket: WebSocketRoute) -> None:
        def answer(text: str | bytes) -> None:
            kind = json.loads(text)["type"]
            if kind == "ping":
                socket.send('{"type":"pong"}')
            elif kind == "subscribe":
                for message in self._messages:
                    socket.send(json.dumps(message))

        socket.on_message(answer)


@pytest.fixture
def site(page: Page) -> Iterator[Site]:
    site = Site(page)
    yield site
    assert site.problems == []


def seen_when_still(page: Page) -> object:
    """Return what the page shows once nothing of it has changed for some frames."""
    page.wait_for_function("() => document.querySelector('.progress-page') !== null")
    before = None
    for _ in range(50):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        now = page.evaluate(SEEN)
        if now == before:
            return now
        before = now
        page.wait_for_timeout(60)
    raise AssertionError("The page doesn't come to rest.")


def as_rendered(page: Page, count: int) -> object:
    """Return what the page shows when the server draws it, with no script running."""
    page.set_content(html_at(count))
    return page.evaluate(SEEN)


@pytest.mark.parametrize("told", range(3, len(STORY) + 1))
def test_live_updates_draw_what_the_server_would_draw(site: Site, told: int, browser: Browser) -> None:
    site.open(rendered=1, told=told)
    live = seen_when_still(site.page)

    still = browser.new_page(java_script_enabled=True)
    try:
        still.route("**/static/**", lambda route: route.abort())
        assert live == as_rendered(still, told)
    finally:
        still.close()


@pytest.mark.parametrize(("rendered", "snapshot_at"), list(pairwise(range(1, len(STORY), 7))))
def test_a_page_that_was_loaded_earlier_catches_up_by_the_snapshot(site: Site, rendered: int, snapshot_at: int) -> None:
    site.open(rendered=rendered, told=snapshot_at, snapshot_at=snapshot_at)
    caught_up = seen_when_still(site.page)

    site.open(rendered=snapshot_at, told=snapshot_at)
    assert caught_up == seen_when_still(site.page)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (2, "No worker is free yet."),
        (4, "No news for more than 20 seconds."),
        (17, "No news for more than 20 s"),
    ],
)
def test_silence_is_explained_and_not_read_out_every_second(site: Site, told: int, words: str) -> None:
    site.page.clock.install()
    site.open(rendered=1, told=told)
    site.page.clock.run_for(1_000)
    note = site.page.locator('[data-part="connection"]')
    note.evaluate(
        "(note) => { window.said = []; new MutationObserver(() => said.push(note.textContent))"
        ".observe(note, { childList: true, characterData: true, subtree: true }) }"
    )
    for _ in range(10):  # in steps, so that the server's answers to pings come between them
        site.page.clock.run_for(5_000)
    said = site.page.evaluate("said")
    assert len(said) == 1
    assert said[0].startswith(words)


@pytest.mark.parametrize(("told", "is_offered"), [(17, False), (len(STORY), True)])
def test_work_that_has_failed_offers_to_start_again(site: Site, told: int, is_offered: bool) -> None:
    site.open(rendered=2, told=told)
    seen_when_still(site.page)
    assert site.page.get_by_role("link", name="Start again").is_visible() is is_offered


def test_cancel_asks_with_the_csrf_token_and_stays_on_the_page(site: Site) -> None:
    site.open(rendered=5, told=5)

    site.page.get_by_role("button", name="Cancel").click()

    site.page.wait_for_function("() => document.querySelector('form[data-cancel-url] button').disabled")
    assert len(site.cancelled) == 1
    assert len(site.cancelled[0]["x-csrftoken"]) > 30
    assert site.page.url.endswith("/progress/x/")


def test_a_refused_cancellation_says_why(site: Site) -> None:
    site.cancel_answer = (409, {"code": "illegal_transition", "message": "This task has ended already."})
    site.open(rendered=5, told=5)

    site.page.get_by_role("button", name="Cancel").click()

    site.page.get_by_text("This task has ended already.").wait_for()
    # The browser itself reports an answer of 409.
    site.problems.clear()


def test_the_end_leads_on_and_back_doesnt_lead_here_again(site: Site) -> None:
    site.page.goto(f"{ORIGIN}/upload/")
    site.open(rendered=5, told=len(STORY), meta={"redirect": "/result/?x=1"})

    site.page.wait_for_url(f"{ORIGIN}/result/?x=1")
    site.page.go_back()
    assert site.page.url == f"{ORIGIN}/upload/"


def test_the_end_leads_nowhere_else(site: Site) -> None:
    site.open(rendered=5, told=len(STORY), meta={"redirect": "//elsewhere.example/"})

    seen_when_still(site.page)
    site.page.wait_for_timeout(1_000)
    assert site.page.url == f"{ORIGIN}/progress/x/"


def test_output_is_followed_until_the_reader_scrolls_up(site: Site) -> None:
    site.open(rendered=5, told=5)
    seen_when_still(site.page)

    gaps = site.page.evaluate(
        """async () => {
          const { Tree } = await import("/static/tasks/tree.js");
          const { ProgressPage } = await import("/static/tasks/progress-page.js");
          const view = new ProgressPage(document.querySelector(".progress-page"));
          const box = document.querySelector('[data-part="output"]');
          const gap = () => Math.round(box.scrollHeight - box.scrollTop - box.clientHeight);
          let seq = 1;
          const node = { id: "t", type: "task", title: "T" };
          const root = { ...node, status: "running", children: [] };
          view._take({ type: "snapshot", seq, status: "running", taskId: "t", task: root });
          const say = () => {
            view._take({ type: "nodeOutput", seq: ++seq, taskId: "t", node, text: "line\\n".repeat(60) });
            view._draw();
          };
          const gaps = [];
          say(); say(); gaps.push(gap() < 24);
          box.scrollTop = 0; say(); gaps.push(gap() < 24);
          box.scrollTop = box.scrollHeight; say(); gaps.push(gap() < 24);
          return gaps;
        }"""
    )

    assert gaps == [True, False, True]


def test_a_large_tree_is_redrawn_quickly(site: Site) -> None:
    site.open(rendered=1, told=1)
    seen_when_still(site.page)

    milliseconds = site.page.evaluate(
        """async () => {
          const { ProgressPage } = await import("/static/tasks/progress-page.js");
          const view = new ProgressPage(document.querySelector(".progress-page"));
          const children = Array.from({ length: 40 }, (_, at) => ({ id: `g${at}`, type: "x", title: `Group ${at}`,
            status: "running", children: Array.from({ length: 50 }, (_, leaf) => ({ id: `g${at}-${leaf}`, type: "x",
            title: `Leaf ${leaf}`, status: "running", current: 1, total: 100, children: [] })) }));
          view._take({ type: "snapshot", seq: 1, status: "running", taskId: "t",
            task: { id: "t", type: "task", title: "T", status: "running", children } });
          view._draw();
          const spent = [];
          for (let seq = 2; seq < 42; seq += 1) {
            const begun = performance.now();
            const node = { id: `g${seq % 40}-7`, type: "x", title: "Leaf 7" };
            view._take({ type: "nodeProgress", seq, taskId: "t", node, current: seq });
            view._draw();
            document.body.getBoundingClientRect();
            spent.push(performance.now() - begun);
          }
          return spent.sort((a, b) => a - b)[20];
        }"""
    )

    assert milliseconds < 50
