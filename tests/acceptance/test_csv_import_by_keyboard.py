"""csv-import without a mouse: every stop is seen, in the order of the page, and none holds on to the keys."""

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.acceptance.conftest import Stack
from tests.acceptance.test_csv_import_in_the_browser import PATIENCE_MILLISECONDS

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

MOST_STOPS = 60

#: What has the focus: where it is in the document, whether it shows, and whether something lies over its middle.
STOP = """() => {
  const element = document.activeElement;
  if (element === document.body || element === null) return null;
  const style = getComputedStyle(element);
  const after = getComputedStyle(element, "::after");
  const box = element.getBoundingClientRect();
  const middle = box.x + Math.min(box.width, innerWidth) / 2;
  const over = document.elementFromPoint(middle, box.y + Math.min(box.height / 2, 20));
  return {
    place: [...document.querySelectorAll("*")].indexOf(element),
    name: element.outerHTML.slice(0, 120),
    isMarked: [style, after].some((one) => one.outlineStyle !== "none" && parseFloat(one.outlineWidth) >= 2),
    isInSight: box.bottom > 0 && box.top < innerHeight,
    isUncovered: over === null || element.contains(over) || over.contains(element),
  };
}"""


def tab_to(page: Page, target: Locator) -> list[int]:
    """Press Tab until `target` has the focus; return the places of the stops on the way."""
    # A heading is there before its styles are: what has the focus then bears the browser's own thin line.
    page.wait_for_load_state("load")
    places = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        assert stop is not None, "the page ended before the stop that was looked for"
        assert stop["isMarked"], f"one can't see that this has the focus: {stop['name']}"
        assert stop["isInSight"], f"out of sight: {stop['name']}"
        assert stop["isUncovered"], f"something lies over {stop['name']}"
        places.append(stop["place"])
        if target.evaluate("element => element === document.activeElement"):
            assert places == sorted(places), "the order of the stops isn't that of the page"
            return places
    raise AssertionError(f"{target} isn't reached within {MOST_STOPS} stops")


def expect_no_trap(page: Page) -> None:
    """Hold the page to letting go of the focus: after its last stop comes the browser, or its first stop again."""
    seen = set()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            return
        if stop["place"] in seen:
            assert stop["place"] == min(seen), f"the focus is caught at {stop['name']}"
            return
        seen.add(stop["place"])
    raise AssertionError("the focus doesn't come round")


def test_the_whole_way_by_keyboard(stack: Stack, page: Page, airports: bytes) -> None:
    page.goto(stack.address)
    skip = page.get_by_role("link", name="Skip to the content")
    assert tab_to(page, skip)
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Import airports from a CSV file"))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Import airports")).to_be_visible()
    # To be told of the chooser is asked of the browser without waiting for its answer: asked right before the key,
    # the key may come first, and the chooser opens unseen. The stops on the way are answered after it.
    with page.expect_file_chooser() as chooser:
        tab_to(page, page.locator('main input[type="file"]'))
        page.keyboard.press("Space")
    file: FilePayload = {"name": "airports.csv", "mimeType": "text/csv", "buffer": airports}
    chooser.value.set_files(file)
    expect_no_trap(page)
    page.locator('main input[type="file"]').focus()
    tab_to(page, page.get_by_role("button", name="Upload and check"))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Columns found")).to_be_visible()
    expect_no_trap(page)
    page.locator("main").focus()
    # On the way lie the tables, which scroll: they take the focus so that the arrow keys can move them.
    places = tab_to(page, page.get_by_role("button", name="Import", exact=True))
    assert len(places) >= 3
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Import finished")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    tab_to(page, page.get_by_role("link", name="Download the rejected rows"))
    with page.expect_download():
        page.keyboard.press("Enter")
    expect_no_trap(page)
