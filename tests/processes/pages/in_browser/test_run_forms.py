"""A form at which a run waits, in a browser: from the progress page to the answer, with a mistake on the way."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from processes.models import Run
from tests.processes.form_answer_kit import ask
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import form, publish_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

FIELDS = [
    {"name": "verdict", "label": "Your verdict", "type": "choice", "choices": ["Yes", "No"]},
    {"name": "seats", "label": "Seats", "type": "integer", "max_value": 8},
    {"name": "paper", "label": "Paper", "type": "file", "required": False},
]


@pytest.fixture
def kit(transactional_db: None) -> Iterator[RunKit]:
    with ExitStack() as stack:
        yield RunKit(stack)


def test_from_the_progress_page_to_the_answer(page: Page, live_server: Any, kit: RunKit) -> None:
    publish_process(
        "order",
        [
            form("begin", "go", {"name": "what", "label": "What"}),
            {"name": "go", "script": "execute_in_background"},
            ask("approve", title="Approve the order", fields=FIELDS, intro="Look at it well.", timeout_seconds=86_400),
            {"name": "after", "script": None},
        ],
    )
    page.goto(f"{live_server}/p/order/")
    page.get_by_label("What").fill("Chairs")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/progress/"))
    expect(page.get_by_role("link", name="Approve the order")).to_be_hidden()
    kit.work()
    page.reload()
    page.get_by_role("link", name="Approve the order").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Approve the order")
    page.get_by_label("Your verdict").select_option("Yes")
    page.get_by_label("Seats").fill("20")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Seats")
    expect(page.get_by_label("Your verdict")).to_have_value("Yes")
    page.get_by_label("Seats").fill("4")
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/progress/"))
    expect(page.get_by_role("status").filter(has_text="Your answer was taken.")).to_be_visible()
    kit.work()
    assert kit.data(Run.objects.get().pk) == {"what": "Chairs", "verdict": "Yes", "seats": 4, "paper": None}
    page.reload()
    expect(page.locator("[data-status=completed]").first).to_be_visible()
