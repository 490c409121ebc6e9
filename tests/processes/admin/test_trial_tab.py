"""The Try it tab: who may, what is asked, and what is shown of a run."""

import html
from typing import Any

import pytest
from django.test import Client

from processes.models import AuditEntry, DataNode, ProcessTemplate
from tests.processes.admin.clients import client_with
from tests.processes.services.published import action, change_draft, form, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Client:
    return client_with("view", "change")


def address(template: ProcessTemplate) -> str:
    return f"/admin/processes/processtemplate/{template.pk}/trial/"


def run(client: Client, template: ProcessTemplate, **values: Any) -> str:
    sent = {"action": "", "begin_with": "", "parameters": "", **values}
    if template.published_plan_id is not None:
        sent.setdefault("of", "draft")
    response = client.post(address(template), sent)
    assert response.status_code == 200
    return response.content.decode()


def test_a_cure_is_told_once(editor: Client) -> None:
    text = html.unescape(run(editor, save_process("work", [action("check", "noop")]), action="chek"))
    assert text.count('Did you mean "check"?') == 1


def test_an_action_that_nobody_can_enter_is_said_to_be_there(editor: Client) -> None:
    template = save_process("work", [action("a"), action("inside", entry=False)])
    assert "nobody can enter at it from outside" in run(editor, template, action="inside")
    assert "nobody can enter at it from outside" not in run(editor, template, action="elsewhere")


def test_a_run_is_shown_with_its_data_response_and_trace(editor: Client) -> None:
    publish_process("inner", [action("deep")])
    template = save_process(
        "work",
        [
            action("a", "inner"),
            {"name": "b", "script": "set_state", "config": {"state": "seen"}},
            page("c", "Hi, %{data:name}!"),
        ],
        bindings={"inner": {"process": "inner"}},
    )
    text = run(editor, template, begin_with='{"name": "Ada"}')
    assert "Completed" in text
    assert "&lt;p&gt;Hi, Ada!&lt;/p&gt;" in text
    assert "{&quot;name&quot;: &quot;Ada&quot;}" in text
    rows = text[text.index('<table class="trace">') :]
    assert rows.index(">a</th>") < rows.index("inner ›") < rows.index("deep</th>") < rows.index(">b</th>")
    assert '<th scope="row" class="depth-1">' in rows
    assert "<code>seen</code>" in rows


def test_a_form_is_listed_and_what_it_would_keep_is_not_kept(editor: Client) -> None:
    template = save_process(
        "ask", [form("ask", "take", {"name": "amount", "type": "number", "label": "How much?"}), action("take")]
    )
    text = run(editor, template)
    assert "How much?" in text
    assert "which leads to <code>take</code>" in text
    assert not DataNode.objects.exists()


def test_an_error_is_shown_with_code_and_place(editor: Client) -> None:
    template = save_process("bad", [page("a", "%{data:gone}")])
    text = run(editor, template)
    assert "Failed" in text
    assert "<code>placeholder</code>, in the action <code>a</code>" in text
    assert "at <code>/config/text</code>" in text


def test_it_enters_where_it_is_told_and_offers_what_can_be_entered(editor: Client) -> None:
    template = save_process(
        "entry", [page("a", "one", next=True), page("b", "two"), action("c", entry=False), action("@end")]
    )
    offered = editor.get(address(template)).content.decode()
    assert '<option value="a">' in offered
    assert '<option value="c">' not in offered
    assert "@end" not in offered
    text = run(editor, template, action="b")
    assert "&lt;p&gt;two&lt;/p&gt;" in text
    assert "&lt;p&gt;one&lt;/p&gt;" not in text
    assert 'value="b"' in text


def test_the_draft_or_what_is_published_is_run(editor: Client) -> None:
    template = publish_process("both", [page("a", "old")])
    change_draft(template, [page("a", "new")])
    template.refresh_from_db()
    assert "&lt;p&gt;new" in run(editor, template)
    assert "&lt;p&gt;old" in run(editor, template, of="published")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"begin_with": "{"}, "Not valid JSON"),
        ({"begin_with": "[1]"}, "Enter an object"),
        ({"parameters": '{"a": NaN}'}, "NaN"),
        ({"parameters": '"text"'}, "Enter an object"),
        ({"begin_with": '{"a": "\\ud800"}'}, "surrogate"),
    ],
)
def test_what_is_not_an_object_is_refused_at_its_field(editor: Client, values: dict[str, str], message: str) -> None:
    text = run(editor, save_process("work", [action("a")]), **values)
    assert message in text
    assert "Completed" not in text
    assert not AuditEntry.objects.filter(action="run.started").exists()


def test_what_cannot_run_is_told_with_the_reasons(editor: Client) -> None:
    assert "only extended, never run itself" in run(editor, save_process("abstract", [action("a")], abstract=True))
    template = save_process("gone", [action("a")])
    ProcessTemplate.objects.filter(pk=template.pk).update(definition='[{"name": "a", "script": "gone"}]')
    text = run(editor, template)
    assert "Can&#x27;t run" in text or "Can't run" in text
    assert "/0/script" in text


def test_doing_it_for_real_is_asked_each_time(editor: Client) -> None:
    template = save_process("keep", [{"name": "a", "script": "save_data"}])
    text = run(editor, template, begin_with='{"x": 1}', keep="on")
    assert "What it wrote is kept" in text
    assert DataNode.objects.count() == 1
    checkbox = text[text.index('name="keep"') :].partition(">")[0]
    assert "checked" not in checkbox
    assert "{&quot;x&quot;: 1}" in text[text.index("<textarea") :]


def test_only_those_who_may_change_it_can_run_it() -> None:
    template = save_process("work", [page("a", "one")])
    reader = client_with("view")
    assert "Only those who may change this template" in reader.get(address(template)).content.decode()
    assert reader.post(address(template), {"action": ""}).status_code == 403
    assert Client().post(address(template), {"action": ""}).status_code == 302
    assert not AuditEntry.objects.filter(action="run.started").exists()


def test_a_get_runs_nothing_and_a_post_needs_its_token(editor: Client) -> None:
    template = save_process("work", [page("a", "one")])
    assert "Completed" not in editor.get(address(template), {"action": "a"}).content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = editor.cookies
    assert strict.post(address(template), {"action": ""}).status_code == 403


def test_nothing_that_a_run_gives_becomes_markup(editor: Client) -> None:
    evil = "<script>alert(1)</script>"
    template = save_process(
        "evil",
        [{"name": "a", "script": "show_page", "config": {"title": evil, "content": evil, "text": evil}},
         {"name": evil, "script": "set_state", "config": {"state": evil}}],
    )  # fmt: skip
    text = run(editor, template, begin_with='{"x": "<script>alert(1)</script>"}')
    assert "Completed" in text
    assert evil not in text


def test_long_traces_and_values_are_cut(editor: Client) -> None:
    template = save_process("long", [action(f"a{number}") for number in range(1_200)])
    text = run(editor, template, begin_with='{"x": "' + "y" * 60_000 + '"}')
    assert "And 200 more." in text
    assert "y" * 50_001 not in text[: text.index('<table class="trace">')]


def test_it_speaks_german_to_german_readers(editor: Client) -> None:
    template = save_process("work", [page("a", "one")])
    sent = {"action": "", "begin_with": "", "parameters": ""}
    text = editor.post(address(template), sent, headers={"Accept-Language": "de"}).content.decode()
    assert "Was er in die Datenbank geschrieben hat, ist zurückgenommen." in text
    assert "Noch einmal ausführen" in text
