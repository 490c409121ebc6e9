"""A site with one progress page: drawn by the real templates, told the rest over a WebSocket that the test plays."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from playwright.sync_api import Page, Route, WebSocketRoute

from tasks.domain.statuses import NODE_TERMINAL, NodeStatus
from tasks.domain.tree import Tree, TreeNode

ORIGIN = "http://stepline.test"
ADDRESS = f"{ORIGIN}/progress/x/"
TASK = "0197f000-0000-7000-8000-000000000000"
POLICY = {"Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'"}
WAITS = "The work waits for something outside. You may leave this page and come back."
NO_WATCH = {"url": "/progress/x/watch/", "mail": "", "is_watching": False, "may_watch": False}
WATCH = {"url": "/progress/x/watch/", "mail": "a…@example.org", "is_watching": False, "may_watch": True}


def of(name: str, parent: str | None = None) -> dict[str, object]:
    reference = {"id": name, "type": "action", "title": f"The step {name} <b>"}
    return {"node": reference | ({"parentId": parent} if parent else {})}


#: What happens to one task, from its beginning to its end.
STORY: list[dict[str, object]] = [
    {"type": "taskStart", "title": "Import", "steps": [{"name": name, "title": name} for name in ("a", "b")]},
    {"type": "taskStatus", "status": "pending"},
    {"type": "taskStatus", "status": "running"},
    {"type": "nodeProgress", **of(TASK), "message": "Reading <airports.csv>"},
    {"type": "nodeStart", **of("a"), "total": 8000},
    {"type": "nodeProgress", **of("a"), "current": 3000, "message": "row 3"},
    {"type": "nodeOutput", **of("a"), "text": "row 2 is wrong\n"},
    {"type": "nodeOutput", **of("a"), "text": "row 3 is <i>wrong</i>\n"},
    {"type": "nodeProgress", **of("a"), "current": 8000},
    *({"type": "nodeStart", **of(f"a{number}", "a")} for number in range(9)),
    *({"type": "nodeEnd", **of(f"a{number}"), "status": "completed"} for number in range(9)),
    {"type": "nodeEnd", **of("a"), "status": "completed"},
    {"type": "nodeStart", **of("b")},
    {"type": "nodeStart", **of("c", "b"), "total": 4.5},
    {"type": "nodeProgress", **of("c"), "current": 1.5},
    {"type": "nodeStart", **of("d", "b")},
    {"type": "nodeDefer", **of("d"), "reason": "again in a minute"},
    {"type": "taskStatus", "status": "waiting"},
    {"type": "nodeOutput", **of(TASK), "text": "half way\n"},
    {"type": "taskStatus", "status": "cancel_requested"},
    {"type": "nodeError", **of("c"), "error": "line one\nline two"},
    {"type": "nodeEnd", **of("c"), "status": "failed"},
    {"type": "nodeEnd", **of("d"), "status": "cancelled"},
    {"type": "nodeEnd", **of("b"), "status": "failed"},
    {"type": "taskStatus", "status": "failed"},
    {"type": "taskError", "reason": "c failed"},
]
END = len(STORY)


def numbered(*updates: dict[str, object], after: int = 0) -> list[dict[str, object]]:
    """Number the updates of the task."""
    return [
        {"v": 1, "seq": seq, "taskId": TASK, "timestamp": "2026-11-20T12:00:00.000Z", **update}
        for seq, update in enumerate(updates, start=after + 1)
    ]


UPDATES = numbered(*STORY)


def _after(kind: str, status: str) -> int:
    """Return how many updates there are up to the first of a kind."""
    return next(
        at for at, update in enumerate(STORY, start=1) if (update["type"], update.get("status")) == (kind, status)
    )


#: Where the story stands when one thing or another has happened.
PENDING, RUNNING, WAITING, CANCELLING = (
    _after("taskStatus", status) for status in ("pending", "running", "waiting", "cancel_requested")
)
BRANCH_DONE = _after("nodeEnd", "completed")


def tree_of(updates: list[dict[str, object]]) -> Tree:
    """Fold updates; those of the story, say."""
    tree = Tree()
    for update in updates:
        tree.apply(update)
    return tree


def html_of(tree: Tree, /, *, language: str = "en", **context: object) -> str:
    """Return the page as the server draws it."""
    assert tree.root is not None
    finished = tree.root.status in NODE_TERMINAL
    request = RequestFactory().get("/progress/x/")
    request.user = AnonymousUser()
    full: dict[str, object] = {
        "title": "Import",
        "snapshot": SimpleNamespace(seq=tree.seq),
        "tree": tree.root,
        "status": tree.status,
        "is_finished": finished,
        "is_completed": tree.root.status is NodeStatus.COMPLETED,
        "may_cancel": not finished,
        "cancel_url": "/progress/x/cancel/",
        "redirect_url": "",
        "begin_url": "/p/import/",
        "again_action_url": "/progress/x/again/" if finished and tree.root.status is not NodeStatus.COMPLETED else "",
        "again_status_url": "/progress/x/again/",
        "again_refused": "",
        "repetition_url": "",
        "stall": None,
        "waits": WAITS if tree.status == "waiting" else "",
        "watch": NO_WATCH,
    }
    with translation.override(language):
        return render_to_string("processes/progress.html", full | {"LANGUAGE_CODE": language} | context, request)


class Site:
    """Serve the page as it was after some updates, and tell the rest over the WebSocket."""

    def __init__(self, page: Page) -> None:
        self.page = page
        #: What the browser complained about.
        self.problems: list[str] = []
        #: Requests by the end of their path.
        self.asked: dict[str, list[dict[str, Any]]] = {}
        #: Answers by the end of their path: status and JSON.
        self.answers: dict[str, tuple[int, object]] = {
            "cancel/": (202, {"status": "cancel_requested"}),
            f"api/tasks/{TASK}/": (200, {}),
        }
        self.sockets: list[WebSocketRoute] = []
        #: Whether the page itself, server-sent events and WebSockets get through.
        self.lets_pages_through = self.lets_events_through = self.lets_sockets_through = True
        self.context: dict[str, object] = {}
        self.rendered = ""
        self._snapshot: dict[str, object] = {}
        self._log: list[dict[str, object]] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        page.route(f"{ORIGIN}/**", self._serve)
        page.route_web_socket("ws://stepline.test/ws/", self._connect)

    def open(
        self, *, rendered: int, told: int, snapshot_at: int | None = None, meta: object = None, **context: object
    ) -> None:
        """Open the page as it was after `rendered` updates, and tell it all until `told`, by way of a snapshot."""
        self.context = context
        tree = tree_of(UPDATES[: snapshot_at or rendered])
        if tree.root is not None and meta is not None:
            tree.root.meta = meta  # type: ignore[assignment]
        self._snapshot = dict(tree.snapshot())
        self._log = UPDATES[:told]
        self.rendered = html_of(tree_of(UPDATES[:rendered]), **context)
        self.page.goto(ADDRESS)
        # From now on it is asked for as it is then.
        self.render(told)

    def open_tree(self, tree: Tree) -> None:
        """Open the page of a tree that no log tells of."""
        self._snapshot, self._log = dict(tree.snapshot()), [{}] * tree.seq
        self.rendered = html_of(tree)
        self.page.goto(ADDRESS)

    def open_with(self, log: list[dict[str, object]], **context: object) -> None:
        """Open the page of a task with a log of its own."""
        self.context = context
        tree = tree_of(log)
        self._snapshot, self._log = dict(tree.snapshot()), log
        self.rendered = html_of(tree, **context)
        self.page.goto(ADDRESS)

    def render(self, count: int, /, **context: object) -> None:
        """Have the server draw the page, if it is asked for, as it is after so many updates of the story."""
        self._log = UPDATES[:count]
        self.rendered = html_of(tree_of(self._log), **{**self.context, **context})

    def tell(self, *updates: dict[str, object]) -> None:
        """Send updates to whoever is connected."""
        known = len(self._log)
        self._log = [*self._log, *numbered(*updates, after=known)]
        self.push(known)

    def push(self, after: int) -> None:
        """Send what there is after an update to whoever is connected."""
        for socket in self.sockets:
            for update in self._log[after:]:
                socket.send(json.dumps(update))

    def cut(self) -> None:
        """Close all WebSockets."""
        for socket in self.sockets:
            socket.close()
        self.sockets.clear()

    def _serve(self, route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(ORIGIN).partition("?")[0].lstrip("/")
        file = Path(__file__).parents[2] / path
        if path.startswith("static/") and file.is_file():
            kind = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[file.suffix]
            route.fulfill(body=file.read_bytes(), content_type=kind)
            return
        for end, (status, body) in self.answers.items():
            if path.endswith(end):
                self.asked.setdefault(end, []).append({"headers": request.headers, "body": request.post_data})
                route.fulfill(status=status, json=body)
                return
        if path == "api/events/":
            self._serve_events(route)
        elif path.startswith("progress/") and self.lets_pages_through:
            self.asked.setdefault("progress/", []).append({"headers": request.headers})
            route.fulfill(body=self.rendered, content_type="text/html; charset=utf-8", headers=POLICY)
        elif path.startswith("progress/"):
            route.abort()
        else:
            route.fulfill(body="<!doctype html><title>elsewhere</title>", content_type="text/html")

    def _serve_events(self, route: Route) -> None:
        if not self.lets_events_through:
            route.abort()
            return
        self.asked.setdefault("events/", []).append({"url": route.request.url})
        hello = {"v": 1, "type": "connected", "connectionId": "x"}
        messages = [hello, self._snapshot, *self._log[int(str(self._snapshot["seq"])) :]]
        body = "".join(f"data: {json.dumps(message)}\n\n" for message in messages)
        route.fulfill(body=body, content_type="text/event-stream")

    def _connect(self, socket: WebSocketRoute) -> None:
        if not self.lets_sockets_through:
            socket.close(code=1011)
            return
        self.sockets.append(socket)

        def answer(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "ping":
                socket.send('{"type":"pong"}')
            elif message["type"] == "subscribe":
                socket.send(json.dumps({"type": "subscribed", "taskId": TASK}))
                since = message.get("since")
                if since is None:
                    socket.send(json.dumps(self._snapshot))
                    since = self._snapshot["seq"]
                for update in self._log[since:]:
                    socket.send(json.dumps(update))

        socket.on_message(answer)


SEEN = """() => {
  const seen = (element) => {
    if (element === null || element.closest("[hidden]")) return null;
    if (element.matches("progress")) return [element.getAttribute("value"), element.getAttribute("aria-label")];
    return element.textContent.trim().replaceAll(/[ \\n]+/g, " ");
  };
  const parts = [...document.querySelectorAll('[data-part="status"], [data-part="figure"], [data-part="bar"], ' +
    '[data-part="count"], [data-part="message"], [data-part="error"], [data-part="waits"], [data-part="stall"], ' +
    '[data-part="again"], [data-part="begin"], [data-part="cancel"], [data-part="log"] pre')].map(seen);
  const part = (node, name) => node.querySelector(
    `:scope > .node-body > .node-${name}, :scope > .node-body > .node-line > .node-${name}`);
  const nodes = [...document.querySelectorAll("[data-node-id]")].map((node) => ({
    id: node.dataset.nodeId,
    parent: node.parentElement.closest("[data-node-id]")?.dataset.nodeId ?? null,
    status: node.dataset.status,
    parts: ["title", "status", "count", "figure", "bar", "message", "error"].map((name) => seen(part(node, name))),
    log: seen(part(node, "log")?.querySelector("pre") ?? null),
    branch: [part(node, "branch")?.open ?? null, seen(part(node, "branch")?.firstElementChild ?? null)],
  }));
  return { title: document.title, status: document.querySelector(".progress-page").dataset.status, parts, nodes };
}"""


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


def large_tree(*, groups: int, leaves: int) -> Tree:
    """Return a running tree of groups of groups, with bars, messages and some output, for measuring."""
    tree = Tree()
    tree.apply({"v": 1, "seq": 1, "type": "taskStart", "taskId": TASK, "title": "Large"})
    tree.apply({"v": 1, "seq": 2, "type": "taskStatus", "taskId": TASK, "status": "running"})
    assert tree.root is not None
    tree.root.children = [
        TreeNode(
            id=f"g{group}",
            type="x",
            title=f"Group {group}",
            children=[
                TreeNode(
                    id=f"g{group}-{leaf}",
                    type="x",
                    title=f"Leaf {leaf} of group {group}",
                    current=leaf % 40,
                    total=100,
                    message="some rows are done" if leaf % 4 == 0 else None,
                    output="a line\nand another\n" if leaf % 25 == 0 else "",
                )
                for leaf in range(leaves)
            ],
        )
        for group in range(groups)
    ]
    return tree
