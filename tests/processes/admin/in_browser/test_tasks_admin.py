"""An operator at work on jobs and trees: by keyboard and on a phone, in light and dark, without complaints."""

from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tasks.models import Job
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.static.conftest import BROWSER
from tests.tasks.admin.conftest import DEAD, JOBS, TREES, Jobs, kit, made

__all__ = ["kit", "made"]

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: object, context: BrowserContext) -> str:
    visit(context, str(live_server))
    return str(live_server)


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], site: str, made: Jobs, width: int, scheme: Literal["light", "dark"]
) -> None:
    job = made.dead(title="Exporting users " + "x" * 150, arguments={"where": "x" * 300}, concurrency_key="k" * 100)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for place in (JOBS, DEAD, TREES, f"{JOBS}{job.pk}/change/", f"{TREES}{job.pk}/change/"):
        page.goto(site + place)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (place, wider) == (place, 0)
        # Django's own parts are as they are; these are ours.
        nameless = "document.querySelectorAll('.task-part :is(table:not(:has(th[scope])), a:empty)').length"
        assert page.evaluate(nameless) == 0
    assert [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("heading")] == []
    assert complaints == []


def test_dead_letters_are_replayed_by_keyboard(page: Page, complaints: list[str], site: str, made: Jobs) -> None:
    job = made.dead(title="Exporting users")
    page.goto(site + DEAD)
    page.get_by_role("checkbox", name="Select this object for an action").press("Space")
    page.get_by_label("Action:").select_option("replay_selected")
    page.get_by_role("button", name="Go").press("Enter")
    expect(page.get_by_role("heading", name="Replay these?")).to_be_visible()
    assert not Job.objects.filter(root__previous_id=job.pk).exists()
    page.get_by_role("button", name="Replay 1 task").press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("1 enqueued once more.")
    page.locator("#result_list").get_by_role("link", name="replayed", exact=True).click()
    expect(page.get_by_role("heading", name="Exporting users")).to_be_visible()
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("1 cancelled.")
    assert Job.objects.get(root__previous_id=job.pk).status == "cancelled"
    assert complaints == []


def test_a_question_can_be_left_without_an_answer(page: Page, site: str, made: Jobs) -> None:
    job = made.waiting()
    page.goto(f"{site}{JOBS}?status=pending")
    page.get_by_role("checkbox", name="Select this object for an action").check()
    page.get_by_label("Action:").select_option("cancel_selected")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("link", name="Leave them as they are").click()
    expect(page).to_have_url(f"{site}{JOBS}?status=pending")
    assert Job.objects.get(pk=job.pk).status == "pending"
