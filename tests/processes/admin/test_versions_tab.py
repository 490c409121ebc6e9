"""The Versions tab shows the history, any comparison, and the way back; nothing on it needs a script."""

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import ProcessTemplate
from processes.services.authoring.templates import publish, save_draft
from tests.processes.admin.clients import client_with
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Client:
    return client_with("view", "change")


@pytest.fixture
def template() -> ProcessTemplate:
    template = publish_process("work", [page("a", "one")])
    change_draft(template, [page("a", "two"), action("b")])
    publish(template=template)
    return template


def tab(template: ProcessTemplate, query: str = "") -> str:
    return f"/admin/processes/processtemplate/{template.pk}/versions/{query}"


def test_one_version_alone_is_not_offered_for_comparison(editor: Client) -> None:
    assert "Show the differences" not in text_of(editor, tab(publish_process("single", [page("a", "one")])))


def text_of(client: Client, address: str, **options: Any) -> str:
    """Return what a page says, without tags and with single spaces."""
    return readable(client.get(address, follow=True, **options).content.decode())


def readable(page_text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page_text)))


def confirmation(template: ProcessTemplate, number: int, **values: str) -> dict[str, str]:
    """Return what the page for going back sends, as things stand now."""
    template.refresh_from_db()
    latest = template.versions.order_by("-number").values_list("number", flat=True)[0]
    return {
        "number": str(number),
        "expected_revision": str(template.revision),
        "expected_version": str(latest),
    } | values


def test_the_list_says_what_was_in_force_when_by_whom_and_why(editor: Client, template: ProcessTemplate) -> None:
    ada = User.objects.create_user("ada")
    save_draft(template=template, definition=json.dumps([page("a", "three")]), bindings={}, user=ada)
    publish(template=template, user=ada)
    text = text_of(editor, tab(template))
    assert "ada published changed a · removed b" in text
    assert "published changed a · added b" in text
    assert "— published first version" in text
    assert "3 in force" in text
    template.refresh_from_db()
    assert template.published_plan_id is not None
    assert template.published_plan_id[:12] in text


def test_a_template_that_was_never_published_says_so(editor: Client) -> None:
    assert "Nothing was published yet" in text_of(editor, tab(save_process("work", [action("a")])))


def test_following_another_template_is_told(editor: Client, template: ProcessTemplate) -> None:
    child = publish_process("child", [action("c")], extends=[template])
    change_draft(template, [page("a", "three")])
    publish(template=template)
    assert "followed “work”" in text_of(editor, tab(child))
    assert "Its own definition, bindings and extends are the same" in text_of(editor, tab(child, "?old=1&new=2"))


def test_a_long_history_has_pages(editor: Client, template: ProcessTemplate) -> None:
    for number in range(21):
        change_draft(template, [page("a", str(number))])
        publish(template=template)
    assert "Page 1 of 2" in text_of(editor, tab(template))
    assert "first version" in text_of(editor, tab(template, "?page=2"))


@pytest.mark.parametrize("query", ["?old=1&new=2", "?old=1&new=published", "?old=1&new=draft"])
def test_two_moments_are_compared_thing_by_thing(editor: Client, template: ProcessTemplate, query: str) -> None:
    text = text_of(editor, tab(template, query))
    assert 'changed Action “a” What Before After config/text "one" "two"' in text
    assert "added Action “b” after “a”" in text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?old=1&new=9", "has no version 9"),
        ("?old=x&new=1", "has no version 0"),
        ("?old=%C2%B2&new=1", "has no version 0"),
        ("?old=99999999999999999999&new=1", "has no version 0"),
        ("?back_to=9", "has no version 9"),
        ("?back_to=", "has no version 0"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(
    editor: Client, template: ProcessTemplate, query: str, message: str
) -> None:
    assert message in text_of(editor, tab(template, query))


def test_what_editors_write_is_never_markup(editor: Client) -> None:
    template = publish_process("work", [page("a", "one")])
    change_draft(template, [page("<script>alert(1)</script>", "<img src=x>", comment="<b>")])
    publish(template=template)
    for query in ("", "?old=1&new=2", "?back_to=1"):
        text = editor.get(tab(template, query)).content.decode()
        assert "<script>alert" not in text
        assert "<img src=x>" not in text
        assert "<b>" not in text


def test_nothing_on_the_pages_needs_inline_script_or_style(editor: Client, template: ProcessTemplate) -> None:
    for query in ("", "?old=1&new=2", "?back_to=1"):
        text = editor.get(tab(template, query)).content.decode()
        content = text[text.index('id="content-main"') :]
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", content)


def test_going_back_is_confirmed_with_what_would_come_into_force(editor: Client, template: ProcessTemplate) -> None:
    publish_process("child", [action("c")], extends=[template])
    text = text_of(editor, tab(template, "?back_to=1"))
    assert "These follow it: child." in text
    assert 'config/text "two" "one"' in text
    assert "removed Action “b”" in text
    response = editor.post(tab(template), confirmation(template, 1), follow=True)
    assert "Version 1 is in force again, as version 3. These follow it: child." in readable(response.content.decode())
    assert "rolled back to version 1" in text_of(editor, tab(template))
    assert template.versions.get(number=3).published_by == User.objects.get(username="view-change")
    assert "one" in Client().get("/p/work/").content.decode()


def test_a_draft_in_the_way_must_be_given_up_by_hand(editor: Client, template: ProcessTemplate) -> None:
    change_draft(template, [page("a", "my work")])
    assert "The draft differs from what is in force: changed a · removed b" in text_of(editor, tab(template))
    text = text_of(editor, tab(template, "?back_to=1"))
    assert "The draft has changes that were never published" in text
    assert "my work" in text
    response = editor.post(tab(template), confirmation(template, 1), follow=True)
    assert "Nothing was changed. The draft has changes" in readable(response.content.decode())
    assert template.versions.count() == 2
    editor.post(tab(template), confirmation(template, 1, discard_draft="on"))
    assert template.versions.count() == 3


def test_the_draft_alone_can_be_given_up(editor: Client, template: ProcessTemplate) -> None:
    change_draft(template, [page("a", "my work")])
    response = editor.post(tab(template), confirmation(template, 2, discard_draft="on"), follow=True)
    assert "The draft is discarded" in readable(response.content.decode())
    assert "my work" not in ProcessTemplate.objects.get().definition


@pytest.mark.parametrize("stale", ["expected_revision", "expected_version"])
def test_a_page_that_is_out_of_date_changes_nothing(editor: Client, template: ProcessTemplate, stale: str) -> None:
    values = confirmation(template, 1)
    values[stale] = str(int(values[stale]) - 1)
    response = editor.post(tab(template), values, follow=True)
    assert "Nothing was changed." in readable(response.content.decode())
    del values[stale]
    editor.post(tab(template), values)
    assert template.versions.count() == 2


def test_what_cannot_come_into_force_any_more_is_told_with_place_and_cure(
    editor: Client, template: ProcessTemplate
) -> None:
    publish_process("child", [action("c", next="b")], extends=[template])
    text = text_of(editor, tab(template, "?back_to=1"))
    assert "can't be put into force any more: child /0/next: No action" in text
    response = editor.post(tab(template), confirmation(template, 1), follow=True)
    assert "child /0/next" in readable(response.content.decode())
    assert template.versions.count() == 2


def test_whoever_may_only_view_sees_all_and_changes_nothing(template: ProcessTemplate) -> None:
    viewer = client_with("view")
    assert "Roll back" not in text_of(viewer, tab(template))
    assert "Action “b”" in text_of(viewer, tab(template, "?old=1&new=2"))
    assert viewer.get(tab(template, "?back_to=1")).status_code == 403
    assert viewer.post(tab(template), confirmation(template, 1)).status_code == 403
    assert template.versions.count() == 2
    assert client_with("add").get(tab(template)).status_code == 404


def test_it_speaks_german_to_german_readers(editor: Client, template: ProcessTemplate) -> None:
    german = {"Accept-Language": "de"}
    listed = html.unescape(editor.get(tab(template), headers=german).content.decode())
    assert "geändert a · hinzugefügt b" in listed
    assert "Unterschiede zeigen" in listed
    compared = html.unescape(editor.get(tab(template, "?old=1&new=2"), headers=german).content.decode())
    assert "Version 1 → Version 2" in compared
    assert "Aktion „b“" in compared
