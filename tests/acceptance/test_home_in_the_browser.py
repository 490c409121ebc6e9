"""The home page on the real stack: work that goes on moves there by itself, and what it gave is one click away."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.conftest import Stack
from tests.acceptance.test_csv_import_in_the_browser import PATIENCE_MILLISECONDS, complaints, confirm, upload

__all__ = ["complaints"]

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]


def test_running_work_moves_and_ends_without_a_reload(
    stack: Stack, page: Page, many_airports: bytes, complaints: list[str]
) -> None:
    upload(page, stack, many_airports)
    confirm(page)
    page.goto(stack.address)
    page.evaluate("window.stillTheSamePage = true")
    row = page.locator(".work[data-task-id]")
    expect(row.locator("progress")).to_have_attribute("value", re.compile(r"^[1-9]"), timeout=PATIENCE_MILLISECONDS)
    expect(row).to_have_attribute("data-status", "completed", timeout=PATIENCE_MILLISECONDS)
    expect(row.get_by_text("Completed")).to_be_visible()
    expect(row.locator("progress")).to_be_hidden()
    # Told to those who don't see the bar.
    expect(page.get_by_role("log")).to_contain_text("Completed")
    assert page.evaluate("window.stillTheSamePage")
    row.get_by_role("link", name="See the result").click()
    expect(page.get_by_role("heading", name="Import finished")).to_be_visible()
    page.goto(stack.address)
    expect(page.locator("#mine-finished")).to_be_visible()
    assert complaints == []


def test_without_scripts_home_shows_how_it_stands_and_offers_to_look_again(
    stack: Stack, browser: Browser, many_airports: bytes
) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        upload(page, stack, many_airports)
        confirm(page)
        page.goto(stack.address)
        expect(page.locator(".work[data-task-id]")).to_be_visible()
        page.get_by_role("link", name="Reload to see how far it is now").click()
        expect(page.locator(".work")).to_be_visible()
    finally:
        context.close()
