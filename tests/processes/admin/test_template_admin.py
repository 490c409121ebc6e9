"""What the admin promises to those who edit process templates."""

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from processes.models import ProcessTemplate
from tests.processes.admin.clients import client_with
from tests.processes.services.published import action, change_draft, form, page, publish_process, save_process

pytestmark = pytest.mark.django_db

ADD = "/admin/processes/processtemplate/add/"


@pytest.fixture
def editor() -> Client:
    return client_with("view", "add", "change", name="editor")


def address(template: ProcessTemplate) -> str:
    return f"/admin/processes/processtemplate/{template.pk}/change/"


def sent(
    definition: Any,
    *,
    template: ProcessTemplate | None = None,
    bindings: dict[str, str] | None = None,
    extends: list[ProcessTemplate] | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Return what the browser sends; bindings are {reference: JSON text}, and stand for new rows."""
    old = list(template.bindings.all()) if template is not None else []
    rows: dict[str, Any] = {}
    for number, row in enumerate(old):
        stored = {
            "id": row.pk,
            "template": row.template_id,
            "reference": row.reference,
            "target": json.dumps(row.target),
        }
        rows |= {f"bindings-{number}-{key}": value for key, value in stored.items()}
    for number, (reference, target) in enumerate((bindings or {}).items(), start=len(old)):
        rows |= {f"bindings-{number}-reference": reference, f"bindings-{number}-target": target}
    for number, base in enumerate(extends or ()):
        rows |= {f"extensions-{number}-base": base.pk, f"extensions-{number}-position": number}
    return {
        "title": "Work",
        "slug": "work",
        "description": "",
        "access": "public",
        "edit_access": "editors",
        "definition": definition if isinstance(definition, str) else json.dumps(definition),
        "expected_revision": template.revision if template is not None else 0,
        "bindings-TOTAL_FORMS": len(old) + len(bindings or {}),
        "bindings-INITIAL_FORMS": len(old),
        "extensions-TOTAL_FORMS": len(extends or ()),
        "extensions-INITIAL_FORMS": 0,
        **rows,
        **values,
    }


def test_save_keeps_a_draft_and_save_and_publish_puts_it_into_force(editor: Client) -> None:
    response = editor.post(ADD, sent([page("a", "one")], _continue="Save"))
    template = ProcessTemplate.objects.get()
    assert response.headers["Location"] == address(template)
    assert template.published_plan is None
    assert "never published" in editor.get(address(template)).content.decode()
    editor.post(address(template), sent([page("a", "one")], template=template, _publish="x"))
    template.refresh_from_db()
    assert template.published_plan is not None
    assert "published as it is" in editor.get(address(template)).content.decode()
    editor.post(address(template), sent([page("a", "two")], template=template, _continue="Save"))
    assert "differs from what is published" in editor.get(address(template)).content.decode()
    assert "one" in Client().get("/p/work/").content.decode()


@pytest.mark.parametrize("button", ["_continue", "_publish"])
def test_a_form_that_leads_nowhere_is_saved_and_told(editor: Client, button: str) -> None:
    asks = form("ask", "confrim", {"name": "x"})
    response = editor.post(ADD, sent([asks, page("confirm", "x")], **{button: "x"}), follow=True)
    assert ProcessTemplate.objects.exists()
    assert [message.level_tag for message in response.context["messages"]] == ["success", "warning"]
    text = response.content.decode()
    assert "This is probably a mistake:" in text
    assert "/0/config/action: This process has no action &quot;confrim&quot; to lead to." in text


def test_bindings_and_extensions_are_saved_with_the_definition(editor: Client) -> None:
    base = publish_process("base", [action("a", "worker")], abstract=True)
    editor.post(
        ADD, sent("[]", bindings={"worker": '"show_page"', "limit": '{"value": 3}'}, extends=[base], _publish="x")
    )
    template = ProcessTemplate.objects.get(slug="work")
    assert {row.reference: row.target for row in template.bindings.all()} == {
        "worker": {"script": "show_page"},
        "limit": {"value": 3},
    }
    assert [extension.base for extension in template.extensions.all()] == [base]
    assert template.published_plan is not None
    values = sent("[]", template=template, _continue="Save") | {
        "bindings-0-DELETE": "on",
        "extensions-TOTAL_FORMS": 1,
        "extensions-INITIAL_FORMS": 1,
        "extensions-0-id": template.extensions.get().pk,
        "extensions-0-template": template.pk,
        "extensions-0-base": base.pk,
        "extensions-0-position": 0,
    }
    assert editor.post(address(template), values).status_code == 302
    assert [row.reference for row in template.bindings.all()] == ["worker"]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("[{]", "Line 1, column 3: Not valid JSON: a key in double quotes is expected here"),
        ("", "This field is required."),
        ('[{"name": "a", "script": "show_pgae"}]', "/0/script: No binding and no registered script is called"),
        ('[{"name": "a", "script": "show_pgae"}]', "Did you mean &quot;show_page&quot;?"),
        ('[{"nmae": "a"}]', "/0/nmae: Unknown key"),
        ('[{"name": "a", "script": null, "next": "b"}]', "/0/next: No action"),
        ('[{"name": "a", "name": "b"}]', "given more than once"),
        ("[" * 100_000, "Nested too deeply"),
        ("NaN", "NaN"),
        ("1" * 10_000, "Not valid JSON"),
        ('"\\ud800"', "surrogate"),
        ('{"format": 2, "actions": []}', "/format: Unknown format"),
        ("null", "A definition is an array of actions"),
    ],
)
def test_a_bad_definition_is_refused_with_place_and_cure_and_the_input_is_kept(
    editor: Client, definition: str, message: str
) -> None:
    response = editor.post(ADD, sent(definition, _publish="x"))
    text = response.content.decode()
    assert response.status_code == 200
    assert message in text
    assert not ProcessTemplate.objects.exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{", "line 1, column 2"),
        ("[" * 100_000, "Nested too deeply"),
        ('{"scirpt": "a"}', "Did you mean &quot;script&quot;?"),
        ('{"script": "nothing"}', "/bindings/it: No script &quot;nothing&quot; is registered"),
        ('{"process": "nothing"}', "The process &quot;nothing&quot; doesn&#x27;t exist"),
        ('{"process": [{"name": 1}]}', "/bindings/it/process/0/name"),
    ],
)
def test_a_bad_binding_is_refused_with_place_and_cure(editor: Client, target: str, message: str) -> None:
    response = editor.post(ADD, sent([action("a")], bindings={"it": target}, _publish="x"))
    assert response.status_code == 200
    assert message in response.content.decode()
    assert not ProcessTemplate.objects.exists()


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(editor: Client) -> None:
    template = save_process("work", [action("a")])
    stale = sent([action("mine")], template=template, _continue="Save")
    change_draft(template, [action("theirs")])
    response = editor.post(address(template), stale)
    assert response.status_code == 200
    assert "Somebody else saved this template" in response.content.decode()
    assert "mine" in response.content.decode()
    assert "theirs" in ProcessTemplate.objects.get().definition


def test_what_publishing_would_break_is_listed_and_the_draft_is_saved(editor: Client) -> None:
    base = publish_process("work", [action("a"), action("b")])
    publish_process("child", [action("c", next="b")], extends=[base])
    base.refresh_from_db()
    response = editor.post(address(base), sent([action("a")], template=base, _publish="x"), follow=True)
    text = response.content.decode()
    assert "it would break child" in text
    assert "child /0/next" in text
    assert '"b"' not in ProcessTemplate.objects.get(pk=base.pk).definition
    assert "differs from what is published" in text


def test_the_slug_of_a_published_template_stays(editor: Client) -> None:
    template = publish_process("work", [action("a")])
    editor.post(address(template), sent([action("a")], template=template, slug="renamed", _continue="Save"))
    assert ProcessTemplate.objects.get().slug == "work"


def test_whoever_may_only_view_cannot_save() -> None:
    template = publish_process("work", [action("a")], bindings={"x": {"value": 1}})
    client = client_with("view")
    assert "Save and publish" not in client.get(address(template)).content.decode()
    assert client.post(address(template), sent("[]", template=template, _publish="x")).status_code == 403
    assert template.bindings.count() == 1


@pytest.mark.parametrize("name", ["processtemplate", "plan", "run", "datanode", "storedfile"])
def test_every_list_opens_and_only_templates_can_be_added(admin_client: Client, name: str) -> None:
    publish_process("work", [action("a")])
    assert admin_client.get(f"/admin/processes/{name}/").status_code == 200
    assert admin_client.get(f"/admin/processes/{name}/add/").status_code == (200 if name == "processtemplate" else 403)


def test_the_boxes_that_delete_a_row_say_which(editor: Client) -> None:
    base = publish_process("base", [], abstract=True)
    editor.post(ADD, sent([action("a")], bindings={"limit": '{"value": 3}'}, extends=[base]))
    text = editor.get(address(ProcessTemplate.objects.get(slug="work"))).content.decode()
    assert 'aria-label="Delete limit"' in text
    assert f'aria-label="Delete {base}"' in text


def test_nothing_beside_a_choice_edits_or_deletes_what_is_chosen(admin_client: Client) -> None:
    text = admin_client.get(address(publish_process("work", [action("a")]))).content.decode()
    assert 'name="extensions-0-base"' in text
    assert "related-widget-wrapper-link" not in text


def test_the_list_says_in_words_who_may_execute_each(editor: Client) -> None:
    publish_process("base", [], abstract=True)
    text = editor.get("/admin/processes/processtemplate/").content.decode()
    assert "nobody: abstract" in text
    assert "icon-no" not in text


def test_a_slug_is_proposed_for_a_new_template_only(editor: Client) -> None:
    assert '"name": "slug"' in html.unescape(editor.get(ADD).content.decode())
    assert editor.get(address(publish_process("work", [action("a")]))).status_code == 200


def test_every_field_of_a_row_has_a_name_for_those_who_do_not_see_its_column(editor: Client) -> None:
    text = editor.get(address(save_process("work", [page("a", "hello")]))).content.decode()
    rows = re.findall(r'<(?:input|select|textarea)\b[^>]*name="((?:bindings|extensions)-\d+-[a-z]+)"[^>]*>', text)
    named = re.findall(r'<[a-z]+\b[^>]*name="([^"]+)"[^>]*aria-label="[^"]+"', text)
    assert {name for name in rows if name.endswith(("-base", "-position", "-reference", "-target"))} <= set(named)
    assert "extensions-0-base" in named
