"""Our JavaScript modules in a real browser, served to it from the source folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.static.progress_site import Site

STATIC = Path(__file__).parents[2] / "static"
#: The plugin that gives us the browser has a fixture of a kind that pytest 10 will no longer take.
BROWSER = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]
ORIGIN = "http://stepline.test"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@pytest.fixture
def modules(page: Page) -> Iterator[Page]:
    """Return an empty page from which modules can be imported; an error in it fails the test."""
    yield from _importing(page)


@pytest.fixture(scope="module")
def functions(browser: Browser) -> Iterator[Page]:
    """Return such a page for all tests of a module, which only call functions in it."""
    page = browser.new_page()
    yield from _importing(page)
    page.close()


@pytest.fixture
def site(page: Page) -> Iterator[Site]:
    """Return a site with one progress page; what the browser complains about fails the test."""
    site = Site(page)
    yield site
    assert site.problems == []


def _importing(page: Page) -> Iterator[Page]:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route(f"{ORIGIN}/**", _serve)
    page.goto(f"{ORIGIN}/")
    yield page
    assert errors == []


def _serve(route: Route) -> None:
    path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
    file = STATIC / path.removeprefix("/static/")
    if path.startswith("/static/") and file.is_file():
        route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
    else:
        route.fulfill(body="<!doctype html><title>empty</title>", content_type="text/html")
