"""An operator looks at messages, deliveries and subscriptions: on a phone and at a desk, without complaints."""

from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from processes.models import Delivery, Message, Subscription
from processes.services.topics import publish
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.services.topic_kit import a_process, a_subscriber, spread_all
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

MESSAGES, DELIVERIES, SUBSCRIPTIONS = (f"/admin/processes/{name}/" for name in ("message", "delivery", "subscription"))


@pytest.fixture
def site(live_server: object, context: BrowserContext) -> str:
    template = a_process()
    a_subscriber("invoice.*", template=template, title="Trip to Graz")
    a_subscriber("*", "data.gone == '" + "1" * 200 + "'", template=template, title="x" * 190)
    publish("invoice.paid", {"text": "y" * 300, "lines": [1, 2, 3]}, key="k" * 200)
    spread_all()
    visit(context, str(live_server))
    return str(live_server)


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], site: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    rows = ((MESSAGES, Message), (DELIVERIES, Delivery), (SUBSCRIPTIONS, Subscription))
    changes = [f"{address}{model.objects.order_by('pk')[0].pk}/change/" for address, model in rows]
    for place in (MESSAGES, DELIVERIES, SUBSCRIPTIONS, *changes):
        page.goto(site + place)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (place, wider) == (place, 0)
        nameless = "document.querySelectorAll('.task-part :is(table:not(:has(th[scope])), a:empty)').length"
        assert page.evaluate(nameless) == 0
        if place in changes:
            assert [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("heading")] == []
    assert complaints == []


def test_a_message_is_found_and_leads_to_the_run_that_consumes_it(page: Page, complaints: list[str], site: str) -> None:
    page.goto(site + MESSAGES)
    page.locator("#searchbar").fill("invoice")
    page.keyboard.press("Enter")
    page.locator(".field-topic a").click()
    table = page.get_by_role("region", name="To whom it was given")
    expect(table.get_by_text("couldn't be given to the process")).to_be_visible()
    table.get_by_role("row", name="Trip to Graz").get_by_role("link").last.click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    assert complaints == []
