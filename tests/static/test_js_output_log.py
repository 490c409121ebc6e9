"""A log is followed to its end, held still while somebody reads, and never more than the page can bear."""

import pytest
from playwright.sync_api import Locator, expect

from tests.static.conftest import BROWSER
from tests.static.progress_site import RUNNING, TASK, Site, of, seen_when_still

pytestmark = BROWSER

IS_AT_END = "(box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24"


def lines(count: int, word: str = "line", name: str = TASK) -> dict[str, object]:
    return {"type": "nodeOutput", **of(name), "text": f"{word}\n" * count}


@pytest.fixture
def log(site: Site) -> Locator:
    """Return the task's log, with more lines than it shows at once."""
    site.open(rendered=RUNNING, told=RUNNING)
    site.tell(lines(60, "early"))
    log = site.page.get_by_role("group", name="Output", exact=True)
    expect(log.get_by_role("log")).to_contain_text("early")
    seen_when_still(site.page)
    return log


def test_it_is_followed_and_scrolling_up_holds_it_until_the_reader_is_back_at_the_end(site: Site, log: Locator) -> None:
    box, pause = log.get_by_role("log"), log.get_by_role("button", name="Pause")
    assert box.evaluate(IS_AT_END)

    box.evaluate("(box) => box.scrollTop = 0")
    expect(pause).to_have_attribute("aria-pressed", "true")
    site.tell(lines(7, "later"))
    expect(log.get_by_role("button", name="7 new lines")).to_be_visible()
    expect(box).not_to_contain_text("later")
    assert box.evaluate("(box) => box.scrollTop") == 0

    box.evaluate("(box) => box.scrollTop = box.scrollHeight")
    expect(pause).to_have_attribute("aria-pressed", "false")
    expect(box).to_contain_text("later")
    expect(log.get_by_role("button", name="new lines")).to_be_hidden()
    assert box.evaluate(IS_AT_END)


def test_the_button_holds_it_and_follows_it_again_by_the_keyboard_alone(site: Site, log: Locator) -> None:
    box, pause = log.get_by_role("log"), log.get_by_role("button", name="Pause")
    pause.focus()
    site.page.keyboard.press("Space")
    expect(pause).to_have_attribute("aria-pressed", "true")
    site.tell(lines(1, "later"))
    expect(log.get_by_role("button", name="1 new line", exact=True)).to_be_visible()
    # It was held by its button: being at the end doesn't let it go.
    box.evaluate("(box) => { box.scrollTop = 0; box.scrollTop = box.scrollHeight }")
    expect(box).not_to_contain_text("later")

    site.page.keyboard.press("Enter")
    expect(pause).to_have_attribute("aria-pressed", "false")
    expect(box).to_contain_text("later")


def test_the_new_lines_lead_to_the_end_and_the_focus_goes_with_them(site: Site, log: Locator) -> None:
    box = log.get_by_role("log")
    log.get_by_role("button", name="Pause").click()
    site.tell(lines(1_234, "later"))
    log.get_by_role("button", name="1,234 new lines").press("Enter")

    expect(box).to_contain_text("later")
    expect(box).to_be_focused()
    assert box.evaluate(IS_AT_END)
    expect(log.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")


def test_the_log_is_read_with_the_keyboard(site: Site, log: Locator) -> None:
    box = log.get_by_role("log")
    box.focus()
    site.page.keyboard.press("Home")
    expect(log.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
    # Chromium scrolls smoothly there.
    site.page.wait_for_function("() => document.activeElement.scrollTop === 0")


def test_a_narrower_window_doesnt_hold_it(site: Site, log: Locator) -> None:
    site.tell(lines(40, "a long line that is broken where the window is narrow, so that the log becomes higher"))
    site.page.set_viewport_size({"width": 360, "height": 640})
    site.tell(lines(1, "the last one"))

    expect(log.get_by_role("log")).to_contain_text("the last one")
    expect(log.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")


def test_long_output_is_kept_to_its_end(site: Site, log: Locator) -> None:
    box = log.get_by_role("log")
    for part in range(12):
        site.tell({"type": "nodeOutput", **of(TASK), "text": f"{part:02d} {'x' * 90}\n" * 100})
    expect(box).to_contain_text("11 x")

    assert 60_000 < box.evaluate("(box) => box.textContent.length") <= 65_536
    assert box.evaluate(IS_AT_END)


def test_what_is_held_isnt_cut_either_however_much_comes(site: Site, log: Locator) -> None:
    box = log.get_by_role("log")
    log.get_by_role("button", name="Pause").click()
    for part in range(12):
        site.tell({"type": "nodeOutput", **of(TASK), "text": f"{part:02d} {'x' * 90}\n" * 100})

    expect(log.get_by_role("button", name="1,200 new lines")).to_be_visible()
    assert box.evaluate("(box) => box.textContent") == "early\n" * 60


def test_each_node_has_a_log_of_its_own(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    site.tell(
        {"type": "nodeStart", **of("a")}, {"type": "nodeStart", **of("b")}, lines(60, name="a"), lines(60, name="b")
    )
    first = site.page.get_by_role("group", name="Output of The step a <b>")
    second = site.page.get_by_role("group", name="Output of The step b <b>")
    first.get_by_role("button", name="Pause").click()
    site.tell(lines(2, "later", "a"), lines(2, "later", "b"))

    expect(second.get_by_role("log")).to_contain_text("later")
    expect(first.get_by_role("log")).not_to_contain_text("later")
    expect(first.get_by_role("button", name="2 new lines")).to_be_visible()
