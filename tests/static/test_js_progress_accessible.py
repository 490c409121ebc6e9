"""Everybody can read and use the progress page: axe, names and values, reduced motion, forced colours, print."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.static.conftest import BROWSER
from tests.static.progress_site import (
    BRANCH_DONE,
    END,
    PENDING,
    RUNNING,
    STORY,
    WAITING,
    WATCH,
    Site,
    numbered,
    seen_when_still,
)

pytestmark = BROWSER

STALL = {"code": "worker_lost", "text": "The worker was lost. Another one takes over.", "facts": {}}
COMPLETED = [*STORY[:BRANCH_DONE], {"type": "taskStatus", "status": "completed"}, {"type": "taskEnd"}]
CANCELLED = [*STORY[:BRANCH_DONE], {"type": "taskAborted", "reason": "cancelled by its owner"}]
STATES: dict[str, tuple[list[dict[str, object]], dict[str, Any]]] = {
    "pending": (STORY[:PENDING], {}),
    "running": (STORY[: BRANCH_DONE + 5], {"watch": WATCH}),
    "stalled": (STORY[: BRANCH_DONE + 5], {"stall": STALL}),
    "waiting": (STORY[:WAITING], {}),
    "failed": (STORY[:END], {"again_refused": "It can't be repeated.", "repetition_url": "/progress/y/"}),
    "cancelled": (CANCELLED, {}),
    "finished": (COMPLETED, {"redirect_url": ""}),
}
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
NO_MOTION = """() => [...document.querySelectorAll("*")].flatMap((element) => ["", "::before", "::after"]
  .map((part) => getComputedStyle(element, part || null))
  .filter((style) => style.animationName !== "none")
  .map((style) => style.animationName))"""


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def sighted(request: pytest.FixtureRequest, browser: Browser, scheme: str) -> Iterator[Page]:
    page = browser.new_page(viewport=request.param, color_scheme=scheme)  # type: ignore[arg-type]
    yield page
    page.close()


def test_axe_finds_nothing_in_any_state(sighted: Page) -> None:
    site = Site(sighted)
    for name, (story, context) in STATES.items():
        site.open_with(numbered(*story), **context)
        seen_when_still(sighted)
        results = Axe().run(sighted)
        assert results.violations_count == 0, f"{name}: {results.generate_report()}"
        width, seen = sighted.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= seen, f"{name} scrolls sideways"
    assert site.problems == []


def test_bars_have_names_and_values(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING + 4)
    expect(site.page.get_by_role("progressbar", name="The step a <b>")).to_have_js_property("value", 37)
    expect(site.page.get_by_role("progressbar", name="Import")).to_have_js_property("value", 18)


def test_headings_and_landmarks_are_in_order(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING + 4)
    assert site.page.locator("main h1").count() == 1
    expect(site.page.get_by_role("main").get_by_role("region", name="Steps")).to_be_visible()


def test_nothing_moves_for_who_wants_no_motion(browser: Browser) -> None:
    page = browser.new_page(reduced_motion="reduce")
    site = Site(page)
    site.open(rendered=RUNNING, told=BRANCH_DONE + 5)
    seen_when_still(page)
    assert page.evaluate(NO_MOTION) == []
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(NO_MOTION) != []
    page.close()


def test_with_forced_colours_bars_and_marks_are_still_seen(browser: Browser) -> None:
    page = browser.new_page(forced_colors="active")
    site = Site(page)
    site.open(rendered=RUNNING, told=BRANCH_DONE + 5)
    seen_when_still(page)
    border, background = page.evaluate(
        """() => { const style = getComputedStyle(document.querySelector(".progress-bar"));
          return [style.borderTopWidth, getComputedStyle(document.querySelector(".state-dot")).backgroundColor]; }"""
    )
    assert border == "1px"
    assert background not in ("rgba(0, 0, 0, 0)", "transparent")
    page.close()


def test_printed_it_is_whole_and_has_no_buttons(site: Site) -> None:
    site.open(rendered=RUNNING, told=BRANCH_DONE + 5)
    seen_when_still(site.page)
    site.page.emulate_media(media="print")

    expect(site.page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(site.page.get_by_role("button", name="Pause").first).to_be_hidden()
    assert site.page.locator(".node").first.evaluate("(node) => getComputedStyle(node).contentVisibility") == "visible"
