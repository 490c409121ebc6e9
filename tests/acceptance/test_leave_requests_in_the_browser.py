"""A team's own page on the real stack: work that an option begins moves there, and what follows is shown by itself."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import Stack
from tests.acceptance.test_csv_import_in_the_browser import PATIENCE_MILLISECONDS, complaints

__all__ = ["complaints"]

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]


def test_from_a_draft_to_the_calendar_without_a_reload(stack: Stack, page: Page, complaints: list[str]) -> None:
    name, password = stack.account
    # Other tests may have made users on the same stack.
    boss = f"User.objects.get_by_natural_key({name!r})"
    made = f"models.Department.objects.get_or_create(name='Sales', defaults={{'manager': {boss}}})[0].pk"
    kind = "models.LeaveKind.objects.get_or_create(name='Holiday')[0].pk"
    imports = "__import__('importlib').import_module('examples.leave_requests.models')"
    user = "__import__('django.contrib.auth', fromlist=['x']).get_user_model()"
    stack.ask_database(f"(lambda models, User: ({made}, {kind}))({imports}, {user})")
    page.goto(f"{stack.address}/accounts/login/?next=/leave/new/")
    page.fill("#id_username", name)
    page.fill("#id_password", password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Kind of leave").select_option("Holiday")
    page.get_by_label("Department").select_option("Sales")
    page.get_by_label("First day").fill("2026-06-01")
    page.get_by_label("Last day").fill("2026-12-31")
    page.get_by_role("button", name="Save as a draft").click()
    expect(page.locator("process-status")).to_have_text("Draft")
    page.get_by_role("button", name="Hand in").click()
    page.get_by_role("button", name="Approve").click()
    expect(page).to_have_url(re.compile(r"/leave/\d+/$"))
    page.evaluate("window.stillTheSamePage = true")
    expect(page.locator("process-status")).to_have_text("Booked", timeout=PATIENCE_MILLISECONDS)
    expect(page.locator(".process-run")).to_have_attribute("data-status", "completed")
    expect(page.get_by_role("log")).to_contain_text("Completed")
    assert page.evaluate("window.stillTheSamePage")
    assert complaints == []
