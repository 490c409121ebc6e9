"""`<task-progress>` on a page with our strict policy: live, accessible, and cancelled by its owner."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.acceptance.conftest import Stack
from tests.javascript.conftest import call
from tests.javascript.pages import PATIENCE_MILLISECONDS, open_strict_page, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

HEAD = (
    '<link rel="stylesheet" href="/static/processes/stepline.css">'
    '<link rel="stylesheet" href="/static/tasks/task-progress.css">'
    '<script type="module" src="/static/tasks/task-progress.js"></script>'
)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


def element(task_id: str, *, attributes: str = "", inside: str = "") -> str:
    return f'<task-progress task-id="{task_id}" {attributes}>{inside}</task-progress>'


def test_it_shows_a_task_live_and_tells_of_its_end(
    page: Page, context: BrowserContext, stack: Stack, token: str, gate: Path, complaints: list[str]
) -> None:
    sign_in(context, stack)
    task_id = call(stack, token, "js.export", rows=4, gate=str(gate))["job_id"]
    open_strict_page(page, stack, element(task_id), head=HEAD)
    page.evaluate("() => { window.ended = []; addEventListener('task-ended', ({ detail }) => ended.push(detail)); }")
    shown = page.locator("task-progress")
    bar = shown.get_by_role("progressbar", name="Exporting")
    expect(bar).to_have_js_property("value", 50)
    expect(shown).to_contain_text("half way")
    expect(shown).to_contain_text("50%")
    expect(shown.locator('[data-part="status"]')).to_have_text("Running")

    gate.touch()
    expect(shown).to_have_attribute("data-status", "completed")
    expect(shown.get_by_role("status")).to_have_text("Exporting: Completed")
    expect(bar).to_be_hidden()
    expect(shown.get_by_role("button")).to_be_hidden()
    assert page.evaluate("ended") == [{"taskId": task_id, "status": "completed", "output": {"rows": 4}}]
    assert complaints == []


def test_its_owner_cancels_it(page: Page, context: BrowserContext, stack: Stack, token: str, gate: Path) -> None:
    sign_in(context, stack)
    task_id = call(stack, token, "js.share", gate=str(gate))["taskId"]
    open_strict_page(page, stack, element(task_id), head=HEAD)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("task-progress")).to_have_attribute("data-status", "cancelled")
    expect(page.get_by_role("alert")).not_to_be_empty()


def test_others_see_a_shared_task_and_can_not_cancel_it(page: Page, stack: Stack, token: str, gate: Path) -> None:
    task_id = call(stack, token, "js.share", gate=str(gate))["taskId"]
    open_strict_page(page, stack, element(task_id), head=HEAD)
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 50)
    expect(page.get_by_role("button")).to_have_count(0)
    gate.touch()
    expect(page.locator("task-progress")).to_have_attribute("data-status", "completed")


def test_it_speaks_german_and_what_a_page_gives_it(
    page: Page, context: BrowserContext, stack: Stack, token: str
) -> None:
    sign_in(context, stack)
    task_id = call(stack, token, "js.export", rows=2)["job_id"]
    words = '<template><span data-word="completed">All done</span></template>'
    body = f'<section lang="de">{element(task_id)}</section>{element(task_id, inside=words)}'
    open_strict_page(page, stack, body, head=HEAD)
    expect(page.locator("task-progress").first).to_contain_text("Fertig")
    expect(page.locator("task-progress").last).to_contain_text("All done")


def test_a_task_that_is_not_theirs_is_not_there_and_another_may_take_its_place(
    page: Page, context: BrowserContext, stack: Stack, token: str
) -> None:
    sign_in(context, stack)
    open_strict_page(page, stack, element("0197f000-0000-7000-8000-000000000000"), head=HEAD)
    shown = page.locator("task-progress")
    expect(shown.get_by_text("This task isn't there for you.")).to_be_visible()
    expect(shown.get_by_role("progressbar")).to_have_count(0)
    task_id = call(stack, token, "js.broken")["job_id"]
    shown.evaluate("(element, id) => (element.taskId = id)", task_id)
    expect(shown).to_have_attribute("data-status", "failed")
    expect(shown.get_by_role("alert")).to_contain_text("The disk is full.")


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def sighted(request: pytest.FixtureRequest, browser: Browser, stack: Stack, scheme: str) -> Iterator[Page]:
    context = browser.new_context(viewport=request.param, color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(context, stack)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("styles", ["ours", "none"])
def test_axe_finds_nothing(sighted: Page, stack: Stack, token: str, gate: Path, styles: str) -> None:
    running = call(stack, token, "js.export", gate=str(gate))["job_id"]
    failed = call(stack, token, "js.broken")["job_id"]
    done = call(stack, token, "js.export", rows=1)["job_id"]
    ids = (running, failed, done, "0197f000-0000-7000-8000-000000000000")
    head = HEAD if styles == "ours" else HEAD.partition(">")[2]
    open_strict_page(sighted, stack, "".join(map(element, ids)), head=head)
    for number, status in enumerate(("running", "failed", "completed", "not_found")):
        expect(sighted.locator("task-progress").nth(number)).to_have_attribute("data-status", status)
    expect(sighted.get_by_text("half way")).to_be_visible()
    results = Axe().run(sighted)
    assert results.violations_count == 0, results.generate_report()
    width, seen = sighted.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= seen
    gate.touch()
