"""Triggers in a real browser: on a phone and a desktop, in light and dark, by keyboard, without complaints."""

import re
from typing import Literal

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from processes.models import Run, Trigger, TriggerKind
from processes.services.audit import SYSTEM
from processes.services.errors import AuthorityError
from processes.services.firing import begin, note_failure
from processes.services.trigger_secrets import set_secret
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.services.trigger_kit import a_process, a_trigger
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

LIST = "/admin/processes/trigger/"


@pytest.fixture
def site(live_server: object, context: BrowserContext) -> str:
    visit(context, str(live_server))
    return str(live_server)


def made() -> tuple[Trigger, Trigger]:
    """Have a schedule and a webhook with a history, of one administrator."""
    root, _ = User.objects.get_or_create(username="admin", is_staff=True, is_superuser=True)
    nightly = a_trigger(user=root, title="Nightly import of airports " + "x" * 60, time_zone="Europe/Berlin")
    hook = a_trigger(user=root, kind=TriggerKind.WEBHOOK, title="From the shop", style="github")
    for _ in range(2):
        set_secret(trigger=hook, editor=root, keep_hours=24)
    begin(nightly, key="due:1", how="schedule", actor=SYSTEM, due_at=timezone.now())
    note_failure(nightly, AuthorityError("The user doesn't exist any more, or is inactive."), key="due:2")
    begin(hook, key="id:1", how="webhook", actor=SYSTEM, delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958" * 4)
    Trigger.objects.filter(pk=hook.pk).update(refused_at=timezone.now(), refusal="forged")
    return nightly, hook


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], site: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    nightly, hook = made()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    pages = (
        LIST, f"{LIST}add/", f"{LIST}{nightly.pk}/change/", f"{LIST}{hook.pk}/change/", f"{LIST}{hook.pk}/secret/",
        "/admin/processes/triggerfiring/",
    )  # fmt: skip
    for place in pages:
        page.goto(site + place)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (place, wider) == (place, 0)
    page.goto(f"{site}{LIST}{hook.pk}/change/")
    assert [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("heading")] == []
    assert complaints == []


def test_a_schedule_is_set_up_with_its_times_in_sight_and_fired_by_keyboard(
    page: Page, complaints: list[str], site: str
) -> None:
    template = a_process()
    page.goto(f"{site}{LIST}add/")
    expect(page.get_by_role("heading", name="Webhook")).to_be_hidden()
    page.get_by_label("Title:").fill("Nightly")
    page.get_by_label("Process:").select_option(label=template.title)
    page.get_by_label("Time zone:").select_option("Asia/Tokyo")
    page.get_by_label("Crontab:").fill("99 * * * *")
    times = page.locator("[data-trigger-times]")
    expect(times).to_contain_text("isn't a line of crontab")
    page.get_by_label("Crontab:").fill("15 9 * * *")
    expect(times.get_by_role("listitem")).to_have_text([re.compile(r"09:15:00 JST$")] * 5)
    page.get_by_role("button", name="Save and continue editing").press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    expect(page.locator("[data-trigger-times] li")).to_have_count(5)

    page.get_by_role("button", name="Fire now").press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Started.")
    expect(page.get_by_role("row", name="fired by hand")).to_contain_text("started")
    run = Run.objects.get()
    # The progress page looks for a WebSocket, which the test server hasn't, and the browser complains of that.
    assert complaints == []
    page.get_by_role("link", name="See how it is going").click()
    expect(page).to_have_url(f"{site}/progress/{run.pk}/")


def test_a_webhook_gets_its_secret_once(page: Page, complaints: list[str], site: str) -> None:
    template = a_process()
    page.goto(f"{site}{LIST}add/")
    page.get_by_label("Title:").fill("From the shop")
    page.get_by_label("Process:").select_option(label=template.title)
    page.get_by_label("Started by:").select_option("webhook")
    expect(page.get_by_role("heading", name="Next times")).to_be_hidden()
    expect(page.get_by_label("Crontab:")).to_be_hidden()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Set the secret").press("Enter")
    shown = page.get_by_label("Secret")
    expect(shown).to_have_value(re.compile(r"^whsec_.{44}$"))
    secret = shown.input_value()
    page.get_by_role("link", name="I have copied it").press("Enter")
    expect(page.get_by_text("it is never shown again")).to_be_visible()
    assert secret not in page.content()
    assert complaints == []


def test_what_is_wrong_is_seen_whatever_kind_is_chosen(page: Page, site: str) -> None:
    template = a_process()
    page.goto(f"{site}{LIST}add/")
    page.get_by_label("Title:").fill("Nightly")
    page.get_by_label("Process:").select_option(label=template.title)
    page.get_by_label("Started by:").select_option("webhook")
    page.get_by_label("At most:").fill("often")
    page.get_by_label("Started by:").select_option("schedule")
    page.get_by_label("Crontab:").fill("0 3 * * *")
    page.get_by_label("Tolerance:").evaluate("field => { field.value = 'x'; field.type = 'text'; }")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".trigger-webhook .errorlist")).to_be_visible()


def test_a_form_that_was_refused_says_where_and_still_shows_when_it_would_be_due(page: Page, site: str) -> None:
    template = a_process()
    page.goto(f"{site}{LIST}add/")
    page.get_by_label("Title:").fill("Nightly")
    page.get_by_label("Process:").select_option(label=template.title)
    page.get_by_label("Crontab:").fill("15 9 * * *")
    page.get_by_label("Data:").fill('{"a":')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-data .errorlist")).to_contain_text("line 1, column 6")
    expect(page.get_by_label("Data:")).to_have_value('{"a":')
    expect(page.locator("[data-trigger-times]").get_by_role("listitem")).to_have_count(5)
