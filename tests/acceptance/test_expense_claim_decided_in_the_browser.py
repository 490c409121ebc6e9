"""expense-claim from hand to hand on the real stack: a claimant on a phone, an approver, the worker that pays."""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.conftest import Stack, running_stack
from tests.acceptance.test_expense_claim_in_the_browser import PASSWORD, PDF, Claimant, expect_accessible
from tests.config.conftest import Program

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

#: How often a page is loaded anew until the background has done its work, and how long each look waits.
LOOKS, LOOK_MILLISECONDS = 60, 1_000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run everything, with the payment worker's host among those that processes may reach."""
    reachable = {"STEPLINE_OUTBOUND_HOSTS": "127.0.0.1", "STEPLINE_OUTBOUND_PRIVATE": "127.0.0.1"}
    with (
        tempfile.TemporaryDirectory(prefix="stepline-claims-") as folder,
        running_stack(Path(folder), **reachable) as running,
    ):
        auth = "__import__('django.contrib.auth.models', fromlist=['x'])"
        for name, groups in (("mara", ()), ("paul", ("approvers",))):
            running.ask_database(
                f"(lambda m: m.User.objects.create_user('{name}', password='{PASSWORD}')"
                f".groups.set(m.Group.objects.filter(name__in={groups!r})))({auth})"
            )
        yield running


@pytest.fixture
def worker(stack: Stack, tmp_path: Path) -> Iterator[Program]:
    """Run the payment worker, and let claims that are made from now on be paid by it."""
    command = [sys.executable, "-m", "examples.expense_claim.payment_worker", "--stepline", stack.address]
    program = Program([*command, "--folder", str(tmp_path), "--port", "0", "--seconds", "1", "--refuse-above", "1000"])
    try:
        url = program.wait_for(r"^payments are ordered at (\S+)")[1]
        bound = {"payment_url": {"value": url}}
        stack.ask_database(f"InstanceType.objects.filter(slug='expense-claim').update(bindings={bound!r})")
        yield program
    finally:
        program.close()


@pytest.fixture
def mara(stack: Stack, browser: Browser) -> Iterator[Claimant]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    claimant = Claimant(stack, context.new_page(), "mara")
    claimant.sign_in()
    yield claimant
    context.close()


@pytest.fixture
def paul(stack: Stack, browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    Claimant(stack, page, "paul").sign_in()
    yield page
    context.close()


def wait_for(page: Page, address: str, text: str) -> None:
    """Load a page until it says something: what the background does, it doesn't tell by itself."""
    for _ in range(LOOKS):
        page.goto(address)
        if page.locator("main").get_by_text(text, exact=True).first.is_visible():
            return
        page.wait_for_timeout(LOOK_MILLISECONDS)
    pytest.fail(f"no {text!r} on {page.locator('main').inner_text()}")


def test_a_claim_is_rejected_corrected_approved_and_paid(
    stack: Stack, worker: Program, mara: Claimant, paul: Page
) -> None:
    mara.come_to_review("250.00", PDF)
    address = mara.hand_in()
    expect(mara.page.get_by_text("Waits for approvers")).to_be_visible()
    expect(mara.page.get_by_role("button", name="Approve")).to_have_count(0)
    expect_accessible(mara.page)

    paul.goto(f"{stack.address}/inbox/")
    expect_accessible(paul)
    paul.get_by_role("link", name="Train to Graz").first.click()
    paul.wait_for_url(re.compile(address))
    with paul.expect_download() as download:
        paul.get_by_role("link", name=PDF["name"]).click()
    assert download.value.path().read_bytes() == PDF["buffer"]
    paul.get_by_role("link", name="Reject …").click()
    paul.get_by_label("Why?").fill("Which train was it?")
    expect_accessible(paul)
    paul.get_by_role("button", name="Reject").click()
    expect(paul.get_by_text("Rejected", exact=True).first).to_be_visible()

    page = mara.page
    page.goto(address)
    expect(page.get_by_text("Which train was it?")).to_be_visible()
    page.get_by_role("link", name="Correct and hand in again").click()
    expect_accessible(page)
    page.get_by_role("link", name="Change what it was for").click()
    page.get_by_label("What did you pay for?").fill("Night train to Graz")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("heading", name="Night train to Graz", level=1)).to_be_visible()
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    paul.goto(address)
    paul.get_by_role("button", name="Approve").click()
    worker.wait_for(": paid$")
    wait_for(page, address, "Remittance slip")
    expect(page.get_by_text("Paid", exact=True).first).to_be_visible()
    expect(page.get_by_text("PAY-")).to_be_visible()
    expect_accessible(page)
    for each in (page, paul):
        each.goto(address)
        with each.expect_download() as download:
            each.get_by_role("link", name="remittance-slip.txt").click()
        assert "250.00 EUR" in download.value.path().read_text()


def test_a_payment_that_is_refused_can_be_made_again(stack: Stack, worker: Program, mara: Claimant, paul: Page) -> None:
    mara.come_to_review("1284.50", PDF)
    address = mara.hand_in()
    paul.goto(address)
    paul.get_by_role("button", name="Approve").click()
    wait_for(paul, address, "The payment has failed")
    expect(paul.get_by_text("The bank pays at most 1000 EUR at once")).to_be_visible()
    expect_accessible(paul)
    paul.get_by_role("button", name="Pay again").click()
    worker.wait_for("refused$", times=2)
    mara.page.goto(address)
    expect(mara.page.get_by_role("button", name="Pay again")).to_have_count(0)
