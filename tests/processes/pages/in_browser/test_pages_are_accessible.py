"""Every page, in Chromium: axe finds nothing, light and dark, on a desk and on a phone; the policy blocks nothing."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from playwright.sync_api import Browser, Page

from tests.processes.pages.in_browser.every_page import PAGES, Visit
from tests.static.conftest import BROWSER

pytestmark = BROWSER

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"runOnly": STANDARDS, "resultTypes": ["violations"]}
DESK, PHONE, NARROW = ({"width": width, "height": 800} for width in (1280, 390, 320))


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


urlpatterns = [path("nothing/broken/", fail), path("", include("config.urls"))]
handler400 = "processes.pages.errors.bad_request"
handler403 = "processes.pages.errors.permission_denied"
handler404 = "processes.pages.errors.page_not_found"
handler500 = "processes.pages.errors.server_error"


@pytest.fixture
def visit(live_server: Any, page: Page, settings: Any, caplog: Any) -> Visit:
    settings.ROOT_URLCONF = __name__
    return Visit(page, page.context, str(live_server))


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} ({node['failureSummary']})" for one in found for node in one["nodes"]]


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_fits_and_breaks_no_policy(visit: Visit, complaints: list[str], name: str) -> None:
    bring, status = PAGES[name]
    answers: list[int] = []
    page = visit.page
    page.on("response", lambda answer: answer.request.is_navigation_request() and answers.append(answer.status))
    bring(visit)
    page.wait_for_load_state("networkidle")
    assert answers[-1] == status
    for size in (DESK, PHONE):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(page) == [], (size, scheme)
            assert overflow(page) <= 0, (size, scheme)
    page.set_viewport_size(NARROW)
    assert overflow(page) <= 0
    # Each page has one main heading, which says where one is, and a title that ends with the site's name.
    assert page.locator("h1").count() == 1
    assert page.title().strip()
    expected = f"Failed to load resource: the server responded with a status of {status} "
    assert [text for text in complaints if not (status >= 400 and text.startswith(expected))] == []


def test_what_is_wrong_would_be_found(visit: Visit) -> None:
    visit.go("/")
    visit.page.evaluate("document.querySelector('main').append(new Image(), document.createElement('input'))")
    assert {text.partition(":")[0] for text in violations(visit.page)} >= {"image-alt", "label"}


def test_who_wants_less_motion_gets_none(visit: Visit) -> None:
    PAGES["progress, running"][0](visit)
    visit.page.emulate_media(reduced_motion="reduce")
    moving = "document.getAnimations({subtree: true}).filter((one) => one.playState === 'running').length"
    assert visit.page.evaluate(moving) == 0
    visit.go("/")
    assert visit.page.evaluate(moving) == 0


def test_pages_work_where_colours_are_forced(visit: Visit) -> None:
    PAGES["a form"][0](visit)
    visit.page.emulate_media(forced_colors="active")
    button = visit.page.locator("main button[type=submit]").first
    assert button.evaluate("element => getComputedStyle(element).borderTopStyle") == "solid"


def test_text_twice_as_large_still_fits(visit: Visit, browser: Browser) -> None:
    PAGES["home, with everything"][0](visit)
    visit.page.set_viewport_size(PHONE)
    visit.page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    assert overflow(visit.page) <= 0


def test_the_first_page_tells_the_server_the_time_zone(visit: Visit) -> None:
    context = visit.context.browser.new_context(timezone_id="Asia/Tokyo")  # type: ignore[union-attr]
    try:
        page = context.new_page()
        for shown in ("UTC", "Asia/Tokyo"):
            page.goto(visit.address)
            page.get_by_text(f"Times are shown in {shown}.").wait_for()
    finally:
        context.close()
