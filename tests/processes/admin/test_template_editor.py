"""What the editor asks the server: who may, what comes back, and that nothing sent to it is too absurd to answer."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.models import EditAccess, ProcessTemplate
from tests.processes.admin.clients import client_with
from tests.processes.services.published import action, page, publish_process, save_process

pytestmark = pytest.mark.django_db

LIST = "/admin/processes/processtemplate/"
CHECK, VOCABULARY, ADD = f"{LIST}check/", f"{LIST}vocabulary/", f"{LIST}add/"


@pytest.fixture
def editor() -> Client:
    return client_with("view", "add", "change", name="editor")


def problems(client: Client, **sent: Any) -> list[dict[str, Any]]:
    response = client.post(CHECK, sent)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["problems"]
    return found


def test_the_form_is_checked_as_it_stands_and_nothing_is_saved(editor: Client) -> None:
    template = save_process("work", [action("a")])
    (found,) = problems(
        editor,
        template=template.pk,
        definition='[{"name": "a", "script": "show_pgae"}]',
    )
    assert found["path"] == "/0/script"
    assert found["start"] == {"line": 1, "column": 26}
    assert found["end"] == {"line": 1, "column": 37}
    assert found["suggestion"] == 'Did you mean "show_page"?'
    assert found["part"] == "definition"
    template.refresh_from_db()
    assert "show_pgae" not in template.definition


def test_bindings_and_extended_templates_count_unsaved(editor: Client) -> None:
    base = publish_process("base", [action("a", "worker")], abstract=True)
    sent = {
        "definition": '[{"name": "b", "script": null, "next": "a"}]',
        "bindings-TOTAL_FORMS": 2,
        "bindings-0-reference": "worker",
        "bindings-0-target": '{"script": "nothing"}',
        "bindings-1-reference": "",
        "bindings-1-target": "",
        "extensions-TOTAL_FORMS": 1,
        "extensions-0-base": base.pk,
        "extensions-0-position": 0,
    }
    (found,) = problems(editor, **sent)
    assert (found["part"], found["row"]) == ("binding", "bindings-0")
    assert problems(editor, **{**sent, "bindings-0-target": '"noop"'}) == []
    deleted = problems(editor, **{**sent, "bindings-0-DELETE": "on"})
    assert [one["row"] for one in deleted] == ["extensions-0"]


def test_positions_decide_which_base_comes_first(editor: Client) -> None:
    first = publish_process("first", [action("a", "worker")], bindings={"worker": "noop"})
    second = publish_process("second", [action("a", None)])
    rows = {
        "extensions-TOTAL_FORMS": 2,
        "extensions-0-base": first.pk,
        "extensions-0-position": 1,
        "extensions-1-base": second.pk,
        "extensions-1-position": 0,
    }
    assert problems(editor, definition="[]", **rows) == []


@pytest.mark.parametrize(
    ("verbs", "existing", "status"),
    [
        (("view", "change"), True, 200),
        (("view", "change"), False, 403),
        (("view", "add"), False, 200),
        (("view", "add"), True, 403),
        (("view",), True, 403),
        ((), True, 403),
    ],
)
def test_only_those_check_who_could_save(verbs: tuple[str, ...], existing: bool, status: int) -> None:
    template = save_process("work", [action("a")])
    sent = {"definition": "[]", **({"template": template.pk} if existing else {})}
    assert client_with(*verbs, name="somebody").post(CHECK, sent).status_code == status


def test_a_template_kept_for_a_group_is_checked_by_its_members_only(editor: Client) -> None:
    template = save_process("work", [action("a")])
    group = Group.objects.create(name="owners")
    ProcessTemplate.objects.filter(pk=template.pk).update(edit_access=EditAccess.GROUPS)
    template.edit_groups.add(group)
    sent = {"definition": "[]", "template": template.pk}
    assert editor.post(CHECK, sent).status_code == 403
    User.objects.get(username="editor").groups.add(group)
    assert editor.post(CHECK, sent).status_code == 200


def test_nobody_else_learns_anything() -> None:
    outsider = client_with("view", "change", name="outsider", staff=False)
    for client in (Client(), outsider):
        for address in (CHECK, VOCABULARY):
            assert client.get(address).status_code == 302
    assert client_with(name="staff").get(VOCABULARY).status_code == 403
    assert client_with("view", name="viewer").get(VOCABULARY).status_code == 200


def test_checking_needs_a_token_and_a_post() -> None:
    User.objects.create_superuser("admin")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="admin"))
    assert client.post(CHECK, {"definition": "[]"}).status_code == 403
    assert client.get(CHECK).status_code == 405
    assert client.post(VOCABULARY).status_code in (403, 405)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"definition": ""},
        {"definition": "[" * 100_000},
        {"definition": "1" * 10_000},
        {"definition": '[{"name": "\\u0000"}]'},
        {"definition": "\0"},
        {"definition": "[]", "slug": "\0"},
        {"definition": "[]", "bindings-TOTAL_FORMS": "999999999999999999999999"},
        {"definition": "[]", "bindings-TOTAL_FORMS": "-1"},
        {"definition": "[]", "bindings-TOTAL_FORMS": "²"},
        {"definition": "[]", "extensions-TOTAL_FORMS": "1", "extensions-0-base": "99999999999999999999"},
        {"definition": "[]", "extensions-TOTAL_FORMS": "1", "extensions-0-base": "x"},
        {"definition": "[]", "extensions-TOTAL_FORMS": "1", "extensions-0-base": "1", "extensions-0-position": "-"},
        {"definition": "[]", "bindings-TOTAL_FORMS": "1", "bindings-0-reference": "{}", "bindings-0-target": "1"},
        {"definition": "[]", "bindings-TOTAL_FORMS": "1", "bindings-0-reference": "a", "bindings-0-target": "[" * 9999},
    ],
)
def test_an_absurd_form_gets_an_answer(editor: Client, sent: dict[str, str]) -> None:
    problems(editor, **sent)


@pytest.mark.parametrize("template", ["x", "999999", "99999999999999999999", "1 OR 1", "\0"])
def test_a_template_that_is_not_there_may_not_be_changed(editor: Client, template: str) -> None:
    assert editor.post(CHECK, {"definition": "[]", "template": template}).status_code == 403


@pytest.mark.usefixtures("unlogged")
def test_a_text_too_large_to_be_sent_is_refused_before_it_is_read(editor: Client) -> None:
    assert editor.post(CHECK, {"definition": "[" + " " * 3_000_000}).status_code == 413


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "definition",
                "slug",
                "abstract",
                *(f"bindings-{end}" for end in ("TOTAL_FORMS", "0-reference", "0-target", "0-DELETE", "1-reference")),
                *(f"extensions-{end}" for end in ("TOTAL_FORMS", "0-base", "0-position", "0-DELETE")),
            ]
        ),
        st.text(max_size=20) | st.integers().map(str) | st.sampled_from(["[]", "1", "2", '{"value": 1}', "on"]),
    )
)
def test_whatever_is_sent_the_answer_is_never_a_server_error(editor: Client, sent: dict[str, str]) -> None:
    problems(editor, **sent)


@pytest.mark.parametrize(
    "query", ["", "?extends=x", "?extends=99999999999999999999", "?extends=1&extends=1&extends=-1"]
)
def test_the_vocabulary_answers_whatever_it_is_asked(editor: Client, query: str) -> None:
    response = editor.get(VOCABULARY + query)
    assert response.status_code == 200
    assert response.json()["inherited"] == {"actions": [], "bindings": []}
    assert "no-store" in response.headers["Cache-Control"]


def test_what_is_inherited_is_told_only_to_those_who_may_see_templates() -> None:
    base = publish_process("base", [page("inherited", "x")])
    query = f"{VOCABULARY}?extends={base.pk}"
    assert "inherited" not in str(client_with("add", name="adder").get(query).json()["inherited"]["actions"])
    assert "inherited" in str(client_with("add", "view", name="viewer").get(query).json()["inherited"]["actions"])


def test_the_vocabulary_follows_what_the_form_extends(editor: Client) -> None:
    base = publish_process("base", [page("a", "one")])
    found = editor.get(f"{VOCABULARY}?extends={base.pk}").json()
    assert [one["name"] for one in found["inherited"]["actions"]] == ["a"]


def test_the_page_works_without_scripts_and_names_what_the_editor_needs(editor: Client) -> None:
    text = editor.get(ADD).content.decode()
    assert '<textarea name="definition"' in text
    assert 'data-json="definition"' in text
    assert f'data-check="{CHECK}"' in text
    assert 'src="/static/processes/editor.js" type="module"' in text
    assert 'href="/static/django_ace/ace/css/ace.css"' in text
    assert " style=" not in text.partition('id="template-editor"')[0].partition("<form")[2]


def test_after_a_failed_save_the_page_itself_names_the_places(editor: Client) -> None:
    sent = {
        "title": "Work",
        "slug": "work",
        "access": "public",
        "edit_access": "editors",
        "definition": '[\n{"name": "a", "script": "show_pgae"}]',
        "expected_revision": 0,
        "bindings-TOTAL_FORMS": 1,
        "bindings-INITIAL_FORMS": 0,
        "bindings-0-reference": "it",
        "bindings-0-target": '{"script": "nothing"}',
        "extensions-TOTAL_FORMS": 0,
        "extensions-INITIAL_FORMS": 0,
    }
    text = editor.post(ADD, sent).content.decode()
    assert "Line 2, column 25: /0/script: No binding and no registered script" in text
    # In its row, and not above the form.
    row = text.partition('id="bindings-0"')[2].partition("</tr>")[0]
    assert "Line 1, column 1: /bindings/it: No script" in row
    assert text.count("/bindings/it: No script") == 1
    found = text.partition('<script id="template-problems" type="application/json">')[2].partition("</script>")[0]
    assert {(one["part"], one["row"]) for one in json.loads(found)} == {("binding", "bindings-0"), ("definition", None)}
    assert not ProcessTemplate.objects.exists()


def test_whoever_may_only_view_gets_no_editor() -> None:
    template = save_process("work", [action("a")])
    text = client_with("view", name="viewer").get(f"{LIST}{template.pk}/change/").content.decode()
    assert 'id="template-editor"' not in text
    assert "template-problems" not in text
