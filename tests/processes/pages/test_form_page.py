"""What the page of a form promises to people: with every kind of field, with mistakes in it, with files kept."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Page, Route

from processes.pages.forms import ProcessForm, build_form
from processes.services.forms import FormConfig
from tests.processes.pages.form_kit import RECEIPT, TICKET, sent

STATIC = Path(__file__).parents[3] / "static"
ORIGIN = "http://stepline.test"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

EVERY_FIELD: list[dict[str, Any]] = [
    {"name": "name", "label": "Your name", "help": "As on your badge.", "autocomplete": "name", "placeholder": "Ada"},
    {"name": "story", "type": "textarea", "required": False},
    {"name": "secret", "type": "password"},
    {"name": "mail", "type": "email"},
    {"name": "site", "type": "url"},
    {"name": "handle", "type": "slug"},
    {"name": "code", "pattern": "[A-Z]{2}[0-9]{4}", "help": "Two letters and four digits."},
    {"name": "seats", "type": "integer", "min_value": 1, "max_value": 8},
    {"name": "level", "type": "integer", "widget": "range", "min_value": 0, "max_value": 10, "initial": 4},
    {"name": "weight", "type": "number"},
    {"name": "price", "type": "decimal", "decimal_places": 2},
    {"name": "terms", "type": "boolean", "required": True, "label": "I have read the terms"},
    {"name": "smoker", "type": "yes_no"},
    {"name": "room", "type": "choice", "choices": ["Garden", {"label": "Upstairs", "choices": ["Hall", "Attic"]}]},
    {"name": "size", "type": "choice", "widget": "radio", "choices": ["S", "M", "L"], "help": "It runs small."},
    {"name": "extras", "type": "choices", "choices": ["Bread", {"label": "Drinks", "choices": ["Tea", "Wine"]}]},
    {"name": "tags", "type": "choices", "widget": "select", "choices": ["a", "b", "c"], "required": False},
    {"name": "empty", "type": "choices", "choices": [], "required": False},
    {"name": "none", "type": "choice", "choices": [], "required": False},
    {"name": "day", "type": "date", "earliest": "today"},
    {"name": "clock", "type": "time"},
    {"name": "moment", "type": "datetime"},
    {"name": "length", "type": "duration"},
    {"name": "ticket", "type": "uuid"},
    {"name": "address", "type": "ip"},
    {"name": "anything", "type": "json"},
    {"name": "shade", "type": "color", "initial": "#0e6a5a"},
    {"name": "carried", "type": "hidden", "initial": "x"},
    {"name": "fixed", "disabled": True, "initial": "Not for you to change"},
    {"name": "receipt", "type": "file", "accept": [".pdf", ".png"], "max_bytes": 5_000_000},
    {"name": "photos", "type": "image", "multiple": True, "max_files": 5, "required": False},
]
CONFIG = {
    "title": "Everything",
    "intro": "One of each.",
    "fields": EVERY_FIELD,
    "groups": [
        {"title": "When", "help": "Times are yours.", "fields": ["day", "clock", "moment", "length"]},
        {"title": "Papers", "fields": ["receipt", "photos"]},
    ],
    "action": "next",
    "buttons": [{"label": "Save draft", "does": "draft"}, {"label": "Back", "does": "back", "action": "before"}],
}
KEPT: dict[str, Any] = {"receipt": RECEIPT, "photos": [TICKET, {**TICKET, "id": RECEIPT["id"], "name": "b.png"}]}
WRONG = {
    "name": "", "mail": "nobody", "site": "x y", "seats": "9", "price": "1.234", "day": "2020-01-01", "room": "Cellar",
    "anything": "{", "length": "soon", "size": "XL", "level": "99", "story": "kept",
}  # fmt: skip


def page_of(form: ProcessForm) -> str:
    config = form.config
    context = {"title": config.title, "config": config, "form": form, "hidden": {"form": "ask"}, "form_url": "/p/ask/"}
    return render_to_string("processes/form.html", context, RequestFactory().get("/"))


def empty_page(data: Mapping[str, Any] | None = None) -> str:
    return page_of(build_form(FormConfig.model_validate(CONFIG), data=data or {}))


def wrong_page(data: Mapping[str, Any] | None = None) -> str:
    form = sent(config=CONFIG, values=WRONG, data=data or {})
    assert not form.is_valid()
    return page_of(form)


@pytest.fixture(params=["empty", "wrong", "kept", "wrong and kept"])
def html(request: pytest.FixtureRequest) -> str:
    data = KEPT if "kept" in request.param else None
    return wrong_page(data) if "wrong" in request.param else empty_page(data)


def test_every_control_has_a_name_for_everybody_and_what_it_refers_to_is_there(html: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    referred = [
        name for found in re.findall(r'(?:aria-describedby|aria-labelledby|\sfor|list)="([^"]+)"', html)
        for name in found.split()
    ]  # fmt: skip
    assert set(referred) <= set(ids)
    targets = re.findall(r'href="#([^"]+)"', html)
    assert set(targets) <= set(ids)


def test_what_is_wrong_is_listed_above_with_links_and_told_with_each_field() -> None:
    html = wrong_page()
    assert "<title>Error: Everything" in html
    summary = html.partition('id="form-errors"')[2].partition("</div>")[0]
    for name in ("name", "mail", "seats", "room", "size_0", "smoker_0", "receipt", "extras_0"):
        assert f'href="#field-{name}' in summary
        assert f'id="field-{name}' in html
    assert 'id="field-mail_error"' in html
    mail = re.search(r'<input type="email"[^>]*>', html)
    assert mail is not None
    assert 'aria-invalid="true"' in mail[0]
    assert 'aria-describedby="field-mail_error"' in mail[0]
    size = re.search(r'<fieldset class="[^"]*field-radioselect has-error" id="field-size-group"[^>]*>', html)
    assert size is not None
    assert 'aria-describedby="field-size_helptext field-size_error"' in size[0]
    assert "kept</textarea>" in html
    assert 'value="nobody"' in html


def test_what_must_be_filled_in_says_so() -> None:
    html = empty_page()
    assert re.search(r'<input type="text" name="name"[^>]* required', html)
    story = html.partition('for="field-story"')[2]
    assert "(optional)" in story.partition("</label>")[0]
    fixed = html.partition('for="field-fixed"')[2]
    assert "(optional)" not in fixed.partition("</label>")[0]


def test_groups_are_fieldsets_below_the_other_fields() -> None:
    html = empty_page()
    assert html.index('name="shade"') < html.index("<legend>When</legend>") < html.index('name="day"')
    assert html.index('name="day"') < html.index("<legend>Papers</legend>") < html.index('name="receipt"')
    assert 'aria-describedby="group-1-help"' in html


def test_labels_and_choices_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    config = {
        "title": evil, "action": "a", "submit": evil, "groups": [{"title": evil, "help": evil, "fields": ["x"]}],
        "fields": [
            {"name": "x", "label": evil, "help": evil, "placeholder": evil, "type": "text", "initial": evil},
            {"name": "y", "type": "choice", "choices": [{"value": evil, "label": evil}]},
            {"name": "f", "type": "file", "multiple": True},
        ],
    }  # fmt: skip
    data = {"f": [{**RECEIPT, "name": evil}]}
    assert evil not in page_of(build_form(FormConfig.model_validate(config), data=data))


# -- in a browser ------------------------------------------------------------------------------------------------------

BROWSER = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]


def visit(page: Page, html: str) -> None:
    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).partition("?")[0]
        file = STATIC / path.removeprefix("/static/")
        if path.startswith("/static/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
        else:
            route.fulfill(body=html, content_type="text/html")

    page.route(f"{ORIGIN}/**", serve)
    page.goto(f"{ORIGIN}/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
class TestInABrowser:
    pytestmark = BROWSER

    def test_every_field_is_accessible_and_nothing_is_wider_than_the_page(
        self, page: Page, html: str, scheme: Any, width: int
    ) -> None:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        visit(page, html)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


class TestWithTheKeyboard:
    pytestmark = BROWSER

    def test_the_summary_has_the_focus_and_leads_to_the_fields(self, page: Page) -> None:
        visit(page, wrong_page())
        assert page.evaluate("document.activeElement.id") == "form-errors"
        page.get_by_role("alert").get_by_role("link", name="Size").click()
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.name") == "size"

    def test_a_handle_shows_its_number(self, page: Page) -> None:
        visit(page, empty_page())
        assert page.locator("output").text_content() == "4"
        page.locator('input[type="range"]').focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("output").text_content() == "5"
