"""The progress page promises to draw live what the server would draw, whenever the page was loaded."""

from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.static.conftest import BROWSER
from tests.static.progress_site import (
    ADDRESS,
    BRANCH_DONE,
    CANCELLING,
    END,
    ORIGIN,
    RUNNING,
    SEEN,
    STORY,
    TASK,
    UPDATES,
    WAITING,
    Site,
    html_of,
    of,
    seen_when_still,
    tree_of,
)

pytestmark = BROWSER


@pytest.fixture(scope="module")
def still(browser: Browser) -> Iterator[Page]:
    """Return a page that shows what the server draws, with no script running."""
    page = browser.new_page()
    page.route("**/static/**", lambda route: route.abort())
    yield page
    page.close()


def as_rendered(still: Page, count: int, language: str = "en") -> object:
    still.set_content(html_of(tree_of(UPDATES[:count]), language=language))
    return still.evaluate(SEEN)


@pytest.mark.parametrize("told", range(3, END + 1))
def test_live_updates_draw_what_the_server_would_draw(site: Site, told: int, still: Page) -> None:
    site.open(rendered=1, told=told)
    assert seen_when_still(site.page) == as_rendered(still, told)


@pytest.mark.parametrize("told", [RUNNING + 4, BRANCH_DONE, CANCELLING, END])
def test_in_another_language_too(site: Site, told: int, still: Page) -> None:
    site.open(rendered=1, told=told, language="de")
    assert seen_when_still(site.page) == as_rendered(still, told, "de")


@pytest.mark.parametrize(("rendered", "snapshot_at"), list(pairwise(range(1, END, 7))))
def test_a_page_that_was_loaded_earlier_catches_up_by_the_snapshot(site: Site, rendered: int, snapshot_at: int) -> None:
    site.open(rendered=rendered, told=snapshot_at, snapshot_at=snapshot_at)
    caught_up = seen_when_still(site.page)

    site.open(rendered=snapshot_at, told=snapshot_at)
    assert caught_up == seen_when_still(site.page)


def test_a_branch_that_is_done_is_folded_and_stays_as_the_reader_leaves_it(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    seen_when_still(site.page)
    branch = site.page.locator('[data-node-id="a"] > .node-body > .node-branch')

    site.tell(*STORY[RUNNING : WAITING - 2])
    expect(branch).not_to_have_attribute("open", "")
    branch.get_by_text("9 steps").click()
    expect(branch).to_have_attribute("open", "")
    site.tell({"type": "nodeProgress", **of("a"), "message": "looked over once more"})

    expect(site.page.get_by_text("looked over once more")).to_be_visible()
    expect(branch).to_have_attribute("open", "")


@pytest.mark.parametrize(("told", "is_offered"), [(CANCELLING, False), (END, True)])
def test_work_that_has_failed_offers_another_attempt(site: Site, told: int, is_offered: bool) -> None:
    site.open(rendered=2, told=told)
    seen_when_still(site.page)
    expect(site.page.get_by_role("link", name="Start again")).to_be_visible(visible=is_offered)
    expect(site.page.get_by_role("button", name="Try again")).to_be_visible(visible=is_offered)


def test_what_the_server_knows_of_the_end_is_shown_once_it_has_come(site: Site) -> None:
    site.open(rendered=5, told=5)
    seen_when_still(site.page)
    refused = "It can't be repeated: the file is gone."
    site.render(END, again_action_url="", again_refused=refused, repetition_url="/progress/y/")
    site.push(5)

    expect(site.page.get_by_text(refused)).to_be_visible()
    expect(site.page.get_by_role("link", name="See the new attempt")).to_have_attribute("href", "/progress/y/")
    expect(site.page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_cancel_asks_with_the_csrf_token_and_stays_on_the_page(site: Site) -> None:
    site.open(rendered=5, told=5)

    with site.page.expect_response("**/cancel/"):
        site.page.get_by_role("button", name="Cancel").click()

    expect(site.page.get_by_role("button", name="Cancel")).to_be_disabled()
    [asked] = site.asked["cancel/"]
    assert len(asked["headers"]["x-csrftoken"]) > 30
    assert site.page.url == ADDRESS


def test_a_refused_cancellation_says_why(site: Site) -> None:
    site.answers["cancel/"] = (409, {"code": "illegal_transition", "message": "This task has ended already."})
    site.open(rendered=5, told=5)

    site.page.get_by_role("button", name="Cancel").click()

    expect(site.page.get_by_text("This task has ended already.")).to_be_visible()
    # The browser itself reports an answer of 409.
    site.problems.clear()


def test_the_end_leads_on_and_back_doesnt_lead_here_again(site: Site) -> None:
    site.page.goto(f"{ORIGIN}/upload/")
    site.open(rendered=5, told=END, meta={"redirect": "/result/?x=1"})

    site.page.wait_for_url(f"{ORIGIN}/result/?x=1")
    site.page.go_back()
    assert site.page.url == f"{ORIGIN}/upload/"


def test_the_end_leads_nowhere_else(site: Site) -> None:
    site.page.clock.install()
    site.open(rendered=5, told=END, meta={"redirect": "//elsewhere.example/"})

    expect(site.page.locator(".progress-page")).to_have_attribute("data-status", "failed")
    site.page.clock.run_for(5_000)
    assert site.page.url == ADDRESS


def test_the_title_tells_the_percentage_and_then_the_end(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    expect(site.page).to_have_title("Running · Import · Stepline")
    site.tell(*STORY[RUNNING : RUNNING + 3])
    expect(site.page).to_have_title("18 % · Import · Stepline")
    site.tell({"type": "taskStatus", "status": "completed"}, {"type": "taskEnd"})
    expect(site.page).to_have_title("Completed · Import · Stepline")


def test_it_is_said_aloud_what_has_changed_and_how_far_it_is_by_quarters(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    seen_when_still(site.page)
    site.page.evaluate(
        """() => {
          window.said = [];
          const live = document.querySelector('[data-part="live"]');
          new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
        }"""
    )
    for share in (3, 24, 25, 26, 30, 55, 60, 76, 80, 99):
        site.tell({"type": "nodeProgress", **of(TASK), "current": share, "total": 100})
        expect(site.page.locator('[data-part="figure"]')).to_have_text(f"{share} %")
    site.tell({"type": "taskStatus", "status": "cancel_requested"})
    expect(site.page.locator('[data-part="live"]')).to_have_text("Cancelling")
    site.tell({"type": "taskStatus", "status": "cancelled"})
    site.tell({"type": "taskAborted", "reason": "cancelled by its owner"})

    expect(site.page).to_have_title("Cancelled · Import · Stepline")
    said = ["Running: 25 %", "Running: 50 %", "Running: 75 %", "Cancelling", "Cancelled"]
    assert site.page.evaluate("said") == said


def test_a_form_that_waits_for_the_visitor_appears_when_the_work_comes_to_it_and_goes_when_it_goes_on(
    site: Site,
) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    link = site.page.get_by_role("link", name="Approve it")
    expect(link).to_have_count(0)
    form = SimpleNamespace(reference="x" * 22, title="Approve it")
    site.render(WAITING, forms=[form])
    site.push(RUNNING)
    expect(link).to_be_visible()
    expect(link).to_have_attribute("href", f"/forms/{form.reference}/")
    expect(site.page.locator('[data-part="waits"]')).to_be_hidden()
    site.tell({"type": "taskStatus", "status": "running"})
    expect(link).to_be_hidden()


def test_work_says_what_it_waits_for_and_says_so_anew_when_it_waits_for_something_else(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    waits = site.page.locator('[data-part="waits"]')
    site.render(WAITING, waits="It waits until 3 p.m.")
    site.push(RUNNING)
    expect(waits).to_have_text("It waits until 3 p.m.")
    site.render(WAITING, waits="It waits for 2 parts.", snapshot=SimpleNamespace(seq=WAITING + 1))
    site.tell({"type": "taskStatus", "status": "waiting", "waitingFor": {"code": "children", "total": 2}})
    expect(waits).to_have_text("It waits for 2 parts.")
    site.tell({"type": "taskStatus", "status": "running"})
    expect(waits).to_be_hidden()


def test_an_action_that_is_tried_again_is_not_shown_as_work_without_a_worker(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    tried_again = SimpleNamespace(seq=RUNNING + 1)
    site.render(RUNNING, waits="It is tried again at 3 p.m.", status="retry", snapshot=tried_again)
    site.tell({"type": "taskStatus", "status": "pending", "waitingFor": {"code": "retry"}})
    expect(site.page.locator('[data-part="status"]')).to_have_text("Will be tried again")
    expect(site.page.locator('[data-part="waits"]')).to_have_text("It is tried again at 3 p.m.")
    site.tell({"type": "taskStatus", "status": "running"})
    expect(site.page.locator('[data-part="status"]')).to_have_text("Running")


def test_work_that_waits_for_somebody_else_shows_no_form(site: Site) -> None:
    site.open(rendered=RUNNING, told=RUNNING)
    site.render(WAITING)
    site.push(RUNNING)
    expect(site.page.locator('[data-part="waits"]')).to_be_visible()
    expect(site.page.locator('[data-part="forms"]')).to_be_hidden()
