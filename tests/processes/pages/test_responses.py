"""What a script may answer with in the foreground: a page, a redirect, a file, JSON, an error with a status."""

import json
from html import unescape
from typing import Any

import pytest
from django.test import Client

from processes.domain.application import Application
from processes.errors import FailedError
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.files import store_file
from processes.services.host import caller_of
from tests.processes.pages.browsing import main_of, read_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db


def answer(client: Client, script: Any, *, post: bool = False) -> Any:
    with scripts.override("answering", script):
        publish_process("work", [{"name": "a", "script": "answering", "next": False}])
        return client.post("/p/work/", {"action": "a"}) if post else client.get("/p/work/")


def setting(**values: Any) -> Any:
    def script(app: Application) -> None:
        for name, value in values.items():
            setattr(app.response, name, value)

    return script


@pytest.mark.parametrize("post", [False, True])
@pytest.mark.parametrize("status", [200, 201, 404, 410, 418, 503])
def test_a_page_with_a_status(client: Client, status: int, post: bool) -> None:
    response = answer(client, setting(title="A page", content="<p>Hello.</p>", status_code=status), post=post)
    assert response.status_code == status
    assert "<p>Hello.</p>" in main_of(response)
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("post", "status"), [(False, 302), (True, 303)])
def test_a_redirect_within_this_site(client: Client, post: bool, status: int) -> None:
    response = answer(client, setting(redirect="/p/work/?x=1"), post=post)
    assert (response.status_code, response.headers["Location"]) == (status, "/p/work/?x=1")


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"])
def test_a_redirect_to_another_site_is_refused(client: Client, url: str) -> None:
    assert answer(client, setting(redirect=url)).status_code == 500


def test_a_redirect_to_another_site_that_is_allowed_is_followed(client: Client, settings: Any) -> None:
    settings.STEPLINE_REDIRECT_HOSTS = ("good.example",)
    assert answer(client, setting(redirect="https://good.example/x")).headers["Location"] == "https://good.example/x"


def test_a_file_is_sent_so_that_no_browser_takes_it_for_a_page_of_this_site(client: Client) -> None:
    def script(app: Application) -> None:
        content = b"<script>alert(1)</script>"
        info = store_file(content=content, name="page.html", content_type="text/html", caller=caller_of(app))
        app.response.file = dict(info)

    response = answer(client, script)
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_file_of_somebody_else_is_none(client: Client) -> None:
    info = store_file(content=b"x", name="a.txt", caller=Caller(session_key="x" * 32))
    assert answer(client, setting(file=dict(info))).status_code == 404


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, [], 0, False, "text"])
@pytest.mark.parametrize("status", [200, 422])
def test_json_with_a_status(client: Client, value: Any, status: int) -> None:
    response = answer(client, setting(json=value, status_code=status), post=True)
    assert (response.status_code, json.loads(response.content)) == (status, value)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "values",
    [
        {"json": {"a": object()}},
        {"json": float("nan")},
        {"content": "x", "status_code": 99},
        {"content": "x", "status_code": 600},
        {"content": "x", "status_code": "200"},
        {"json": 1, "status_code": None},
        {"content": "x", "content_type": "text/plain\r\nX-Evil: 1"},
    ],
)
def test_what_is_no_response_is_an_error_that_names_it_to_staff(admin_client: Client, values: dict[str, Any]) -> None:
    response = answer(admin_client, setting(**values))
    assert response.status_code == 500
    assert "The process answers with" in unescape(main_of(response))


def test_plain_text_is_sent_as_it_is(client: Client) -> None:
    response = answer(client, setting(content="<b>", content_type="text/plain; charset=utf-8", status_code=201))
    assert (response.status_code, response.content) == (201, b"<b>")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("given", "status"), [(400, 400), (404, 404), (405, 405), (429, 429), (503, 503), (200, 422), ("404", 422)]
)
def test_a_process_that_fails_on_purpose_may_choose_the_status(client: Client, given: Any, status: int) -> None:
    def script(app: Application) -> None:
        raise FailedError("The shop is closed.", fields={"status": given})

    response = answer(client, script)
    assert response.status_code == status
    assert "The shop is closed." in main_of(response)
    assert "Allow" not in response.headers


def test_a_form_leads_to_a_page_with_any_of_them(client: Client) -> None:
    with scripts.override("answering", setting(json={"ok": True}, status_code=202)):
        publish_process(
            "work", [form("ask", "answer", {"name": "a"}), {"name": "answer", "script": "answering", "next": False}]
        )
        response = client.post("/p/work/", {**read_form(client.get("/p/work/")), "a": "x"})
    assert (response.status_code, response.json()) == (202, {"ok": True})


def test_a_page_that_nobody_answered_is_a_page(client: Client) -> None:
    publish_process("work", [page("a", "x") | {"script": None, "config": None}])
    assert client.get("/p/work/").status_code == 200
