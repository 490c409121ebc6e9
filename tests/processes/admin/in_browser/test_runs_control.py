"""An operator controls runs in a browser: on a phone and at a desk, in light and dark, without complaints."""

import uuid
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from processes.services.operators import pause_run
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.admin.runs_desk import RUNS, page_of
from tests.processes.scripts.test_parallel_scripts import parallel
from tests.processes.services.conftest import kit
from tests.processes.services.test_compensating_runs import park
from tests.processes.services.test_controlling import Breaks, failed, unknown_outcome
from tests.processes.services.test_moving_runs import Process
from tests.static.conftest import BROWSER

__all__ = ["kit"]

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]


@dataclass
class Desk:
    """Have runs of every kind, at a site where an administrator is signed in."""

    site: str
    kit: Any
    process: Process
    waits: uuid.UUID
    stuck: uuid.UUID
    failed: uuid.UUID
    unknown: uuid.UUID
    parent: uuid.UUID

    def pages(self) -> list[str]:
        return [
            RUNS,
            page_of(self.waits),
            page_of(self.failed),
            page_of(self.parent),
            *(page_of(self.waits, deed) for deed in ("pause", "cancel", "edit", "move", "export")),
            page_of(self.stuck, "move"),
            page_of(self.unknown, "retry"),
            page_of(self.failed, "rewind"),
            page_of(self.failed, "rewind", "?ordinal=1"),
            f"/admin/processes/processtemplate/{self.process.template.pk}/runs/",
        ]


@pytest.fixture
def desk(live_server: object, context: BrowserContext, kit: Any) -> Desk:
    visit(context, str(live_server))
    operator = User.objects.get(username="admin")
    process = Process(kit)
    process.template.title = "Expense claims"
    process.template.save()
    waits, stuck = process.start(), process.start()
    process.publish(process.ask, {"name": "second", "script": process.ask["script"]})
    process.publish_new()
    parent = kit.start(*parallel(kit, {name: {"script": kit.script(park, durable=True)} for name in ("left", "right")}))
    kit.work()
    unknown, _breaks = unknown_outcome(kit)
    broken = failed(kit, Breaks())
    pause_run(run_id=stuck, user=operator)
    kit.work()
    return Desk(str(live_server), kit, process, waits, stuck, broken, unknown, parent)


@pytest.mark.parametrize(("width", "scheme"), [(1366, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], desk: Desk, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for place in desk.pages():
        page.goto(desk.site + place)
        # Django's own boxes have their label as an attribute, and Ace's field a name of its own.
        found = [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("no label")]
        assert (place, found) == (place, [])
    assert complaints == []


def test_data_are_edited_in_the_json_editor(page: Page, complaints: list[str], desk: Desk) -> None:
    page.goto(desk.site + page_of(desk.waits))
    page.get_by_role("link", name="Edit the data…").click()
    editor = page.get_by_role("textbox", name="Data")
    expect(page.locator(".json-surface.ace_editor")).to_be_visible()
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text('{"amount": 70}')
    page.get_by_role("button", name="Save the data").click()
    expect(page.get_by_text("next action boundary")).to_be_visible()
    desk.kit.work()
    assert desk.kit.data(desk.waits) == {"amount": 70}
    assert complaints == []


def test_the_data_of_then_are_edited_where_a_run_is_taken_up(page: Page, complaints: list[str], desk: Desk) -> None:
    page.goto(desk.site + page_of(desk.failed, "rewind"))
    page.get_by_role("link", name="Rewind to 1…").click()
    expect(page.get_by_role("heading", name="What runs again")).to_be_visible()
    expect(page.locator(".json-surface")).to_have_count(0)
    page.get_by_text("Change the data of then").click()
    expect(page.locator(".json-surface.ace_editor")).to_contain_text('"read"')
    page.get_by_role("button", name="Rewind").click()
    expect(page.get_by_text("It goes on as this run.")).to_be_visible()
    assert complaints == []


def test_chosen_runs_are_paused_from_the_list(page: Page, complaints: list[str], desk: Desk) -> None:
    page.goto(desk.site + RUNS)
    page.locator(f'input[value="{desk.waits}"]').check()
    page.get_by_label("Action:").select_option(label="Pause…")
    page.get_by_role("button", name="Go", exact=True).click()
    page.get_by_role("button", name="Pause: 1 run").click()
    expect(page.get_by_text("1 is to stand still.")).to_be_visible()
    desk.kit.work()
    assert desk.kit.run(desk.waits).waiting_for["code"] == "paused"
    assert complaints == []
