"""Status rules in a real browser: rows by keyboard and by dragging, JSON with its editor, on a phone and a desktop."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from processes.models import InstanceType, StatusRules
from processes.registry import scripts
from processes.services.status_rules import save_status_rules
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.admin.in_browser.test_documentation_and_trial import FINDINGS
from tests.processes.services.published import action, publish_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

LIST = "/admin/processes/statusrules/"
RULES: list[Any] = [
    {"role": "owner", "status": ["new", "rejected"], "action": {"action": "submit", "caption": "Hand in"}},
    {"status": "submitted", "action": ["approve", "reject"], "if": "data.total <= 1000.0 || user.is_staff"},
    {"status": "a status that nothing sets " + "x" * 30, "action": {"action": "submit", "disabled": True}},
]


@pytest.fixture(autouse=True)
def set_status() -> Iterator[None]:
    """Have the script, whatever it does: the diagram reads what its config says."""
    with scripts.override("set_status", lambda app: None):
        yield


@pytest.fixture
def address(live_server: object, context: BrowserContext) -> str:
    """Have rules that an instance type uses, and return the address of their page."""
    visit(context, str(live_server))
    row = StatusRules(slug="orders", title="Orders", rules=json.dumps(RULES))
    save_status_rules(rules=row)
    leads = {"submit": "submitted", "approve": "approved", "reject": "rejected"}
    template = publish_process(
        "order",
        [action(name, "set_status", config={"status": status}, next=False) for name, status in leads.items()],
    )
    InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row, status="new")
    return f"{live_server}{LIST}{row.pk}/change/"


def rules_now() -> list[Any]:
    found: list[Any] = json.loads(StatusRules.objects.get().rules)
    return found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_every_page_can_be_read(
    page: Page, complaints: list[str], address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for place in (address.partition(LIST)[0] + LIST, address.partition(LIST)[0] + f"{LIST}add/", address):
        page.goto(place)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (place, wider) == (place, 0)
    assert [finding for finding in page.evaluate(FINDINGS) if not finding.startswith("heading")] == []
    page.get_by_role("button", name="Edit as JSON").click()
    expect(page.locator(".json-status")).to_have_text("1 warning")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert complaints == []


def test_rules_are_added_moved_and_removed_by_keyboard(page: Page, complaints: list[str], address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Add a rule").press("Enter")
    # The new row has the focus.
    page.keyboard.type("owner")
    page.get_by_label("Action", exact=True).last.fill("approve")
    page.get_by_role("button", name="Drag, or move with the arrow keys: 4").press("ArrowUp")
    page.get_by_role("button", name="Remove: 4").press("Enter")
    expect(page.get_by_text("Rule 4 is removed.")).to_be_visible()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert rules_now() == [RULES[0], RULES[1], {"role": "owner", "action": "approve"}]
    assert complaints == []


def test_a_rule_is_dragged_to_its_place(page: Page, complaints: list[str], address: str) -> None:
    page.goto(address)
    handle = page.get_by_role("button", name="Drag, or move with the arrow keys: 1")
    page.locator("[data-rows]").evaluate("rows => rows.scrollIntoView({ block: 'start' })")
    box, goal = handle.bounding_box(), page.locator("[data-row]").nth(1).bounding_box()
    assert box is not None
    assert goal is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, goal["y"] + goal["height"] * 0.8, steps=6)
    page.mouse.up()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert rules_now() == [RULES[1], RULES[0], RULES[2]]
    assert complaints == []


def test_json_is_checked_and_completed_while_one_types(page: Page, complaints: list[str], address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Edit as JSON").click()
    editor = page.locator(".ace_editor").first
    expect(editor).to_be_visible()
    page.evaluate(
        """() => { const editor = ace.edit(document.querySelector(".ace_editor"));
        editor.session.setValue('[{"action": "aprove", "status": ""}]');
        editor.focus(); editor.gotoLine(1, 33, false); }"""
    )
    page.keyboard.press("Control+Space")
    expect(page.locator(".ace_autocomplete")).to_contain_text("submitted")
    page.keyboard.type("subm")
    # The list follows what is typed a moment later.
    expect(page.locator(".ace_autocomplete .ace_line.ace_selected")).to_contain_text("submitted")
    page.keyboard.press("Enter")
    expect(page.locator(".ace_autocomplete")).to_be_hidden()
    expect(page.locator("textarea[data-json]")).to_have_value('[{"action": "aprove", "status": "submitted"}]')
    expect(page.locator(".json-problems")).to_contain_text('The process has no action "aprove"')
    page.evaluate(
        """() => { const editor = ace.edit(document.querySelector(".ace_editor"));
        editor.session.setValue(editor.session.getValue().replace("aprove", "approve")); }"""
    )
    expect(page.locator(".json-status")).to_have_text("No problems")
    page.get_by_role("button", name="Edit as rows").click()
    expect(page.get_by_label("Statuses").first).to_have_value("submitted")
    assert complaints == []
