"""The answers that a definition alone can give: a page, a redirect, a file, JSON, an error with a status."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape
from pytest_django import Settings

from processes.domain.application import Application
from processes.models import DataNode, StoredFile
from processes.registry import scripts
from tests.processes.pages.browsing import links_of, main_of, read_form, send_form
from tests.processes.services.published import action, form, page, publish_process

pytestmark = pytest.mark.django_db

ASK = form("ask", "answer", {"name": "x", "required": False}, {"name": "file", "type": "file", "required": False})


def publish(*actions: dict[str, Any], **options: Any) -> None:
    publish_process("p", actions, **options)


def config_of(name: str, script: str, **config: Any) -> dict[str, Any]:
    return action(name, script, config=config, next=False, safe=True)


# -- the five kinds ---------------------------------------------------------------------------------------------------


def test_a_page_with_a_status(client: Client) -> None:
    publish(config_of("show", "show_page", title="Gone & lost", text="It was here.", status=410))
    response = client.get("/p/p/")
    assert response.status_code == 410
    assert "<h1>Gone &amp; lost</h1>" in response.content.decode()


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/orders/?a=b", 302),
        ("https://allowed.example/x", 302),
        ("https://evil.example/", 500),
        ("//evil.example/", 500),
        ("/\\evil.example", 500),
        ("\\\\evil.example", 500),
        ("https:evil.example", 500),
        ("https:///evil.example", 500),
        ("http://testserver@evil.example/", 500),
        ("javascript:alert(1)", 500),
        ("\x09//evil.example", 500),
        (" //evil.example", 500),
    ],
)
@pytest.mark.parametrize("kept", [False, True])
def test_a_redirect_stays_on_this_site_unless_a_host_is_allowed(
    client: Client, monkeypatch: pytest.MonkeyPatch, url: str, status: int, kept: bool
) -> None:
    monkeypatch.setattr(django_settings, "STEPLINE_REDIRECT_HOSTS", ["allowed.example"], raising=False)
    note = action("note", "set_data", config={"values": {"response": {"redirect": "%{param:to}"}}}, safe=True)
    shown = config_of("show", "copy_data_to_response") if kept else config_of("go", "redirect", url="%{param:to}")
    publish(note, shown)
    response = client.get("/p/p/", {"to": url})
    assert response.status_code == status
    assert response.headers.get("Location") == (url if status == 302 else None)


def test_a_file_is_sent_to_whom_it_belongs(client: Client) -> None:
    publish(ASK, config_of("answer", "send_file", file="%{data:file}"))
    upload = SimpleUploadedFile("a.csv", b"1,2", content_type="text/csv")
    response = send_form(client, client.get("/p/p/"), file=upload)
    assert b"".join(response) == b"1,2"
    assert 'filename="a.csv"' in response.headers["Content-Disposition"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_somebody_elses_file_is_as_good_as_none(client: Client) -> None:
    stranger = User.objects.create_user("stranger")
    other = StoredFile.objects.create(file="x", name="a.csv", size=1, content_type="text/csv", owner=stranger)
    info = {"type": "FILE_INFO", "id": str(other.pk), "name": "a.csv"}
    note = action("note", "set_data", config={"values": {"file": info}}, safe=True)
    publish(note, config_of("answer", "send_file", file="%{data:file}"))
    assert client.get("/p/p/").status_code == 404


@pytest.mark.parametrize("value", [{"a": "ä<b>"}, [], 0, None, "x"])
def test_json_is_sent_with_a_status(client: Client, value: Any) -> None:
    publish(config_of("answer", "send_json", value=value, status=202))
    response = client.get("/p/p/")
    assert (response.status_code, response.json()) == (202, value)
    assert response.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(("status", "answered"), [(410, 410), (503, 503), (None, 422)])
def test_an_error_has_the_status_that_it_asks_for(client: Client, status: int | None, answered: int) -> None:
    publish(config_of("stop", "fail", message="It is gone.", **({"status": status} if status else {})))
    response = client.get("/p/p/")
    assert response.status_code == answered
    assert "It is gone." in response.content.decode()


# -- links and buttons ------------------------------------------------------------------------------------------------


LINKS = [
    config_of(
        "show",
        "show_page",
        content='<p>{% action_button "change" "In the text" n=2 %}</p>',
        links=[
            {"label": "Look", "action": "look"},
            {"label": "Change", "action": "change", "method": "post", "style": "danger"},
            {"label": "Web", "url": "https://example.org/"},
        ],
    ),
    page("look", "looked %{data:x}"),
    page("change", "changed"),
]
ASKED = [form("ask", "show", {"name": "x"}), *LINKS]


def test_a_link_carries_the_visitors_own_data_to_an_unsafe_action(client: Client) -> None:
    publish(*ASKED)
    shown = send_form(client, client.get("/p/p/"), x="Ada")
    look = links_of(shown)["Look"]
    assert "looked Ada" in client.get(look).content.decode()
    assert Client().get(look).status_code == 404
    assert 'rel="noopener noreferrer"' in main_of(shown)


def test_a_button_posts_once_with_token_and_revision() -> None:
    publish(*ASKED)
    strict = Client(enforce_csrf_checks=True)
    shown = send_form(strict, strict.get("/p/p/"), x="Ada")
    fields = read_form(shown)
    assert set(fields) == {"csrfmiddlewaretoken", "data", "revision"}
    main = main_of(shown)
    assert 'form="page-steps" name="action" value="change"' in main
    assert 'formaction="/p/p/?n=2"' in main
    sent = strict.post("/p/p/", {**fields, "action": "change"})
    assert "changed" in sent.content.decode()
    assert strict.post("/p/p/", {**fields, "action": "change"}).status_code == 409
    assert strict.post("/p/p/", {**fields, "csrfmiddlewaretoken": "x"}).status_code == 403


def test_a_page_without_data_that_links_to_an_unsafe_action_keeps_them_for_its_visitor(client: Client) -> None:
    publish(*LINKS)
    shown = client.get("/p/p/")
    assert set(read_form(shown)) == {"csrfmiddlewaretoken", "data", "revision"}
    assert DataNode.objects.count() == 1


def test_a_button_on_a_page_without_data_stores_nothing_until_it_is_pressed_and_counts_once(client: Client) -> None:
    ran: list[str] = []
    with scripts.override("note_for_test", lambda app: ran.append("once")):
        button = {"label": "Change", "action": "change", "method": "post"}
        publish(
            config_of("show", "show_page", links=[button]), action("change", "note_for_test"), page("end", "changed")
        )
        fields = read_form(client.get("/p/p/"))
        assert not DataNode.objects.exists()
        assert "changed" in main_of(client.post("/p/p/", {**fields, "action": "change"}))
        again = client.post("/p/p/", {**fields, "action": "change"})
    assert again.status_code == 409
    assert ran == ["once"]


def test_a_button_that_is_opened_once_more_can_be_pressed_once_more(client: Client) -> None:
    button = {"label": "Change", "action": "change", "method": "post"}
    publish(config_of("show", "show_page", links=[button]), page("change", "changed"))
    for _ in range(2):
        fields = read_form(client.get("/p/p/"))
        assert "changed" in main_of(client.post("/p/p/", {**fields, "action": "change"}))


def test_a_button_that_fails_can_be_pressed_again(client: Client) -> None:
    failures = [ValueError("no")]

    def unlucky(app: Application) -> None:
        if failures:
            raise failures.pop()

    with scripts.override("unlucky_for_test", unlucky):
        button = {"label": "Change", "action": "change", "method": "post"}
        publish(
            config_of("show", "show_page", links=[button]), action("change", "unlucky_for_test"), page("end", "changed")
        )
        fields = read_form(client.get("/p/p/"))
        assert client.post("/p/p/", {**fields, "action": "change"}).status_code == 500
        assert "changed" in main_of(client.post("/p/p/", {**fields, "action": "change"}))


@pytest.mark.parametrize("is_in_form", [False, True])
def test_a_button_in_a_template_of_a_page_without_data_counts_once(
    client: Client, settings: Settings, tmp_path: Path, is_in_form: bool
) -> None:
    (tmp_path / "mine.html").write_text('{% load stepline %}{% action_button "change" "Change" %}')
    settings.TEMPLATES = [{**django_settings.TEMPLATES[0], "DIRS": [tmp_path, *django_settings.TEMPLATES[0]["DIRS"]]}]
    shown = (
        form("ask", "change", {"name": "x"}, config={"template": "mine.html"})
        if is_in_form
        else config_of("show", "show_page", template="mine.html")
    )
    publish(shown, page("change", "changed"))
    button_form = main_of(client.get("/p/p/")).partition('<form class="button-form"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', button_form))
    assert "changed" in main_of(client.post("/p/p/", {**fields, "action": "change"}))
    assert client.post("/p/p/", {**fields, "action": "change"}).status_code == 409


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{ data.secret }}", "{% debug %}", '"><img src=x>'])
def test_what_a_visitor_enters_is_text_on_every_part_of_the_page(client: Client, name: str) -> None:
    content = "{{ data.x }} %{data:x} {% table data.list caption=data.x %} {% link '/' data.x %} {{ user.username }}"
    publish(
        form("ask", "show", {"name": "x"}),
        config_of(
            "show",
            "show_page",
            title="%{data:x}",
            text="%{data:x}",
            content=content,
            tables=[{"rows": [["%{data:x}"]], "caption": "%{data:x}"}],
            links=[{"label": "%{data:x}", "url": "/"}],
        ),
    )
    user = User.objects.create_user("<b>{{ now }}")
    client.force_login(user)
    shown = send_form(client, client.get("/p/p/"), x=name)
    assert shown.status_code == 200
    main = main_of(shown)
    assert name not in main or "<" not in name
    assert main.count(escape(name)) >= 7
    assert "&lt;b&gt;{{ now }}" in main
