"""The Documentation tab: what it shows, to whom, and that nothing in it is more than text."""

import re
from typing import Any

import pytest
from django.test import Client

from processes.models import ProcessTemplate
from tests.processes.admin.clients import client_with
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def reader() -> Client:
    return client_with("view")


def address(template: ProcessTemplate, query: str = "") -> str:
    return f"/admin/processes/processtemplate/{template.pk}/documentation/{query}"


def shown(client: Client, template: ProcessTemplate, query: str = "") -> str:
    response = client.get(address(template, query))
    assert response.status_code == 200
    return response.content.decode()


def example() -> ProcessTemplate:
    publish_process("inner", [action("x")])
    base = publish_process("base", [page("a", "${text}"), action("b", "inner", next={"bad": "a", "*": False})],
                           bindings={"text": {"value": "Hello"}, "inner": {"process": "inner"}})  # fmt: skip
    return publish_process("own", [page("a", "Mine", comment="Say it."), page("c", "%{data:x}")], extends=[base])


def test_it_tells_every_action_with_links_between_them(reader: Client) -> None:
    text = shown(reader, example())
    for name in "abc":
        assert f'id="action-{name}" data-action="{name}"' in text
        assert f'href="#action-{name}"' in text
    assert "Say it." in text
    assert 'Under “<em class="state">bad</em>” goes to “<a href="#action-a">a</a>”' in text
    assert '<span class="config-placeholder" title="Filled in just before the action runs">%{data:x}</span>' in text


def test_an_action_with_a_caption_is_headed_by_it(reader: Client) -> None:
    text = shown(reader, publish_process("own", [action("ask", caption="Ask how <much>")]))
    assert 'Ask how &lt;much&gt; <code class="quiet">ask</code></h3>' in text
    assert '<a href="#action-ask">Ask how &lt;much&gt;</a>' in text


def test_what_is_bound_and_called_and_extended_is_linked(reader: Client) -> None:
    text = shown(reader, example())
    inner = ProcessTemplate.objects.get(slug="inner")
    base = ProcessTemplate.objects.get(slug="base")
    assert address(inner, "?of=published") in text
    assert address(base, "?of=published") in text
    assert 'id="binding-inner"' in text
    assert 'id="script-show_page"' in text


def test_the_diagram_is_drawn_on_the_server_and_its_nodes_lead_to_the_text(reader: Client) -> None:
    text = shown(reader, example())
    svg = text[text.index('<svg class="flow" role') :].partition("</svg>")[0]
    assert 'id="flow-action-a" href="#action-a" data-action="a"' in svg
    assert 'class="edge edge-jump"' in svg
    assert "<title" in svg
    assert "<desc" in svg
    assert "style=" not in svg


def test_the_draft_and_what_is_published_are_one_click_apart(reader: Client) -> None:
    template = publish_process("both", [page("a", "The old one")])
    change_draft(template, [page("a", "The new one")])
    assert "The new one" in shown(reader, template)
    assert "The old one" in shown(reader, template, "?of=published")
    assert 'href="?of=published" aria-current="true"' in shown(reader, template, "?of=published")


def test_what_was_never_published_is_shown_as_a_draft_whatever_is_asked_for(reader: Client) -> None:
    assert "The only one" in shown(reader, save_process("draft", [page("a", "The only one")]), "?of=published")


def test_nothing_that_an_editor_writes_becomes_markup(reader: Client) -> None:
    template = publish_process(
        "evil",
        [
            page(EVIL, EVIL, comment=EVIL, next={EVIL: EVIL}),
            action("b", EVIL, config={EVIL: f"${{{EVIL[1:8]}}}", "x": f"%{{data:{EVIL}}}"}),
        ],
        bindings={EVIL: {"process": [action(EVIL)]}, EVIL[1:8]: {"value": EVIL}},
    )
    ProcessTemplate.objects.filter(pk=template.pk).update(title=EVIL, description=EVIL)
    text = shown(reader, template)
    assert "alert(1)" in text
    assert EVIL not in text
    assert not re.search(r"<script(?![^>]* src=)", text)


def test_a_draft_with_errors_is_shown_with_them(reader: Client) -> None:
    template = save_process("broken", [action("a"), action("b")])
    ProcessTemplate.objects.filter(pk=template.pk).update(definition='[{"name": "a", "script": "gone"}]')
    text = shown(reader, template)
    assert "This draft can&#x27;t be published as it is." in text or "can't be published as it is" in text
    assert "gone" in text
    assert "/0/script" in text


def test_a_template_without_actions_and_one_with_a_thousand_are_shown(reader: Client) -> None:
    assert "There are no actions." in shown(reader, save_process("empty", []))
    many: list[dict[str, Any]] = [action(f"a{number}") for number in range(1_001)]
    text = shown(reader, save_process("many", many))
    assert '<svg class="flow" role' not in text
    assert 'id="action-a1000"' in text


def test_who_may_not_see_the_template_sees_nothing(reader: Client) -> None:
    template = save_process("hidden", [page("a", "Secret")])
    assert client_with().get(address(template)).status_code in (403, 404)
    assert Client().get(address(template)).status_code == 302


def test_it_speaks_german_to_german_readers(reader: Client) -> None:
    text = reader.get(address(example()), headers={"Accept-Language": "de"}).content.decode()
    assert '<h2 id="facts">Auf einen Blick</h2>' in text
    assert (
        'Unter „<em class="state">bad</em>“ weiter mit „<a href="#action-a">a</a>“; sonst Ende des Prozesses.' in text
    )
    assert 'title="Wird gefüllt, kurz bevor die Aktion läuft"' in text
    assert "Goes on" not in text
