"""An operator looks at runs and callbacks: on a phone and at a desk, in light and dark, without complaints."""

from typing import Any, Literal

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from processes.models import Run
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.conftest import kit
from tests.static.conftest import BROWSER

__all__ = ["kit"]

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

RUNS, CALLBACKS, NODES = (f"/admin/processes/{name}/" for name in ("run", "callback", "datanode"))


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    calls = CallbackKit(kit)
    values = {"kept": {"name": "x" * 300, "rows": [1, 2, 3]}, "long key " + "y" * 60: 1}
    calls.begin(
        calls.anchor("order", next={"prepare": "keep", "progress": "seen"}, callbackStoreResponse=True,
                     callbackData={"parcel": 1}),
        {"name": "keep", "script": "set_data", "config": {"values": values}, "next": "call"},
        calls.call(), calls.see("seen"),
        user=User.objects.create_user("ada"),
    )  # fmt: skip
    calls.report("progress", {"parcel": "z" * 300})
    return calls


@pytest.fixture
def site(live_server: object, context: BrowserContext) -> str:
    visit(context, str(live_server))
    return str(live_server)


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], site: str, calls: CallbackKit, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    run, row = Run.objects.get(), calls.callback()
    for place in (RUNS, CALLBACKS, NODES, f"{RUNS}{run.pk}/change/", f"{CALLBACKS}{row.pk}/change/"):
        page.goto(site + place)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (place, wider) == (place, 0)
        nameless = "document.querySelectorAll('.task-part :is(table:not(:has(th[scope])), a:empty)').length"
        assert page.evaluate(nameless) == 0
    assert [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("heading")] == []
    assert complaints == []


def test_a_callback_is_found_and_leads_to_its_run(
    page: Page, complaints: list[str], site: str, calls: CallbackKit
) -> None:
    page.goto(site + CALLBACKS)
    page.get_by_role("searchbox").or_(page.locator("#searchbar")).first.fill("ada")
    page.keyboard.press("Enter")
    page.locator(".field-callback_id a").click()
    expect(page.get_by_text('"parcel": 1')).to_be_visible()
    page.get_by_role("link", name="Its run").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    page.get_by_role("link", name="order").click()
    expect(page.get_by_text("a query answers", exact=False)).to_be_visible()
    assert complaints == []
