"""A person reads the documentation and tries a process out: by keyboard, on a phone, on paper, without complaints."""

import pytest
from playwright.sync_api import Page, expect

from processes.models import ProcessTemplate
from tests.processes.services.published import action, form, page, publish_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

#: What a screen reader, and whoever uses one, would miss.
FINDINGS = """() => {
  const found = [];
  const name = (element) => (element.getAttribute("aria-label") || element.textContent || element.title || "").trim();
  const levels = [...document.querySelectorAll("#content h1, #content h2, #content h3")].map((h) => +h.tagName[1]);
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) found.push(`heading ${i} skips a level`); });
  if (document.querySelectorAll("h1").length > 2) found.push("many first headings");
  const inputs = "#content :is(input, select, textarea):not([type=hidden], [type=submit])";
  for (const field of document.querySelectorAll(inputs))
    if (!field.labels.length) found.push(`no label: ${field.name}`);
  for (const link of document.querySelectorAll("#content a"))
    if (!name(link)) found.push(`nameless link to ${link.getAttribute("href")}`);
  for (const attribute of ["aria-labelledby", "aria-describedby"])
    for (const part of document.querySelectorAll(`#content [${attribute}]`))
      for (const id of part.getAttribute(attribute).trim().split(/ +/))
        if (!document.getElementById(id)) found.push(`nothing is called ${id}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => found.push(`two are called ${id}`));
  for (const table of document.querySelectorAll("#content table"))
    if (!table.querySelector("th[scope]")) found.push("a table without headings");
  for (const link of document.querySelectorAll('#content a'))  {
    const href = link.getAttribute("href");
    if (href?.startsWith("#") && !document.getElementById(href.slice(1))) found.push(`leads nowhere: ${href}`);
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.push("wider than the window");
  return found;
}"""


@pytest.fixture
def template() -> ProcessTemplate:
    publish_process("inner", [action("deep")])
    base = publish_process(
        "base", [page("welcome", "${greeting}", next=True)], bindings={"greeting": {"value": "Hello"}}
    )
    return publish_process(
        "work",
        [
            action("call it", "inner", next={"bad": "welcome", "*": True}),
            form("ask", "call it", {"name": "amount", "type": "number", "label": "How much?"}),
            action("@error", next="welcome"),
        ],
        bindings={"inner": {"process": "inner"}},
        extends=[base],
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_the_documentation_can_be_read_and_walked_through(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{sign_in}{template.pk}/documentation/")
    expect(page.get_by_role("heading", name="Flow", exact=True)).to_be_visible()
    node = page.locator('svg .node[data-action="call it"]')
    expect(node).to_have_accessible_name("call it (inner)")
    node.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{sign_in}{template.pk}/documentation/#action-call%20it")
    expect(page.locator('article[data-action="call it"]')).to_be_in_viewport()
    assert page.evaluate("document.querySelector('article:target').dataset.action") == "call it"
    assert page.evaluate(FINDINGS) == []
    assert complaints == []


def test_the_documentation_prints_without_what_belongs_to_the_screen(
    page: Page, sign_in: str, template: ProcessTemplate
) -> None:
    page.goto(f"{sign_in}{template.pk}/documentation/")
    page.emulate_media(media="print")
    expect(page.locator(".template-tabs")).to_be_hidden()
    expect(page.locator("#nav-sidebar")).to_be_hidden()
    expect(page.locator("svg.flow").first).to_be_visible()
    expect(page.locator('article[data-action="ask"]')).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_process_is_tried_out(
    page: Page, complaints: list[str], sign_in: str, template: ProcessTemplate, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{sign_in}{template.pk}/trial/")
    assert page.evaluate(FINDINGS) == []
    page.get_by_label("Data", exact=True).fill('{"name": "Ada"}')
    page.get_by_label("Enter at the action").fill("call it")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Completed")).to_be_visible()
    rows = page.locator(".trace tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("deep")
    expect(page.locator(".response")).to_contain_text("How much?")
    assert page.evaluate(FINDINGS) == []
    assert complaints == []


def test_the_tabs_lead_from_one_page_to_the_other(page: Page, sign_in: str, template: ProcessTemplate) -> None:
    page.goto(f"{sign_in}{template.pk}/change/")
    for label in ("Documentation", "Versions", "Try it", "Edit"):
        page.get_by_role("navigation", name="Template").get_by_role("link", name=label).click()
        current = page.locator('.template-tabs a[aria-current="page"]')
        expect(current).to_have_text(label)
