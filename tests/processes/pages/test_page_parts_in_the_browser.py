"""Tables, links, buttons and downloads of a page, as a browser lays them out: wide and narrow, light and dark."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils.safestring import mark_safe
from playwright.sync_api import Page, Route

from config.csp import HEADER, policy
from processes.testing import run
from tests.processes.services.published import action

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods"),
]

STATIC = Path(__file__).parents[3] / "static"
ORIGIN = "http://stepline.test"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
INFO = {"type": "FILE_INFO", "id": "0193a000-0000-7000-8000-000000000001", "name": "report.csv", "size": 47_000}
CONFIG = {
    "title": "Orders",
    "content": "<p>{% link 'https://example.org/' 'Terms' %} {% action_button 'change' 'Again' style='quiet' %}</p>",
    "tables": [
        {
            "caption": "Orders",
            "columns": [{"key": "no", "header": True}, *(f"c{n}" for n in range(12)), "note", "file"],
            "rows": [
                {
                    "no": row,
                    "note": "a note of some length, " * 3,
                    "file": INFO,
                    **{f"c{n}": 1000 * n for n in range(12)},
                }
                for row in range(5)
            ],
        },
        {"rows": [], "caption": "Returns", "empty": "None."},
    ],
    "downloads": [INFO],
    "links": [
        {"label": "Approve", "action": "change", "method": "post"},
        {"label": "Cancel", "action": "change", "method": "post", "style": "danger", "parameters": {"n": 1}},
        {"label": "Home", "url": "/", "style": "quiet"},
    ],
}


def open_page(page: Page) -> list[dict[str, Any]]:
    """Show the page under the site's own policy; the list receives what its buttons send."""
    actions = [action("show", "show_page", config=CONFIG, next=False), action("change", "noop")]
    response = run(actions).or_raise().response
    context = {"title": response.title, "content": mark_safe(response.content or ""), "response": response}
    html = render_to_string("processes/page.html", context, RequestFactory().get("/p/x/"))
    sent: list[dict[str, Any]] = []

    def serve(route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(ORIGIN).partition("?")[0]
        file = STATIC / path.removeprefix("/static/")
        if path.startswith("/static/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
            return
        if request.method == "POST":
            sent.append({"url": request.url.removeprefix(ORIGIN), "body": request.post_data})
        route.fulfill(body=html, content_type="text/html", headers={HEADER: policy()})

    page.route("**/*", serve)
    page.goto(f"{ORIGIN}/p/x/")
    return sent


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_wide_table_scrolls_in_its_box_and_axe_finds_nothing(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    open_page(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.get_by_role("region", name="Orders")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth") is True
    box.focus()
    page.keyboard.press("ArrowRight")
    # The policy forbids what Playwright's own waiting would evaluate in the page.
    box.evaluate(
        "box => new Promise(done => box.scrollLeft > 0 ? done() : box.addEventListener('scroll', done, {once: true}))"
        ".then(() => true)"
    )
    assert Axe().run(page).response["violations"] == []


def test_buttons_send_the_pages_form_wherever_they_stand(page: Page) -> None:
    sent = open_page(page)
    for name in ("Again", "Approve", "Cancel"):
        with page.expect_navigation():
            page.get_by_role("button", name=name).press("Enter")
        page.goto(f"{ORIGIN}/p/x/")
    assert [item["url"].partition("?")[2] for item in sent] == ["", "", "n=1"]
    for item in sent:
        assert "csrfmiddlewaretoken=" in item["body"]
        assert item["body"].endswith("action=change")
