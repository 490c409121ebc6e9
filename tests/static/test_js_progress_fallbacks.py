"""Where nothing comes live the page refreshes itself, says so, disturbs nobody, and goes back to live when it can."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.static.conftest import BROWSER
from tests.static.progress_site import (
    BRANCH_DONE,
    END,
    ORIGIN,
    RUNNING,
    STORY,
    TASK,
    UPDATES,
    Site,
    of,
    seen_when_still,
    tree_of,
)

pytestmark = BROWSER

REFRESHES = "Live updates don't get through to you just now."
LOST = "The connection is lost."
PATIENCE_SECONDS = 30.0
#: The page's heading, while it has nothing to say of its connection.
QUIET = '.progress-head:has([data-part="connection"][hidden]) h1'


@pytest.fixture
def site(page: Page) -> Iterator[Site]:
    """Return a site whose failing connections the browser reports, as it does, in its console."""
    page.clock.install()
    site = Site(page)
    yield site
    assert [problem for problem in site.problems if "WebSocket" not in problem and "ERR_FAILED" not in problem] == []


def pass_until(site: Site, shown: Locator) -> None:
    """Let time pass until something is shown: how soon depends on how quickly this machine answers."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while not shown.is_visible():
        assert time.monotonic() < patience, f"never shown: {shown}"
        site.page.clock.run_for(1_000)
        # What is really sent takes real time: a connection must not seem to take minutes by the page's clock.
        site.page.wait_for_timeout(10)


def pass_time(site: Site, seconds: int) -> None:
    """Let time pass, in steps, so that answers come between them."""
    for _ in range(seconds):
        site.page.clock.run_for(1_000)


def test_server_sent_events_take_over_from_a_websocket(site: Site) -> None:
    site.lets_sockets_through = False
    site.open(rendered=1, told=RUNNING + 4)
    pass_until(site, site.page.get_by_text("3,000 of 8,000"))

    assert site.asked["events/"][0]["url"].endswith(f"?task={TASK}&snapshot=1")
    expect(site.page.get_by_text(REFRESHES)).to_be_hidden()


def test_the_page_refreshes_itself_where_nothing_comes_live(site: Site) -> None:
    site.lets_sockets_through = site.lets_events_through = False
    site.open(rendered=RUNNING, told=RUNNING)
    pass_until(site, site.page.get_by_text(REFRESHES))

    site.render(RUNNING + 3)
    pass_until(site, site.page.get_by_text("3,000 of 8,000"))
    expect(site.page).to_have_title("18 % · Import · Stepline")
    expect(site.page.locator('[data-part="live"]')).to_have_text("")

    site.render(END)
    pass_until(site, site.page.get_by_role("button", name="Try again"))
    expect(site.page.locator(".progress-page")).to_have_attribute("data-status", "failed")
    expect(site.page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(site.page.locator('[data-part="live"]')).to_have_text("Failed")
    expect(site.page.get_by_text(REFRESHES)).to_be_hidden()
    count = len(site.asked["progress/"])
    pass_time(site, 30)
    assert len(site.asked["progress/"]) == count


def test_a_refresh_keeps_the_focus_what_is_folded_and_what_is_held(site: Site) -> None:
    site.lets_sockets_through = site.lets_events_through = False
    count = BRANCH_DONE + 10
    site.open(rendered=count, told=count, tree=_with_output(count, "row 3 is wrong\n"))
    page = site.page
    branch = page.locator('[data-node-id="a"] > .node-body > .node-branch')
    branch.get_by_text("9 steps").click()
    expect(branch).to_have_attribute("open", "")
    log = page.get_by_role("group", name="Output of The step b <b>")
    log.get_by_role("button", name="Pause").click()
    log.get_by_role("log").focus()
    page.evaluate("window.box = document.activeElement")

    site.render(
        count,
        tree=_with_output(count, "row 3 is wrong\nrow 4 is wrong\nrow 5 is wrong\n"),
        title="Import of airports",
    )
    pass_until(site, page.get_by_role("heading", name="Import of airports"))

    expect(log.get_by_role("button", name="2 new lines")).to_be_visible()
    expect(log.get_by_role("log")).not_to_contain_text("row 4")
    expect(branch).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement === window.box && window.box.isConnected")


def _with_output(count: int, text: str) -> object:
    tree = tree_of(UPDATES[:count])
    assert tree.root is not None
    tree.root.children[1].output += text
    return tree.root


def test_it_goes_back_to_live_when_that_gets_through_again(site: Site) -> None:
    site.lets_sockets_through = site.lets_events_through = False
    site.open(rendered=RUNNING, told=RUNNING)
    pass_until(site, site.page.get_by_text(REFRESHES))

    site.lets_sockets_through = site.lets_events_through = True
    site.render(RUNNING + 3)
    pass_until(site, site.page.locator(QUIET))
    expect(site.page.get_by_text(REFRESHES)).to_be_hidden()
    expect(site.page.get_by_text("3,000 of 8,000")).to_be_visible()
    count = len(site.asked["progress/"])
    pass_time(site, 10)
    assert len(site.asked["progress/"]) == count
    site.tell({"type": "nodeProgress", **of("a"), "current": 4000})
    site.page.clock.run_for(100)
    expect(site.page.get_by_text("4,000 of 8,000")).to_be_visible()


def test_a_server_that_is_away_is_said_and_comes_back_soon(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    pass_time(site, 1)
    site.lets_sockets_through = site.lets_events_through = site.lets_pages_through = False
    site.cut()
    pass_time(site, 60)
    pass_until(site, site.page.get_by_text(LOST))

    site.lets_sockets_through = site.lets_events_through = site.lets_pages_through = True
    site.render(RUNNING + 3)
    pass_until(site, site.page.get_by_text("3,000 of 8,000"))
    pass_until(site, site.page.locator(QUIET))
    expect(site.page.get_by_text(LOST)).to_be_hidden()
    expect(site.page.get_by_text(REFRESHES)).to_be_hidden()


def test_a_task_that_is_no_longer_theirs_ends_the_refreshes(site: Site) -> None:
    site.lets_sockets_through = site.lets_events_through = False
    site.open(rendered=RUNNING, told=RUNNING)
    site.answers["progress/x/"] = (404, {})
    pass_until(site, site.page.get_by_text("This task isn't there for you any more."))
    count = len(site.asked["progress/x/"])
    pass_time(site, 20)
    assert len(site.asked["progress/x/"]) == count
    site.problems.clear()


def test_the_end_is_followed_to_its_result_without_anything_live(site: Site) -> None:
    site.lets_sockets_through = site.lets_events_through = False
    site.open(rendered=RUNNING, told=RUNNING)
    site.render(END, redirect_url="/result/?x=1")
    site.page.clock.resume()

    site.page.wait_for_url(f"{ORIGIN}/result/?x=1")


@pytest.mark.parametrize(
    ("code", "text"), [("no_worker", "No worker is free."), ("worker_lost", "The worker was lost.")]
)
def test_a_stall_is_asked_for_after_silence_shown_said_once_and_goes_when_news_come(
    site: Site, code: str, text: str
) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    page = site.page.locator(".progress-page")
    site.page.evaluate(
        "() => { window.said = []; const live = document.querySelector('[data-part=\"live\"]');"
        " new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true, subtree: true,"
        " characterData: true }) }"
    )
    site.answers[f"api/tasks/{TASK}/"] = (200, {"stall": {"code": code, "text": text, "facts": {}}})
    pass_time(site, 15)
    assert f"api/tasks/{TASK}/" not in site.asked
    pass_until(site, page.locator('[data-part="stall"]'))
    pass_time(site, 50)

    expect(page).to_have_attribute("data-stalled", code)
    expect(page.locator('[data-part="stall"]')).to_have_text(text)
    assert len(site.asked[f"api/tasks/{TASK}/"]) > 1
    assert site.page.evaluate("said") == [text]

    site.tell(*STORY[RUNNING : RUNNING + 1])
    expect(page).not_to_have_attribute("data-stalled", code)
    expect(page.locator('[data-part="stall"]')).to_be_hidden()


def test_a_stall_that_the_server_drew_stays_until_there_are_news(site: Site) -> None:
    stall = {"code": "silent", "text": "Nothing has come for long.", "facts": {}}
    site.open(rendered=RUNNING, told=RUNNING, stall=stall)
    pass_time(site, 2)
    expect(site.page.locator(".progress-page")).to_have_attribute("data-stalled", "silent")
    expect(site.page.get_by_text("Nothing has come for long.")).to_be_visible()

    # The server no longer says so.
    pass_time(site, 25)
    expect(site.page.get_by_text("Nothing has come for long.")).to_be_hidden()
    seen_when_still(site.page)
