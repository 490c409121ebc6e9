"""Pages of the stack's own origin that hold what a test says, and everything else from the real server."""

import json
from pathlib import Path
from urllib.parse import urlencode

import httpx
from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute

from tests.acceptance.conftest import Stack
from tests.javascript.npm import HERE

MODULES = {
    "stepline": "/static/tasks/index.js",
    "stepline/react": "/static/tasks/react.js",
    "stepline/task-progress": "/static/tasks/task-progress.js",
    "react": "/programs/react-module.mjs",
    "react-dom/client": "/programs/react-dom-module.mjs",
}
#: What our own pages have.
STRICT = "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'"
#: The import map is inline, and React is published for bundlers: a test's loader evaluates it.
LOOSE = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; connect-src *"
PATIENCE_MILLISECONDS = 60_000


def sign_in(context: BrowserContext, stack: Stack) -> None:
    """Give a browser the session of the local account."""
    name, password = stack.account
    with httpx.Client(base_url=stack.address, follow_redirects=True, timeout=60) as client:
        client.get("/accounts/login/")
        data = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/accounts/login/", data=data)
        cookies = [{"name": one.name, "value": one.value or "", "url": stack.address} for one in client.cookies.jar]
    assert {"sessionid", "csrftoken"} <= {cookie["name"] for cookie in cookies}
    context.add_cookies(cookies)  # type: ignore[arg-type]


def open_page(page: Page, stack: Stack, body: str = "", *, head: str = "", packages: Path | None = None) -> None:
    """Open a page in which `import("stepline")` gives the client."""
    imports = f'<script type="importmap">{json.dumps({"imports": MODULES})}</script>'
    if packages is not None:
        page.route("**/npm/**", lambda route: _serve(route, packages, "/npm/"))
        page.route("**/programs/**", lambda route: _serve(route, HERE / "programs", "/programs/"))
    _open(page, stack, imports + head, body, policy=LOOSE)


def open_strict_page(page: Page, stack: Stack, body: str, *, head: str = "") -> None:
    """Open a page with the policy of our own ones."""
    _open(page, stack, head, body, policy=STRICT)


def _open(page: Page, stack: Stack, head: str, body: str, *, policy: str) -> None:
    page.goto(f"{stack.address}/a-page/?{urlencode({'head': head, 'body': body, 'policy': policy})}")


def _serve(route: Route, folder: Path, prefix: str) -> None:
    name = route.request.url.partition(prefix)[2]
    route.fulfill(body=(folder / name).read_bytes(), content_type="text/javascript")


def refuse_websockets(page: Page) -> None:
    """Let no WebSocket through."""

    def refuse(socket: WebSocketRoute) -> None:
        socket.close(code=1011)

    page.route_web_socket("**/ws/", refuse)
