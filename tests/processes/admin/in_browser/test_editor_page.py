"""A person edits a template in the admin: the editor completes, marks, lays out, and saves what it shows."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from processes.models import ProcessTemplate
from tests.processes.admin.in_browser.conftest import visit
from tests.processes.services.published import action, page, publish_process, save_process
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

WRONG = '[\n  {"name": "a", "script": "show_pgae"},\n  {"name": "b", "script": null, "next": "nowhere"}\n]'
RIGHT = '[\n  {"name": "a", "script": "show_page"},\n  {"name": "b", "script": null, "next": "a"}\n]'


class Editor:
    """The page, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame = page.locator(".json-editor.is-definition")
        self.status = self.frame.locator(".json-status")
        self.problems = page.locator(".field-definition .json-problems li")
        self.popup = page.locator(".ace_autocomplete:visible")
        self.choices = self.popup.locator(".ace_text-layer .ace_line")

    def open(self, address: str) -> "Editor":
        self.page.goto(address)
        expect(self.status).not_to_be_empty()
        return self

    def put(self, text: str, where: str = ".json-editor.is-definition") -> None:
        """Put a text in the place of all that is there, as pasting does."""
        self.page.locator(f"{where} .ace_text-input").evaluate("(input) => input.focus()")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    @property
    def text(self) -> str:
        """Return what the form would send."""
        text: str = self.page.locator("#id_definition").input_value()
        return text

    def cursor(self) -> Any:
        return self.page.evaluate("ace.edit(document.querySelector('.is-definition .ace_editor')).getCursorPosition()")


@pytest.fixture
def editor(page: Page, complaints: list[str]) -> Editor:
    return Editor(page)


def test_it_loads_under_the_strict_policy_without_a_complaint(
    editor: Editor, sign_in: str, complaints: list[str]
) -> None:
    editor.open(f"{sign_in}add/")
    expect(editor.frame.locator(".ace_content")).to_be_visible()
    expect(editor.page.locator("#id_definition")).to_be_hidden()
    editor.put("[{")
    editor.press("Control+F")
    expect(editor.page.locator(".ace_search")).to_be_visible()
    editor.press("Escape")
    expect(editor.status).to_have_text("1 problem")
    assert complaints == []


def test_nothing_is_wrong_with_a_template_that_nobody_has_begun_to_write(
    editor: Editor, sign_in: str, complaints: list[str]
) -> None:
    editor.open(f"{sign_in}add/")
    expect(editor.status).to_have_text("Nothing written yet")
    editor.page.locator("#id_title").fill("Reports")
    editor.page.wait_for_timeout(700)
    expect(editor.status).to_have_text("Nothing written yet")
    expect(editor.problems).to_have_count(0)
    editor.put("[{")
    expect(editor.status).to_have_text("1 problem")
    editor.put(" ")
    expect(editor.problems).to_have_count(1)
    assert complaints == []


def test_scripts_keys_of_their_config_and_actions_are_completed_while_one_types(
    editor: Editor, sign_in: str, complaints: list[str]
) -> None:
    publish_process("called", [page("a", "one")])
    with editor.page.expect_response(lambda response: "/vocabulary/" in response.url):
        editor.open(f"{sign_in}add/")
    editor.put('[{"name": "ask", "script": }]')
    editor.press("ArrowLeft", "ArrowLeft")
    editor.type('"show_f')
    expect(editor.choices.first).to_contain_text("show_form")
    expect(editor.page.locator(".ace_doc-tooltip")).to_contain_text("Answer with a form")
    editor.press("Enter")
    expect(editor.popup).to_have_count(0)
    editor.type(', "conf')
    expect(editor.choices.first).to_contain_text("config")
    editor.press("Enter")
    # What the script must be told comes first, and is offered at once.
    expect(editor.choices.first).to_contain_text("action")
    editor.press("Enter")
    expect(editor.choices.first).to_contain_text("ask")
    editor.press("Enter")
    assert json.loads(editor.text) == [{"name": "ask", "script": "show_form", "config": {"action": "ask"}}]
    expect(editor.status).to_have_text("No problems")
    assert complaints == []


def test_what_is_probably_a_mistake_is_marked_and_listed_as_such(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    asks = {"name": "ask", "script": "show_form", "config": {"action": "confrim", "fields": [{"name": "x"}]}}
    editor.put(json.dumps([asks, page("confirm", "Thanks.")]))
    expect(editor.status).to_have_text("1 warning")
    expect(editor.frame.locator(".json-mark-warning")).to_have_count(1)
    expect(editor.frame).not_to_have_class(re.compile("has-problems"))
    expect(editor.problems).to_have_text(
        re.compile("^Line 1, column .* Probably a mistake: This process has no action")
    )
    editor.put(json.dumps([{**asks, "config": {**asks["config"], "action": "confirm"}}, page("confirm", "Thanks.")]))
    expect(editor.status).to_have_text("No problems")
    expect(editor.problems).to_have_count(0)


def test_what_the_template_extends_and_binds_unsaved_is_completed(editor: Editor, sign_in: str) -> None:
    base = publish_process("base", [action("greet", None)], bindings={"limit": {"value": 3}}, abstract=True)
    editor.open(f"{sign_in}add/")
    with editor.page.expect_response(lambda response: f"extends={base.pk}" in response.url):
        editor.page.select_option("#id_extensions-0-base", str(base.pk))
    editor.page.fill("#id_bindings-0-reference", "worker")
    editor.put('"noop"', "#bindings-0")
    editor.put('[{"name": "wait", "script": "", "next": ""}]')
    editor.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "Control+Space")
    expect(editor.choices).to_have_text(["greet base", "wait action"])
    editor.press("Enter")
    editor.put('[{"name": "a", "script": ""}]')
    editor.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "Control+Space")
    expect(editor.choices.first).to_contain_text("worker")


def test_mistakes_are_marked_at_their_place_while_one_types_and_go_when_they_are_mended(
    editor: Editor, sign_in: str
) -> None:
    editor.open(f"{sign_in}add/")
    editor.put(WRONG)
    expect(editor.status).to_have_text("2 problems")
    expect(editor.problems).to_have_count(2)
    expect(editor.problems.first).to_contain_text('Did you mean "show_page"?')
    expect(editor.frame.locator(".json-mark")).to_have_count(2)
    expect(editor.frame.locator(".ace_gutter-cell.ace_error")).to_have_text(["2", "3"])
    editor.problems.nth(1).get_by_role("button", name="Line 3, column 41").click()
    assert editor.cursor() == {"row": 2, "column": 40}
    editor.put(RIGHT)
    expect(editor.status).to_have_text("No problems")
    expect(editor.problems).to_have_count(0)
    expect(editor.frame.locator(".json-mark")).to_have_count(0)


def test_a_mistake_in_a_binding_is_told_in_its_row(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    editor.put(RIGHT)
    editor.page.fill("#id_bindings-0-reference", "it")
    editor.put('{"scirpt": "noop"}', "#bindings-0")
    row = editor.page.locator("#bindings-0 td.field-target")
    expect(row.locator(".json-problems li")).to_contain_text('Did you mean "script"?')
    expect(row.locator(".json-mark")).to_have_count(1)
    expect(editor.status).to_have_text("1 problem in the rows below")
    editor.page.locator("#bindings-group").get_by_role("button", name="Add another").click()
    expect(editor.page.locator("#bindings-1 .json-editor")).to_be_visible()
    editor.put('{"script": "noop"}', "#bindings-0")
    expect(editor.status).to_have_text("No problems")


def test_a_late_answer_about_an_older_text_is_dropped(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    held: list[Any] = []

    def hold(route: Any) -> None:
        if "show_pgae" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    editor.page.route("**/check/", hold)
    with editor.page.expect_request(lambda request: "show_pgae" in (request.post_data or "")):
        editor.put(WRONG)
    editor.put(RIGHT)
    expect(editor.status).to_have_text("No problems")
    held[0].fulfill(json={"problems": [{"message": "too late", "part": "definition", "row": None, "start": None}]})
    with editor.page.expect_response("**/check/"):
        editor.press("End", "Space")
    expect(editor.problems).to_have_count(0)


def test_a_server_that_is_away_is_told_and_does_not_keep_anybody_from_writing(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    editor.page.route("**/check/", lambda route: route.abort())
    editor.put(RIGHT)
    expect(editor.status).to_have_text("Not checked: the server can't be reached")
    assert editor.text == RIGHT


def test_format_lays_out_and_can_be_undone_and_refuses_what_is_no_json(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    written = '[{"name":"a","script":null}]'
    editor.put(written)
    editor.page.get_by_role("button", name="Format").click()
    laid_out = '[\n  {\n    "name": "a",\n    "script": null\n  }\n]'
    assert editor.text == laid_out
    editor.page.locator(".is-definition .ace_text-input").evaluate("(input) => input.focus()")
    editor.press("Control+Z")
    assert editor.text == written
    editor.put("[{")
    editor.page.get_by_role("button", name="Format").click()
    expect(editor.status).to_have_text("Not formatted: this isn't valid JSON yet")
    assert editor.text == "[{"


def test_saving_sends_what_the_editor_shows_and_a_failed_save_shows_the_same_marks(
    editor: Editor, sign_in: str, complaints: list[str]
) -> None:
    editor.open(f"{sign_in}add/")
    editor.page.fill("#id_title", "Work")
    editor.page.press("#id_title", "Tab")
    expect(editor.page.locator("#id_slug")).to_have_value("work")
    editor.put(WRONG)
    # The page's own errors are marked, whether or not the check gets through.
    editor.page.route("**/check/", lambda route: route.abort())
    editor.page.get_by_role("button", name="Save", exact=True).click()
    expect(editor.page.locator(".errornote")).to_be_visible()
    expect(editor.problems).to_have_count(2)
    expect(editor.frame.locator(".json-mark")).to_have_count(2)
    expect(editor.page.locator(".field-definition .errorlist:not(.json-problems)")).to_have_count(0)
    editor.page.unroute("**/check/")
    editor.put(RIGHT)
    expect(editor.status).to_have_text("No problems")
    editor.page.get_by_role("button", name="Save and publish").click()
    expect(editor.page.locator(".messagelist .success")).to_be_visible()
    template = ProcessTemplate.objects.get(slug="work")
    assert template.definition.replace("\r\n", "\n") == RIGHT
    assert template.published_plan is not None
    assert [text for text in complaints if "ERR_FAILED" not in text] == []


def test_the_order_of_what_is_extended_is_changed_by_buttons(editor: Editor, sign_in: str) -> None:
    bases = [publish_process(name, [action("a", None)], abstract=True) for name in ("first", "second", "third")]
    template = save_process("work", [action("b", None)], extends=bases)
    editor.open(f"{sign_in}{template.pk}/change/")
    rows = editor.page.locator("#extensions-group tr.has_original select")
    expect(editor.page.get_by_role("button", name="Move up: First")).to_be_disabled()
    editor.page.get_by_role("button", name="Move up: Third").click()
    editor.page.get_by_role("button", name="Move up: Third").click()
    expect(editor.page.get_by_role("button", name="Move down: Third")).to_be_focused()
    shown = rows.evaluate_all("(all) => all.map((one) => one.selectedOptions[0].textContent)")
    assert shown == ["Third", "First", "Second"]
    editor.page.get_by_role("button", name="Save", exact=True).click()
    expect(editor.page.locator(".messagelist .success")).to_be_visible()
    assert [one.base.slug for one in template.extensions.all()] == ["third", "first", "second"]


def test_tab_leaves_the_editor_after_escape(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    editor.page.locator(".is-definition .ace_text-input").evaluate("(input) => input.focus()")
    editor.press("Tab")
    assert editor.page.evaluate("document.activeElement.closest('.json-editor') !== null")
    editor.press("Escape", "Tab")
    assert editor.page.evaluate("document.activeElement.closest('.json-editor') === null")
    label = editor.page.locator(".is-definition .ace_text-input").get_attribute("aria-label")
    assert label is not None
    assert label.startswith("Definition")


def test_the_plain_field_and_the_editor_hold_one_text(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    editor.put("[1]")
    editor.page.get_by_role("button", name="Plain text").click()
    field = editor.page.locator("#id_definition")
    expect(field).to_have_value("[1]")
    field.fill("[2]")
    editor.page.get_by_role("button", name="Plain text").click()
    expect(field).to_be_hidden()
    expect(editor.frame.locator(".ace_content")).to_contain_text("[2]")


def test_going_back_to_the_page_keeps_the_text(editor: Editor, sign_in: str) -> None:
    editor.open(f"{sign_in}add/")
    editor.put(RIGHT)
    editor.page.goto(sign_in)
    editor.page.go_back()
    expect(editor.frame.locator(".ace_content")).to_contain_text("show_page")
    assert editor.text == RIGHT


@pytest.mark.parametrize(("scheme", "theme"), [("light", "ace-github-light-default"), ("dark", "ace-github-dark")])
def test_it_follows_the_admins_theme(editor: Editor, sign_in: str, scheme: Any, theme: str) -> None:
    editor.page.emulate_media(color_scheme=scheme)
    editor.open(f"{sign_in}add/")
    expect(editor.frame.locator(f".{theme}")).to_be_visible()
    other = "light" if scheme == "dark" else "dark"
    editor.page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", other)
    expect(editor.frame.locator(f".{theme}")).to_have_count(0)


def test_without_scripts_the_form_does_the_same(live_server: Any, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    visit(context, str(live_server))
    page = context.new_page()
    page.goto(f"{live_server}/admin/processes/processtemplate/add/")
    page.fill("#id_title", "Work")
    page.fill("#id_slug", "work")
    page.fill("#id_definition", WRONG)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-definition .errorlist li").first).to_contain_text("Line 2, column 27: /0/script")
    page.fill("#id_definition", RIGHT)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert ProcessTemplate.objects.get().definition.replace("\r\n", "\n") == RIGHT
    context.close()


def test_it_speaks_german_to_german_readers(editor: Editor, sign_in: str, complaints: list[str]) -> None:
    editor.page.set_extra_http_headers({"Accept-Language": "de"})
    editor.open(f"{sign_in}add/")
    expect(editor.status).to_have_text("Noch nichts geschrieben")
    expect(editor.frame.get_by_role("button", name="Formatieren")).to_be_visible()
    editor.put("[{")
    expect(editor.status).to_have_text("1 Fehler")
    expect(editor.problems.first).to_contain_text("Zeile 1, Spalte 3")
    assert complaints == []
