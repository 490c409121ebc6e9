"""Rows of a form: added, removed, and put in order by dragging and by keyboard; what is sent follows what is seen."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.static.conftest import BROWSER, ORIGIN

pytestmark = BROWSER

ROW = """<li data-row {blank}><span data-row-number></span>
  <label>Place <input data-row-position name="row-{n}-position" value="{place}"></label>
  <input data-row-name name="row-{n}-name" value="{name}">
  <label>Remove <input type="checkbox" data-row-remove name="row-{n}-remove"></label>
  <span data-row-tools></span></li>"""


def row(n: object, name: str = "", blank: str = "") -> str:
    return ROW.format(n=n, name=name, blank=blank, place=n)


EDITOR = f"""<form><div class="rows-editor" data-rows data-word-handle="Drag" data-word-up="Up" data-word-down="Down"
  data-word-remove="Remove" data-word-removed="{{name}} is gone." data-word-undo="Undo"
  data-word-moved="{{name}} is {{place}} of {{count}}.">
  <input type="hidden" data-rows-total name="row-total" value="4">
  <ol data-rows-list>{row(0, "one")}{row(1, "two")}{row(2, "three")}{row(3, blank="data-row-blank")}</ol>
  <template data-row-template>{row("__row__")}</template>
  <button type="button" data-rows-add hidden>Add</button>
  <p data-rows-said aria-live="polite"></p></div></form>"""


@pytest.fixture
def editor(modules: Page) -> Page:
    """Return a page with an editor of three rows."""
    modules.evaluate(
        "([html, css]) => { document.body.innerHTML = html; document.head.insertAdjacentHTML('beforeend', css); }",
        [EDITOR, '<link rel="stylesheet" href="/static/processes/rows-editor.css">'],
    )
    modules.evaluate("address => import(address)", f"{ORIGIN}/static/processes/rows-editor.js")
    expect(modules.locator("[data-rows].has-script")).to_be_visible()
    modules.evaluate(
        """() => { window.told = [];
        document.addEventListener("rows:change", (event) => window.told.push(event.detail.what)); }"""
    )
    return modules


def button(editor: Page, kind: str, name: str) -> Locator:
    return editor.get_by_role("button", name=f"{kind}: {name}", exact=True)


def sent(editor: Page) -> list[str]:
    """Return the names in the order that the form says, without those to be removed."""
    values: dict[str, Any] = editor.evaluate("Object.fromEntries(new FormData(document.querySelector('form')))")
    count = int(values["row-total"])
    kept = [n for n in range(count) if f"row-{n}-name" in values and f"row-{n}-remove" not in values]
    return [values[f"row-{n}-name"] for n in sorted(kept, key=lambda n: int(values[f"row-{n}-position"]))]


def test_the_empty_row_gives_way_to_a_button_that_adds_as_many_as_one_likes(editor: Page) -> None:
    assert sent(editor) == ["one", "two", "three"]
    for name in ("four", "five"):
        editor.get_by_role("button", name="Add").click()
        editor.keyboard.type(name)
    assert sent(editor) == ["one", "two", "three", "four", "five"]


def test_a_row_moves_by_its_buttons_and_keeps_the_focus(editor: Page) -> None:
    down = button(editor, "Down", "one")
    down.press("Enter")
    expect(down).to_be_focused()
    assert sent(editor) == ["two", "one", "three"]
    expect(editor.locator("[data-rows-said]")).to_have_text("one is 2 of 3.")
    down.press("Enter")
    # At the end there is no way further down: the focus goes to the handle.
    expect(down).to_be_disabled()
    expect(button(editor, "Drag", "one")).to_be_focused()


def test_a_row_moves_by_the_arrow_keys_on_its_handle(editor: Page) -> None:
    handle = button(editor, "Drag", "three")
    handle.press("ArrowUp")
    handle.press("ArrowUp")
    handle.press("ArrowUp")
    expect(handle).to_be_focused()
    assert sent(editor) == ["three", "one", "two"]


def drag(editor: Page, name: str, *, beyond: str, release: bool = True) -> None:
    start = button(editor, "Drag", name).bounding_box()
    goal = button(editor, "Drag", beyond).bounding_box()
    assert start is not None
    assert goal is not None
    way = 1 if goal["y"] > start["y"] else -1
    editor.mouse.move(start["x"] + 5, start["y"] + 5)
    editor.mouse.down()
    editor.mouse.move(start["x"] + 5, goal["y"] + goal["height"] / 2 + way * 30, steps=8)
    if release:
        editor.mouse.up()


@pytest.mark.parametrize(
    ("name", "beyond", "order"),
    [("one", "three", ["two", "three", "one"]), ("three", "one", ["three", "one", "two"])],
)
def test_a_row_is_dragged_by_its_handle(editor: Page, name: str, beyond: str, order: list[str]) -> None:
    drag(editor, name, beyond=beyond)
    assert sent(editor) == order
    assert editor.evaluate("window.told") == ["moved"]


def test_escape_puts_a_dragged_row_back(editor: Page) -> None:
    drag(editor, "one", beyond="three", release=False)
    editor.keyboard.press("Escape")
    editor.mouse.up()
    assert sent(editor) == ["one", "two", "three"]
    assert editor.evaluate("window.told") == []


def test_a_row_that_was_removed_can_be_had_back(editor: Page) -> None:
    button(editor, "Remove", "two").click()
    assert sent(editor) == ["one", "three"]
    expect(editor.locator("[data-rows-said]")).to_contain_text("two is gone.")
    # Whoever works by keyboard goes on at the next row.
    expect(button(editor, "Remove", "three")).to_be_focused()
    editor.get_by_role("button", name="Undo").click()
    assert sent(editor) == ["one", "two", "three"]


def test_places_and_boxes_are_hidden_and_buttons_know_the_name_as_it_is_typed(editor: Page) -> None:
    expect(editor.get_by_text("Place").first).to_be_hidden()
    expect(editor.locator("[data-row-remove]").first).to_be_hidden()
    editor.locator("[data-row-name]").first.fill("uno")
    expect(button(editor, "Remove", "uno")).to_be_visible()
