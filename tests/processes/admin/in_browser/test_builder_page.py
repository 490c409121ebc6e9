"""Somebody builds a process in rows: with the mouse, by keyboard, without scripts, on a phone, without complaints."""

import json
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from processes.models import ProcessTemplate
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.services.published import action, publish_process, save_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def template() -> ProcessTemplate:
    base = publish_process("base", [action("greet")])
    return save_process(
        "work",
        [
            {"name": "ask", "script": "set_state", "config": {"state": "ok"}, "next": {"ok": "pay", "*": False}},
            action("tell", entry=False),
            action("pay"),
            action("leave", entry=False),
            action("@end"),
        ],
        extends=[base],
    )


def saved(template: ProcessTemplate) -> Any:
    template.refresh_from_db()
    return json.loads(template.definition)


def names(page: Page) -> list[list[str]]:
    """Return the names of the steps, action by action, as they stand on the page."""
    found: list[list[str]] = page.evaluate(
        """() => [...document.querySelectorAll("[data-builder-action]")].map((action) =>
             [...action.querySelectorAll("[data-builder-step]")].map((step) => step.dataset.name))"""
    )
    return found


def save(page: Page) -> None:
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".messagelist")).to_contain_text("The draft is saved")


def test_a_step_is_added_filled_in_and_saved_without_leaving_the_page(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate
) -> None:
    page.goto(f"{sign_in}{template.pk}/builder/")
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="Add a step to pay").click()
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    name.fill("notify")
    page.get_by_label("Runs", exact=True).select_option("fail")
    message = page.get_by_role("textbox", name="message")
    message.fill("Sorry,\nno.")
    page.get_by_label("status", exact=True).fill("409")
    page.get_by_label("Under the state").fill("bad")
    page.get_by_label("goes to").select_option("ask")
    page.get_by_role("button", name="Add a rule to").click()
    expect(page.get_by_label("Under the state").nth(1)).to_be_focused()
    expect(page.locator('svg .edge[data-states="bad"]')).to_have_count(1)
    assert page.evaluate("window.stays")
    save(page)
    assert saved(template)[4] == {
        "name": "notify", "script": "fail", "next": {"bad": "ask"},
        "config": {"message": "Sorry,\nno.", "status": 409}, "entry": False,
    }  # fmt: skip
    assert complaints == []


def test_what_is_typed_is_checked_beside_the_field(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate
) -> None:
    page.goto(f"{sign_in}{template.pk}/builder/?open=ask")
    page.get_by_label("Under the state").first.fill("fine")
    page.get_by_label("Comment").focus()
    expect(page.locator('svg .edge[data-states="fine"]')).to_have_count(1)
    page.get_by_label("Further keys").fill('{"odd": 1}')
    page.get_by_label("Comment").focus()
    expect(page.locator("#action-ask")).to_contain_text('Unknown key "odd"')
    # What was typed is still there.
    expect(page.get_by_label("Further keys")).to_have_value('{"odd": 1}')
    assert complaints == []


def test_rows_are_moved_by_keyboard(page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate) -> None:
    page.goto(f"{sign_in}{template.pk}/builder/")
    page.get_by_role("button", name="Move the step tell", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text("“tell” is now step 2 of “pay”.")
    assert names(page) == [["ask"], ["pay", "tell", "leave"], ["@end"]]
    expect(page.get_by_role("button", name="Move the step tell", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text("“tell” is now step 3 of “pay”.")
    page.get_by_role("button", name="Move the step tell up").click()
    expect(page.get_by_role("status")).to_have_text("“tell” is now step 2 of “pay”.")
    expect(page.get_by_role("button", name="Move the step tell up")).to_be_focused()
    page.get_by_role("button", name="Move the step tell down").press("Enter")
    expect(page.get_by_role("status")).to_have_text("“tell” is now step 3 of “pay”.")
    page.get_by_role("button", name="Move the action pay", exact=True).focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("status")).to_have_text("“pay” is now the beginning of action 1.")
    assert names(page) == [["pay", "leave", "tell"], ["ask"], ["@end"]]
    save(page)
    assert [(step["name"], step.get("entry", True)) for step in saved(template)] == [
        ("pay", True), ("leave", False), ("tell", False), ("ask", True), ("@end", True),
    ]  # fmt: skip
    assert complaints == []


def drag(page: Page, handle: str, to: str) -> None:
    """Drag a row by its handle to just below the middle of the place of a step."""
    page.get_by_role("button", name=handle, exact=True).hover()
    page.mouse.down()
    box = page.locator(f'[data-builder-step][data-name="{to}"]').bounding_box()
    assert box is not None
    for part in (0.2, 0.4, 0.6, 0.8):
        page.mouse.move(box["x"] + 40, box["y"] + box["height"] * part, steps=3)


def test_rows_are_moved_by_dragging(page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate) -> None:
    page.set_viewport_size({"width": 1280, "height": 1600})
    page.goto(f"{sign_in}{template.pk}/builder/")
    drag(page, "Move the step tell", "leave")
    page.mouse.up()
    expect(page.locator('[data-builder-action][data-name="pay"] [data-name="tell"]')).to_have_count(1)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert names(page) == [["ask"], ["pay", "leave", "tell"], ["@end"]]
    save(page)
    assert [step["name"] for step in saved(template)] == ["ask", "pay", "leave", "tell", "@end"]
    assert complaints == []


def test_escape_puts_a_dragged_row_back(page: Page, sign_in: str, template: ProcessTemplate) -> None:
    page.set_viewport_size({"width": 1280, "height": 1600})
    page.goto(f"{sign_in}{template.pk}/builder/")
    drag(page, "Move the step tell", "leave")
    page.keyboard.press("Escape")
    page.mouse.up()
    assert names(page) == [["ask", "tell"], ["pay", "leave"], ["@end"]]


def test_what_was_deleted_comes_back(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate
) -> None:
    page.goto(f"{sign_in}{template.pk}/builder/?open=tell")
    page.get_by_label("Comment").fill("Typed before.")
    page.get_by_role("button", name="Delete the action ask with its steps").click()
    expect(page.get_by_role("status")).to_contain_text("The action “ask” is deleted.")
    assert names(page) == [["pay", "leave"], ["@end"]]
    page.get_by_role("button", name="Undo").click()
    assert names(page) == [["ask", "tell"], ["pay", "leave"], ["@end"]]
    expect(page.get_by_label("Comment")).to_have_value("Typed before.")
    save(page)
    assert saved(template)[1]["comment"] == "Typed before."
    assert complaints == []


def test_leaving_with_changes_is_asked_about(page: Page, sign_in: str, template: ProcessTemplate) -> None:
    page.goto(f"{sign_in}{template.pk}/builder/")
    page.get_by_label("Caption").first.fill("Ask first")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Documentation").click(no_wait_after=True)
    expect(page.get_by_label("Caption").first).to_have_value("Ask first")
    assert asked == ["beforeunload"]


def test_all_of_it_works_without_scripts(
    browser: Browser, live_server: object, sign_in: str, template: ProcessTemplate
) -> None:
    context = browser.new_context(java_script_enabled=False)
    visit(context, str(live_server))
    page = context.new_page()
    page.goto(f"{sign_in}{template.pk}/builder/")
    page.get_by_role("button", name="Add a step to pay").click()
    page.get_by_label("Name", exact=True).fill("notify")
    page.get_by_label("Runs", exact=True).select_option("set_state")
    page.get_by_role("button", name="Show the config of what step runs").click()
    page.get_by_label("state required").fill("told")
    page.get_by_label("Under the state").first.fill("told")
    page.get_by_label("goes to").first.select_option("exit")
    page.get_by_role("button", name="Move the step notify up").click()
    page.get_by_label("Caption").first.fill("Ask first")
    # Enter in a field draws the rows again, and does nothing else.
    page.get_by_label("Caption").first.press("Enter")
    expect(page.get_by_role("heading", name="Ask first")).to_be_visible()
    save(page)
    definition = saved(template)
    assert [step["name"] for step in definition] == ["ask", "tell", "pay", "notify", "leave", "@end"]
    assert definition[0]["caption"] == "Ask first"
    assert definition[3] == {
        "name": "notify", "script": "set_state", "next": {"told": False}, "config": {"state": "told"}, "entry": False,
    }  # fmt: skip
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_can_be_read_by_everybody(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate, width: int,
    scheme: Literal["light", "dark"],
) -> None:  # fmt: skip
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{sign_in}{template.pk}/builder/?open=ask&open=leave")
    page.get_by_label("Under the state").first.wait_for()
    # Fields that bear their own names have no label beside them.
    findings = [found for found in page.evaluate(FINDINGS) if not found.startswith("no label: s") or "-p:" not in found]
    assert findings == []
    assert complaints == []


def test_a_slow_answer_isnt_lost_to_a_field_that_was_just_left(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.clock.install()
    page.goto(f"{sign_in}{template.pk}/builder/?open=tell")
    page.route("**/builder/rows/", hold)
    page.get_by_label("Name", exact=True).fill("say")
    with page.expect_request("**/builder/rows/"):
        page.get_by_label("Runs", exact=True).select_option("fail")
    # Longer than the pause after which what is typed is checked.
    page.clock.run_for(2_000)
    assert len(held) == 1
    held[0].continue_()
    expect(page.get_by_role("textbox", name="message")).to_be_visible()
    assert complaints == []
