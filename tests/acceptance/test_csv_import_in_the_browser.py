"""csv-import in a real browser on the real stack: the whole path, reload, a second tab, no JavaScript, racing tabs."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

from tests.acceptance.conftest import Stack

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

PATIENCE_MILLISECONDS = 60_000


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """Return what the browser complains about: errors of scripts, blocked by the policy, missing files."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def upload(page: Page, stack: Stack, content: bytes) -> None:
    page.goto(f"{stack.address}/p/csv-import/")
    file: FilePayload = {"name": "airports.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files('input[type="file"]', file)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", name="Columns found")).to_be_visible()


def confirm(page: Page) -> str:
    page.get_by_role("button", name="Import").click()
    page.wait_for_url(re.compile(r"/progress/[0-9a-f-]{36}/$"))
    return page.url


def expect_result(page: Page, accepted: int, rejected: int) -> None:
    expect(page.get_by_role("heading", name="Import finished")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page.locator(".rows-accepted")).to_have_attribute("value", str(accepted))
    expect(page.locator(".rows-rejected")).to_have_attribute("value", str(rejected))


def test_a_person_uploads_previews_confirms_watches_and_downloads(
    stack: Stack, page: Page, airports: bytes, complaints: list[str], tmp_path: Path
) -> None:
    upload(page, stack, airports)
    expect(page.get_by_text("have problems and would be rejected")).to_be_visible()
    confirm(page)
    expect_result(page, 3364, 12)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the rejected rows").click()
    path = tmp_path / "rejected.csv"
    download.value.save_as(path)
    assert len(path.read_text("utf-8-sig").splitlines()) == 13
    assert complaints == []


def test_the_progress_page_moves_while_the_work_goes_on_and_survives_a_reload_and_a_second_tab(
    stack: Stack, page: Page, context: BrowserContext, many_airports: bytes, complaints: list[str]
) -> None:
    upload(page, stack, many_airports)
    address = confirm(page)
    validate = page.locator(".node", has=page.get_by_text("Validate", exact=True))
    expect(validate).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    expect(page).to_have_title(re.compile(r"^\d+\s?%"))

    # Its bar moves by what comes over the socket: the page isn't loaded again.
    bar = validate.locator("progress").first
    expect(bar).to_have_attribute("value", re.compile(r"^[1-9]"), timeout=PATIENCE_MILLISECONDS)
    read = page.locator(".node", has=page.get_by_text("Read", exact=True))
    expect(read).to_have_attribute("data-status", "completed")

    second = context.new_page()
    second.goto(address)
    page.reload()
    for tab in (page, second):
        shown = tab.locator(".node", has=tab.get_by_text("Read", exact=True))
        expect(shown).to_have_attribute("data-status", "completed")
        expect(tab.get_by_text("airports.csv: 40,000 rows")).to_be_attached()
    expect_result(page, 39_600, 400)
    expect_result(second, 39_600, 400)
    assert complaints == []


def test_without_javascript_the_page_refreshes_itself_and_leads_to_the_result(
    stack: Stack, browser: Browser, airports: bytes
) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        upload(page, stack, airports)
        confirm(page)
        expect_result(page, 3364, 12)
    finally:
        context.close()


def test_of_two_tabs_that_confirm_the_same_import_one_wins(
    stack: Stack, page: Page, context: BrowserContext, airports: bytes
) -> None:
    upload(page, stack, airports)
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("button", name="Import")).to_be_visible()
    address = confirm(page)
    with other.expect_response(lambda response: response.request.method == "POST") as answer:
        other.get_by_role("button", name="Import").click()
    assert answer.value.status == 409
    other.locator(f'a[href="{address.removeprefix(stack.address)}"]').click()
    expect_result(other, 3364, 12)


def test_cancel_stops_the_import_and_leaves_no_rows(stack: Stack, page: Page, many_airports: bytes) -> None:
    upload(page, stack, many_airports)
    address = confirm(page)
    task = address.rstrip("/").rpartition("/")[2]
    expect(page.locator(".node").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".progress-page")).to_have_attribute("data-status", "cancelled", timeout=PATIENCE_MILLISECONDS)
    assert stack.ask_database(f"models.ImportedRow.objects.filter(batch_id='{task}').count()") == "0"


def write_definition(page: Page, text: str) -> None:
    """Put a text into the editor, by way of its plain field."""
    page.get_by_role("button", name="Plain text").first.click()
    page.locator("#id_definition").fill(text)


def test_the_admin_refuses_a_bad_definition_with_place_and_suggestion_and_saves_a_good_one(
    stack: Stack, page: Page, complaints: list[str]
) -> None:
    name, password = stack.account
    page.goto(f"{stack.address}/admin/processes/processtemplate/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Import airports from a CSV file").click()
    good = page.locator("#id_definition").input_value()

    broken = json.loads(good)
    actions = broken["actions"]
    actions[0]["next"] = "chek"
    actions[0]["script"] = "show_frm"
    write_definition(page, json.dumps(broken))
    page.get_by_role("button", name="Save", exact=True).click()
    errors = page.locator(".json-problems")
    expect(errors).to_contain_text('No action "chek" is declared. Did you mean "check"?')
    expect(errors.get_by_role("button", name="Line 1, column")).to_have_count(2)
    expect(page.locator("#id_definition")).to_have_value(json.dumps(broken))

    write_definition(page, good.replace("Upload and check", "Look at it"))
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    page.goto(f"{stack.address}/p/csv-import/")
    expect(page.get_by_role("button", name="Look at it")).to_be_visible()

    page.goto(f"{stack.address}/admin/processes/processtemplate/")
    page.get_by_role("link", name="Import airports from a CSV file").click()
    write_definition(page, good)
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert complaints == []
