"""Back, reload, a second click and a second window, as a browser does them, with scripts and without."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from processes.models import DataNode
from processes.registry import scripts
from tests.processes.services.published import form, publish_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

BUTTONS = [{"label": "Save draft", "does": "draft"}, {"label": "Back", "does": "back", "action": "one"}]


@pytest.fixture
def address(live_server: Any) -> str:
    publish_process(
        "claim",
        [
            form("one", "two", {"name": "a", "label": "First"}, config={"title": "Step one", "buttons": BUTTONS[:1]}),
            form("two", "end", {"name": "b", "label": "Second"}, config={"title": "Step two", "buttons": BUTTONS}),
            {
                "name": "end",
                "script": "show_page",
                "config": {"title": "Done", "text": "%{data:a} %{data:b}"},
                "next": False,
            },
        ],
    )
    return f"{live_server}/p/claim/"


def heading(window: Page, text: str) -> None:
    expect(window.get_by_role("heading", level=1)).to_have_text(text)


def to_step_two(window: Page, address: str, first: str = "Ada") -> None:
    window.goto(address)
    window.get_by_label("First").fill(first)
    window.get_by_role("button", name="Continue").click()
    heading(window, "Step two")


def test_the_browsers_back_leads_to_the_first_form_as_it_was_sent_and_on_from_there(page: Page, address: str) -> None:
    to_step_two(page, address)
    page.go_back()
    heading(page, "Step one")
    expect(page.get_by_label("First")).to_have_value("Ada")
    page.get_by_label("First").fill("Grace")
    page.get_by_role("button", name="Continue").click()
    heading(page, "Step two")
    page.get_by_label("Second").fill("Hopper")
    page.get_by_role("button", name="Continue").click()
    heading(page, "Done")
    expect(page.get_by_role("main")).to_contain_text("Grace Hopper")
    assert DataNode.objects.count() == 1


def test_from_the_end_back_leads_through_every_step_with_what_was_entered(page: Page, address: str) -> None:
    to_step_two(page, address)
    page.get_by_label("Second").fill("Lovelace")
    page.get_by_role("button", name="Continue").click()
    heading(page, "Done")
    page.go_back()
    heading(page, "Step two")
    expect(page.get_by_label("Second")).to_have_value("Lovelace")
    page.go_back()
    expect(page.get_by_label("First")).to_have_value("Ada")


def test_reloading_sends_nothing_again_not_even_what_was_refused(page: Page, address: str) -> None:
    to_step_two(page, address)
    page.get_by_label("Second").evaluate("(input) => input.removeAttribute('required')")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.reload()
    heading(page, "Step two")
    assert len(posts) == 1


def test_an_address_that_was_never_sent_begins_anew_for_whoever_opens_it(page: Page, address: str) -> None:
    page.goto(address)
    expect(page).to_have_url(re.compile(r"form=one&data=[\w-]{22}&new=1$"))
    first = page.url
    page.reload()
    heading(page, "Step one")
    assert page.url != first
    assert not DataNode.objects.exists()


def test_a_second_click_sends_nothing_more_and_the_pressed_button_is_told(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("First").fill("Ada")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.post_data or "") if request.method == "POST" else None)
    page.get_by_role("button", name="Save draft").dblclick()
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    expect(page.get_by_label("First")).to_have_value("Ada")
    assert len(posts) == 1
    assert "button=draft-1" in posts[0]
    expect(page.get_by_role("button", name="Continue")).to_be_enabled()


def test_after_a_download_the_form_can_be_used_again(page: Page, live_server: Any) -> None:
    def answer(app: Any) -> None:
        app.response.content, app.response.content_type = "a,b", "application/x-unknown"

    with scripts.override("answer_with_bytes", answer):
        publish_process(
            "export", [form("ask", "go", {"name": "a"}), {"name": "go", "script": "answer_with_bytes", "next": False}]
        )
        page.clock.install()
        page.goto(f"{live_server}/p/export/")
        page.get_by_role("textbox", name="A").fill("x")
        with page.expect_download():
            page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Continue")).to_be_disabled()
        page.clock.run_for(30_000)
        expect(page.get_by_role("button", name="Continue")).to_be_enabled()


def test_of_two_windows_the_later_sees_what_happened_and_goes_on_from_there(page: Page, address: str) -> None:
    to_step_two(page, address)
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_label("Second").fill("Lovelace")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    other.get_by_label("Second").fill("Byron")
    other.get_by_role("button", name="Continue").click()
    heading(other, "This was saved in another window")
    expect(other.get_by_role("main")).to_contain_text("Byron")
    other.get_by_role("link", name="See this step as it stands now").click()
    expect(other.get_by_label("Second")).to_have_value("Lovelace")


def test_the_back_button_of_the_form_keeps_what_was_typed(page: Page, address: str) -> None:
    to_step_two(page, address)
    page.get_by_label("Second").fill("half a wo")
    page.get_by_role("button", name="Back").click()
    heading(page, "Step one")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Second")).to_have_value("half a wo")


@pytest.fixture
def without_scripts(browser: Browser) -> Any:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_without_scripts_every_step_and_button_works(without_scripts: Page, address: str) -> None:
    window = without_scripts
    to_step_two(window, address)
    window.get_by_label("Second").fill("half a wo")
    window.get_by_role("button", name="Back").click()
    heading(window, "Step one")
    expect(window.get_by_label("First")).to_have_value("Ada")
    window.get_by_role("button", name="Continue").click()
    window.get_by_role("button", name="Save draft").click()
    expect(window.get_by_text("Draft saved.")).to_be_visible()
    window.reload()
    expect(window.get_by_label("Second")).to_have_value("half a wo")
    window.get_by_role("button", name="Continue").click()
    heading(window, "Done")


def test_without_scripts_a_second_click_leads_to_the_page_that_tells_how_to_go_on(
    without_scripts: Page, address: str
) -> None:
    window = without_scripts
    window.goto(address)
    window.get_by_label("First").fill("Ada")
    window.get_by_role("button", name="Continue").click(click_count=2)
    window.wait_for_load_state()
    heading_now: Callable[[], str] = window.get_by_role("heading", level=1).inner_text
    # Which of the two answers the browser shows, is the browser's choice.
    if heading_now() != "Step two":
        window.get_by_role("link", name="See this step as it stands now").click()
    heading(window, "Step two")
    assert DataNode.objects.get().data == {"a": "Ada"}
