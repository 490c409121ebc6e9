"""Who wants to know when it's done is told: by mail, which the server sends, or by a notification of the browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.static.conftest import BROWSER
from tests.static.progress_site import END, NO_WATCH, RUNNING, STORY, TASK, WATCH, Site, of, seen_when_still

pytestmark = BROWSER

#: A browser's notifications, with an answer of its own when it is asked for permission; it notes what is shown.
BROWSER_THAT_ANSWERS = """
  window.asked = 0;
  window.shown = [];
  window.Notification = class extends EventTarget {
    static permission = "default";
    static async requestPermission() { window.asked += 1; return (this.permission = %r); }
    constructor(title, options) { super(); window.shown.push([title, options.body]); }
    close() {}
  };
  Object.defineProperty(window, "isSecureContext", { value: true });
"""
HIDE = "() => Object.defineProperty(document, 'hidden', { value: true, configurable: true })"


def allow(page: Page, answer: str) -> None:
    page.add_init_script(BROWSER_THAT_ANSWERS % answer)


def test_a_mail_is_asked_for_and_declined_again_without_leaving_the_page(site: Site) -> None:
    site.answers["watch/"] = (200, {"isWatching": True, "mail": "a…@example.org", "status": "running", "ended": False})
    site.open(rendered=RUNNING, told=RUNNING, watch=WATCH)
    toggle = site.page.get_by_role("button", name="By mail to a…@example.org")
    expect(toggle).to_have_attribute("aria-pressed", "false")

    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(site.page.get_by_text("A mail will come when it's done.")).to_be_visible()
    expect(toggle).to_be_focused()
    site.answers["watch/"] = (200, {"isWatching": False, "mail": "", "status": "running", "ended": False})
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(site.page.get_by_text("No mail will be sent.")).to_be_visible()

    assert [asked["body"] for asked in site.asked["watch/"]] == ["on=1", "on=0"]
    assert all(len(asked["headers"]["x-csrftoken"]) > 30 for asked in site.asked["watch/"])


def test_a_mail_that_is_refused_says_why(site: Site) -> None:
    site.answers["watch/"] = (409, {"code": "not_watchable", "message": "Your account has no address."})
    site.open(rendered=RUNNING, told=RUNNING, watch=WATCH)
    site.page.get_by_role("button", name="By mail").click()

    expect(site.page.get_by_text("Your account has no address.")).to_be_visible()
    site.problems.clear()


def test_nothing_is_offered_where_nothing_is_possible(site: Site) -> None:
    # Over plain HTTP, and to somebody without an address.
    site.open(rendered=RUNNING, told=RUNNING, watch=NO_WATCH)
    seen_when_still(site.page)
    expect(site.page.get_by_text("Tell me when it's done")).to_be_hidden()


def test_a_hidden_page_notifies_at_the_end_and_permission_is_asked_for_by_the_click_only(site: Site) -> None:
    allow(site.page, "granted")
    site.open(rendered=RUNNING, told=RUNNING, watch=NO_WATCH)
    toggle = site.page.get_by_role("button", name="In this browser")
    expect(toggle).to_be_visible()
    assert site.page.evaluate("asked") == 0
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(site.page.get_by_text("This browser will tell you")).to_be_visible()

    site.page.evaluate(HIDE)
    site.render(END)
    site.push(RUNNING)
    site.page.wait_for_function("() => shown.length === 1")
    assert site.page.evaluate("shown") == [["Import", "Failed"]]
    expect(site.page.get_by_text("Tell me when it's done")).to_have_count(0)


def test_a_visible_page_doesnt_notify(site: Site) -> None:
    allow(site.page, "granted")
    site.open(rendered=RUNNING, told=RUNNING)
    site.page.get_by_role("button", name="In this browser").click()
    expect(site.page.get_by_text("This browser will tell you")).to_be_visible()
    site.render(END)
    site.push(RUNNING)

    expect(site.page.get_by_role("button", name="Try again")).to_be_visible()
    assert site.page.evaluate("shown") == []


def test_the_choice_outlives_a_reload_and_can_be_taken_back(site: Site) -> None:
    allow(site.page, "granted")
    site.page.add_init_script("Notification.permission = 'granted'")
    site.open(rendered=RUNNING, told=RUNNING)
    toggle = site.page.get_by_role("button", name="In this browser")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    site.page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "false")
    site.page.reload()
    expect(toggle).to_have_attribute("aria-pressed", "false")


def test_a_refused_permission_says_so(site: Site) -> None:
    allow(site.page, "denied")
    site.open(rendered=RUNNING, told=RUNNING)
    toggle = site.page.get_by_role("button", name="In this browser")
    toggle.click()

    expect(site.page.get_by_text("This browser doesn't let this site notify you.")).to_be_visible()
    expect(toggle).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140 Mobile"])
def test_a_browser_that_shows_none_from_a_page_doesnt_offer_them(site: Site, agent: str) -> None:
    allow(site.page, "granted")
    site.page.add_init_script(f"Object.defineProperty(navigator, 'userAgent', {{ value: {agent!r} }})")
    site.open(rendered=RUNNING, told=RUNNING)
    seen_when_still(site.page)
    expect(site.page.get_by_role("button", name="In this browser")).to_be_hidden()


def test_who_was_notified_is_led_on_when_they_come(site: Site) -> None:
    allow(site.page, "granted")
    site.open(rendered=RUNNING, told=RUNNING)
    site.page.get_by_role("button", name="In this browser").click()
    expect(site.page.get_by_text("This browser will tell you")).to_be_visible()
    site.page.evaluate(HIDE)
    site.tell(*STORY[RUNNING:-1], {"type": "nodeMeta", **of(TASK), "meta": {"redirect": "/result/"}}, STORY[-1])
    site.page.wait_for_function("() => shown.length === 1")
    assert site.page.url.endswith("/progress/x/")

    site.page.evaluate("() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')) }")
    site.page.wait_for_url("**/result/")
