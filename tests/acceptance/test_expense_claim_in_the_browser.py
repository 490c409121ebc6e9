"""expense-claim in a real browser on the real stack: the whole path, drafts, Back, racing tabs, a killed server."""

import os
import re
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect

from tests.acceptance.conftest import Stack

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

#: How the headings of the pages begin; each names the claim, as soon as it has a title.
START, COST, RECEIPT, REVIEW = "Claim an expense", "What did “", "Receipt for “", "Check and hand in “"
PASSWORD = "claims-are-paid-on-fridays"
MOST_CLAIMANTS = 40
PDF: FilePayload = {
    "name": "Zug nach Graz.pdf",
    "mimeType": "application/pdf",
    "buffer": b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n",
}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG: FilePayload = {
    "name": "hotel.png",
    "mimeType": "image/png",
    "buffer": b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\xff\xff"))
    + _chunk(b"IEND", b""),
}


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


class Claimant:
    """Claim expenses in a tab."""

    def __init__(self, stack: Stack, page: Page, name: str) -> None:
        self.stack, self.page, self.name = stack, page, name

    def sign_in(self) -> None:
        self.page.goto(f"{self.stack.address}/accounts/login/")
        self.page.fill("#id_username", self.name)
        self.page.fill("#id_password", PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def begin(self) -> None:
        self.page.goto(f"{self.stack.address}/")
        self.page.get_by_role("link", name="Claim an expense").click()
        expect(heading(self.page, START)).to_be_visible()

    def fill_in_purpose(self, title: str = "Train to Graz") -> None:
        self.page.get_by_label("What did you pay for?").fill(title)
        self.page.get_by_label("Kind of expense").select_option("Train or bus")
        self.page.get_by_label("Why was it needed?").fill("The workshop with the team there.")

    def fill_in_cost(self, amount: str = "1284.50") -> None:
        self.page.get_by_label("Day of payment").fill(days_ago(3))
        self.page.get_by_label("Amount").fill(amount)
        self.page.get_by_label("Currency").select_option("EUR")
        self.page.get_by_label("Tax in it").fill("1.5")

    def add_receipts(self, *files: FilePayload) -> None:
        self.page.set_input_files('input[type="file"]', list(files))

    def go_on(self, to: str) -> None:
        self.page.get_by_role("button", name="Continue").click()
        expect(heading(self.page, to)).to_be_visible()

    def come_to_review(self, amount: str = "1284.50", *receipts: FilePayload) -> None:
        self.begin()
        self.fill_in_purpose()
        self.go_on(COST)
        self.fill_in_cost(amount)
        self.go_on(RECEIPT)
        self.add_receipts(*(receipts or (PDF, PNG)))
        self.go_on(REVIEW)

    def hand_in(self) -> str:
        self.page.get_by_role("button", name="Hand in").click()
        self.page.wait_for_url(re.compile(r"/instances/[0-9a-f-]{36}/$"))
        return self.page.url

    @property
    def claims(self) -> int:
        """Return how many claims the home page lists."""
        self.page.goto(f"{self.stack.address}/")
        links = self.page.locator('a[href^="/instances/"]').all()
        return len({link.get_attribute("href") for link in links})


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=re.compile(f"^{text}"), level=1)


@pytest.fixture(scope="session")
def new_claimant(stack: Stack) -> Callable[[Page], Claimant]:
    """Return a function that gives a tab to somebody who has never claimed anything, signed in."""
    names = [f"claimant{number}" for number in range(MOST_CLAIMANTS)]
    models, hashers = (f"__import__('django.contrib.auth.{name}', fromlist=['x'])" for name in ("models", "hashers"))
    # One hash for all of them: making it takes its time.
    stack.ask_database(
        f"(lambda User, password: len(User.objects.bulk_create([User(username=name, password=password) for name in"
        f" {names}])))({models}.User, {hashers}.make_password('{PASSWORD}'))"
    )

    def make(page: Page) -> Claimant:
        claimant = Claimant(stack, page, names.pop())
        claimant.sign_in()
        return claimant

    return make


@pytest.fixture
def claimant(page: Page, new_claimant: Callable[[Page], Claimant]) -> Claimant:
    return new_claimant(page)


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """Hold the test to a browser that complains about nothing: errors, what the policy blocks, missing files."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert found == []


def expect_accessible(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert violations == [], [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations]


# -- the whole path ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("complaints")
def test_a_person_claims_checks_changes_hands_in_and_sees_the_claim_waiting(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    expect_accessible(page)
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    expect_accessible(page)
    claimant.fill_in_cost()
    claimant.go_on(RECEIPT)
    expect_accessible(page)
    claimant.add_receipts(PDF, PNG)
    claimant.go_on(REVIEW)
    expect_accessible(page)
    expect(page.locator(".claim-amount")).to_have_text("1,284.50 EUR")
    expect(page.get_by_role("link", name=PDF["name"])).to_be_visible()

    # From the review to a step and back again: everything else is as it was.
    page.get_by_role("link", name="Change what it was for").click()
    expect(page.get_by_label("What did you pay for?")).to_have_value("Train to Graz")
    page.get_by_label("What did you pay for?").fill("Train to Graz and back")
    claimant.go_on(REVIEW)
    expect(heading(page, REVIEW)).to_contain_text("Train to Graz and back")
    expect(page.get_by_role("link", name=PNG["name"])).to_be_visible()

    address = claimant.hand_in()
    expect(heading(page, "Train to Graz and back")).to_be_visible()
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    expect(page.locator(".claim-amount")).to_have_attribute("value", "1284.50")
    expect_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=PDF["name"]).click()
    assert download.value.path().read_bytes() == PDF["buffer"]

    # The home page lists the claim, and no draft.
    page.goto(f"{claimant.stack.address}/")
    page.get_by_role("link", name="Train to Graz and back").click()
    page.wait_for_url(address)
    assert claimant.claims == 1


def test_a_small_amount_needs_no_receipt_and_one_above_the_limit_does(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose("Two coffees")
    claimant.go_on(COST)
    claimant.fill_in_cost("25.01")
    claimant.go_on(RECEIPT)
    page.get_by_role("button", name="Continue").click()
    field = page.locator(".field", has=page.locator('input[type="file"]'))
    expect(field.get_by_text("Add a receipt: amounts above 25.00 EUR need one.")).to_be_visible()
    expect_accessible(page)

    page.get_by_role("button", name="Back").click()
    page.get_by_label("Amount").fill("25")
    # The page that was left by Back comes again, this time without any complaint.
    claimant.go_on(RECEIPT)
    expect(page.locator(".errorlist")).to_have_count(0)
    claimant.go_on(REVIEW)
    claimant.hand_in()
    assert claimant.claims == 1


def test_rules_across_fields_are_told_at_the_right_fields(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    claimant.fill_in_cost("10")
    page.get_by_label("Day of payment").fill(days_ago(200))
    page.get_by_label("Tax in it").fill("11")
    page.get_by_role("button", name="Continue").click()
    day = page.locator(".field", has=page.get_by_label("Day of payment"))
    tax = page.locator(".field", has=page.get_by_label("Tax in it"))
    expect(day.get_by_text("This is too long ago")).to_be_visible()
    expect(tax.get_by_text("The tax is a part of the amount")).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_value("10")


# -- files ------------------------------------------------------------------------------------------------------------


def test_what_is_no_receipt_or_too_large_is_refused_and_the_rest_is_kept(claimant: Claimant, tmp_path: Path) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    claimant.fill_in_cost()
    claimant.go_on(RECEIPT)
    page.get_by_label("Note").fill("The second one is in the mail.")
    for name, content, message in (
        ("receipt.exe", b"MZ", "of a type that is taken here"),
        ("receipt.pdf", b"<html><script>alert(1)</script></html>", "receipt.pdf"),
        ("large.pdf", bytes(PDF["buffer"]) + bytes(10 * 1024 * 1024), "too large"),
    ):
        (tmp_path / name).write_bytes(content)
        page.set_input_files('input[type="file"]', tmp_path / name)
        page.get_by_role("button", name="Continue").click()
        field = page.locator(".field", has=page.locator('input[type="file"]'))
        expect(field.locator(".errorlist")).to_contain_text(message)
        expect(page.get_by_label("Note")).to_have_value("The second one is in the mail.")
    claimant.add_receipts(PDF)
    claimant.go_on(REVIEW)
    expect(page.get_by_role("link", name=PDF["name"])).to_be_visible()


# -- drafts and Back --------------------------------------------------------------------------------------------------


def test_a_draft_is_there_after_signing_out_and_in_just_as_it_was_typed(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    # Too much, and the rest is missing: a draft takes it as it is.
    page.get_by_label("Amount").fill("99999.999")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Draft saved")).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_value("99999.999")
    page.get_by_role("button", name="Sign out").click()

    claimant.sign_in()
    page.goto(f"{claimant.stack.address}/")
    page.get_by_role("region", name="Drafts").get_by_role("link", name="What did “Train to Graz” cost?").first.click()
    expect(heading(page, COST)).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_value("99999.999")
    claimant.fill_in_cost("12.50")
    claimant.go_on(RECEIPT)
    claimant.add_receipts(PDF)
    claimant.go_on(REVIEW)
    claimant.hand_in()
    page.goto(f"{claimant.stack.address}/")
    expect(page.get_by_role("region", name="Drafts")).to_have_count(0)


def test_back_by_its_button_keeps_what_was_typed_on_both_sides(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    page.get_by_label("Amount").fill("77")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("What did you pay for?")).to_have_value("Train to Graz")
    expect(page.get_by_label("Kind of expense")).to_have_value("Train or bus")
    claimant.go_on(COST)
    expect(page.get_by_label("Amount")).to_have_value("77")


def test_receipts_survive_going_back_and_forth(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    claimant.fill_in_cost()
    claimant.go_on(RECEIPT)
    claimant.add_receipts(PDF)
    page.get_by_role("button", name="Back").click()
    expect(heading(page, COST)).to_be_visible()
    claimant.go_on(RECEIPT)
    expect(page.get_by_role("link", name=PDF["name"])).to_be_visible()
    claimant.add_receipts(PNG)
    claimant.go_on(REVIEW)
    for name in (PDF["name"], PNG["name"]):
        expect(page.get_by_role("link", name=name)).to_be_visible()


def test_the_browsers_own_back_shows_the_step_as_it_was_and_goes_on_from_there(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    claimant.fill_in_cost()
    claimant.go_on(RECEIPT)
    page.go_back()
    expect(heading(page, COST)).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_value("1284.50")
    page.go_back()
    expect(page.get_by_label("What did you pay for?")).to_have_value("Train to Graz")
    page.get_by_label("What did you pay for?").fill("Bus to Graz")
    claimant.go_on(RECEIPT)
    expect(heading(page, RECEIPT)).to_contain_text("Bus to Graz")
    claimant.add_receipts(PDF)
    claimant.go_on(REVIEW)
    expect(page.locator(".claim-amount")).to_have_text("1,284.50 EUR")


def test_a_discarded_draft_is_gone(claimant: Claimant) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    page.get_by_role("button", name="Save draft").click()
    expect(heading(page, START)).to_be_visible()
    address = page.url
    page.get_by_role("button", name="Discard").click()
    page.wait_for_url(f"{claimant.stack.address}/")
    expect(page.get_by_role("region", name="Drafts")).to_have_count(0)
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 404


# -- once, and only once ----------------------------------------------------------------------------------------------


def test_of_two_tabs_that_send_the_same_step_one_wins_and_the_other_is_told_how_to_go_on(
    claimant: Claimant, context: BrowserContext
) -> None:
    page = claimant.page
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    other = Claimant(claimant.stack, context.new_page(), claimant.name)
    other.page.goto(page.url)
    other.fill_in_cost("30")
    claimant.fill_in_cost("40")
    claimant.go_on(RECEIPT)
    with other.page.expect_response(lambda response: response.request.method == "POST") as answer:
        other.page.get_by_role("button", name="Continue").click()
    assert answer.value.status == 409
    other.page.get_by_role("link", name="See this step as it stands now").click()
    expect(heading(other.page, RECEIPT)).to_be_visible()


def test_handing_in_twice_makes_one_claim_and_leads_to_it(claimant: Claimant, context: BrowserContext) -> None:
    page = claimant.page
    claimant.come_to_review()
    other = context.new_page()
    other.goto(page.url)
    address = claimant.hand_in()
    with other.expect_response(lambda response: response.request.method == "POST") as answer:
        other.get_by_role("button", name="Hand in").click()
    assert answer.value.status == 409
    other.locator(f'a[href="{address.removeprefix(claimant.stack.address)}"]').click()
    expect(other.get_by_text("Waiting for approval")).to_be_visible()

    page.reload()
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    page.go_back()
    page.locator(f'a[href="{address.removeprefix(claimant.stack.address)}"]').click()
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    assert claimant.claims == 1


def test_a_double_click_makes_one_claim(claimant: Claimant) -> None:
    claimant.come_to_review()
    claimant.page.get_by_role("button", name="Hand in").dblclick(no_wait_after=True)
    see = claimant.page.get_by_role("link", name="See what it has become")
    waiting = claimant.page.get_by_text("Waiting for approval")
    expect(see.or_(waiting)).to_be_visible()
    if see.is_visible():
        see.click()
    expect(waiting).to_be_visible()
    assert claimant.claims == 1


def test_a_server_killed_between_two_steps_costs_nothing(claimant: Claimant) -> None:
    stack = claimant.stack
    claimant.begin()
    claimant.fill_in_purpose()
    claimant.go_on(COST)
    claimant.fill_in_cost()
    (web,) = stack.pids(b"uvicorn")
    before = len(stack.program.lines)
    os.kill(web, signal.SIGKILL)
    stack.program.wait_for("web is back", times=sum("web is back" in line for line in stack.program.lines[:before]) + 1)
    claimant.go_on(RECEIPT)
    claimant.add_receipts(PDF)
    claimant.go_on(REVIEW)
    claimant.hand_in()
    assert claimant.claims == 1


# -- other browsers ---------------------------------------------------------------------------------------------------


def test_without_javascript_it_works_the_same(browser: Browser, new_claimant: Callable[[Page], Claimant]) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        claimant = new_claimant(context.new_page())
        claimant.begin()
        claimant.fill_in_purpose()
        claimant.page.get_by_role("button", name="Save draft").click()
        claimant.go_on(COST)
        claimant.page.get_by_role("button", name="Back").click()
        claimant.go_on(COST)
        claimant.fill_in_cost()
        claimant.go_on(RECEIPT)
        claimant.add_receipts(PDF, PNG)
        claimant.go_on(REVIEW)
        claimant.hand_in()
        expect(claimant.page.get_by_text("Waiting for approval")).to_be_visible()
        assert claimant.claims == 1
    finally:
        context.close()


def test_on_a_phone_nothing_sticks_out(browser: Browser, new_claimant: Callable[[Page], Claimant]) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    try:
        claimant = new_claimant(context.new_page())
        page = claimant.page

        def expect_fitting() -> None:
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

        claimant.begin()
        expect_fitting()
        claimant.fill_in_purpose("A very long title without much to say " * 3)
        claimant.go_on(COST)
        expect_fitting()
        claimant.fill_in_cost()
        claimant.go_on(RECEIPT)
        claimant.add_receipts({**PDF, "name": "a-name-that-has-no-place-to-break-" * 4 + ".pdf"})
        expect_fitting()
        claimant.go_on(REVIEW)
        expect_fitting()
        claimant.hand_in()
        expect_fitting()
    finally:
        context.close()


def test_a_claim_is_nobody_elses(
    claimant: Claimant, browser: Browser, new_claimant: Callable[[Page], Claimant]
) -> None:
    claimant.come_to_review()
    address = claimant.hand_in()
    receipt = claimant.page.get_by_role("link", name=PDF["name"]).get_attribute("href")
    context = browser.new_context()
    try:
        other = new_claimant(context.new_page())
        for place in (address, f"{claimant.stack.address}{receipt}"):
            answer = other.page.goto(place)
            assert answer is not None
            assert answer.status == 404
    finally:
        context.close()
