"""The Builder tab: a definition is shown as rows, changed by buttons, and saved as it was but for what was changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.models import AuditEntry, InstanceType, ProcessTemplate, StatusRules
from processes.services.authoring.templates import save_draft
from tests.processes.admin.builder_form import Form, address
from tests.processes.admin.clients import client_with
from tests.processes.domain.authoring.test_rows import DEFINITIONS
from tests.processes.services.published import action, change_draft, form, page, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Client:
    return client_with("view", "change")


def steps() -> list[dict[str, Any]]:
    return [
        {
            "name": "ask", "script": "set_state", "comment": "Why\nso?", "config": {"state": "ok"},
            "next": {"ok": "pay", "*": False},
        },
        {"name": "tell", "script": "noop", "entry": False, "next": "ask", "retry": 2},
        {"name": "pay", "script": "set_data", "config": {"values": {"x": 1}}},
        {"name": "@end", "script": None},
    ]  # fmt: skip


def saved(template: ProcessTemplate) -> Any:
    template.refresh_from_db()
    return json.loads(template.definition)


def all_open(client: Client, template: ProcessTemplate) -> Form:
    document = json.loads(template.definition)
    actions = document["actions"] if isinstance(document, dict) else document
    return Form(client, template, *(step["name"] for step in actions))


def test_a_definition_is_shown_as_actions_with_steps(editor: Client) -> None:
    shown = Form(editor, save_process("work", steps()))
    assert shown.steps() == [["ask", "tell"], ["pay"], ["@end"]]
    assert 'data-action="tell"' in shown.text


@pytest.mark.parametrize("text", ['[ {"name":"noop" ,\n"config" : {"a":1e2}} ]', '{"actions": [], "format": 1}'])
def test_what_nobody_changes_stays_byte_for_byte(editor: Client, text: str) -> None:
    template = ProcessTemplate(slug="work", title="Work")
    save_draft(template=template, definition=text.replace(', "config"', ""), bindings={})
    shown = Form(editor, template, "noop")
    response = shown.press("save")
    assert response.status_code == 302
    template.refresh_from_db()
    assert (template.definition, template.revision) == (text, 1)
    assert "Nothing was changed" in editor.get(response.url).content.decode()


def test_every_field_of_open_steps_sent_back_changes_nothing(editor: Client) -> None:
    template = save_process("work", steps())
    before = template.definition
    shown = all_open(editor, template)
    shown.press("check")
    shown.press("save")
    template.refresh_from_db()
    assert template.definition == before


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.stem)
def test_definitions_of_the_house_are_opened_and_sent_back_as_they_are(editor: Client, file: Path) -> None:
    content = json.loads(file.read_text(encoding="utf-8"))
    definition = content["definition"] if isinstance(content, dict) and "definition" in content else content
    text = json.dumps(definition, indent=1)
    template = ProcessTemplate.objects.create(slug="work", title="Work", definition=text, revision=1)
    shown = all_open(editor, template)
    shown.press("check")
    assert shown.press("save").status_code == 302
    template.refresh_from_db()
    assert template.definition == text


def test_an_added_step_is_filled_in_and_saved(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    shown.press(f"add-step:{shown.action('pay')}")
    number = shown.number("step")
    shown.fill_in({f"s{number}-name": "wait a bit", f"s{number}-script": "r:set_state", f"s{number}-comment": "First."})
    shown.press(f"script:{number}")
    number = shown.number("wait a bit")
    shown.fill_in({f"s{number}-c:state": "done", f"s{number}-r0-state": "done", f"s{number}-r0-to": "to:ask"})
    shown.press(f"add-rule:{number}")
    shown.fill_in({f"s{number}-r1-to": "exit"})
    assert shown.press("save").status_code == 302
    assert saved(template) == [
        *steps()[:3],
        {
            "name": "wait a bit", "script": "set_state", "comment": "First.", "next": {"done": "ask", "*": False},
            "config": {"state": "done"}, "entry": False,
        },
        steps()[3],
    ]  # fmt: skip


def test_saving_is_written_down_and_leaves_what_is_in_force(editor: Client) -> None:
    template = publish_process("work", steps())
    plan = template.published_plan_id
    shown = Form(editor, template)
    shown.fill_in({f"a{shown.action('pay')}-caption": "Pay it"})
    shown.press("save")
    assert saved(template)[2]["caption"] == "Pay it"
    assert (template.revision, template.published_plan_id) == (2, plan)
    entry = AuditEntry.objects.filter(action="template.edited").latest("pk")
    assert entry.details["changed"] == ["definition"]
    assert LogEntry.objects.filter(object_id=str(template.pk)).count() == 1


def test_a_new_name_is_followed_by_what_jumps_there(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    shown.fill_in({f"a{shown.action('ask')}-reference": "question"})
    shown.press("save")
    definition = saved(template)
    assert (definition[0]["name"], definition[1]["next"]) == ("question", "question")


def test_a_new_name_is_followed_by_what_forms_lead_to(editor: Client) -> None:
    template = save_process("work", [form("ask", "take", {"name": "n"}), action("take")])
    shown = Form(editor, template)
    shown.fill_in({f"a{shown.action('take')}-reference": "keep"})
    shown.press("save")
    assert saved(template)[0]["config"]["action"] == "keep"


NAMES: list[tuple[str, str]] = [
    ("pay", "Two steps can&#x27;t be called “pay”"),
    (" ", "A step needs a name"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_a_name_that_cant_be_had_is_told_and_nothing_is_saved(editor: Client, name: str, message: str) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    shown.fill_in({f"a{shown.action('ask')}-reference": name})
    response = shown.press("save")
    assert response.status_code == 200
    assert message in shown.text
    assert saved(template) == steps()


def test_names_can_be_swapped(editor: Client) -> None:
    template = save_process("work", [action("a", next="b"), action("b", next="a")])
    shown = Form(editor, template)
    shown.fill_in({"a0-reference": "b", "a1-reference": "a"})
    shown.press("save")
    assert saved(template) == [action("b", next="a"), action("a", next="b")]


MOVES: list[tuple[str, str, list[list[str]]]] = [
    # (the button, the row that it is about, what comes of it)
    ("up-step", "tell", [["tell", "ask"], ["pay"], ["@end"]]),
    ("down-step", "tell", [["ask"], ["pay", "tell"], ["@end"]]),
    ("down-action", "ask", [["pay"], ["ask", "tell"], ["@end"]]),
    ("delete-step", "ask", [["tell"], ["pay"], ["@end"]]),
    ("delete-action", "ask", [["pay"], ["@end"]]),
]


@pytest.mark.parametrize(("deed", "name", "expected"), MOVES)
def test_rows_are_moved_and_deleted_by_buttons(editor: Client, deed: str, name: str, expected: list[list[str]]) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    number = shown.number(name) if deed.endswith("step") else shown.action(name)
    shown.press(f"{deed}:{number}")
    assert shown.steps() == expected
    assert saved(template) == steps()


def test_the_order_of_the_form_is_that_of_the_rows(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    moved = next(field for field in shown.fields if field == ("row", f"step:{shown.number('tell')}"))
    shown.fields.remove(moved)
    shown.fields.insert(shown.fields.index(("row", f"step:{shown.number('pay')}")) + 1, moved)
    shown.send("check")
    assert shown.steps() == [["ask"], ["pay", "tell"], ["@end"]]


def test_a_rule_is_deleted(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template, "ask")
    shown.press(f"delete-rule:{shown.number('ask')}:0")
    shown.press("save")
    assert saved(template)[0]["next"] == {"*": False}


def test_two_rules_for_a_state_are_told(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template, "ask")
    shown.fill_in({"s0-r2-state": "ok", "s0-r2-to": "next"})
    shown.press("save")
    assert "The state “ok” has two rules" in shown.text
    assert saved(template) == steps()


def test_another_script_keeps_what_the_config_holds(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template, "ask")
    shown.fill_in({"s0-script": "r:fail"})
    shown.press("script:0")
    assert json.loads(shown.value("s0-further")) == {"state": "ok"}
    shown.fill_in({"s0-further": "", "s0-c:message": "Sorry."})
    shown.press("save")
    assert saved(template)[0] == {**steps()[0], "script": "fail", "config": {"message": "Sorry."}}


def test_what_cant_be_read_is_shown_again_with_its_message(editor: Client) -> None:
    template = save_process("work", [{"name": "a", "script": "read_table", "config": {"file": "%{data:f}"}}])
    shown = Form(editor, template, "a")
    shown.fill_in({"s0-c:limit": "many", "s0-more": "{"})
    shown.press("save")
    assert "Must be a whole number, or a placeholder." in shown.text
    assert "Not valid JSON" in shown.text
    assert (shown.value("s0-c:limit"), shown.value("s0-more")) == ("many", "{")
    shown.fill_in({"s0-c:limit": "3", "s0-more": '{"safe": true}'})
    shown.press("save")
    assert saved(template) == [
        {"name": "a", "script": "read_table", "config": {"file": "%{data:f}", "limit": 3}, "safe": True}
    ]


def test_a_step_whose_form_cant_be_read_stays_open(editor: Client) -> None:
    shown = Form(editor, save_process("work", steps()), "pay")
    number = shown.number("pay")
    shown.fill_in({f"s{number}-c:values": "{"})
    shown.press(f"close:{number}")
    assert shown.value(f"s{number}-c:values") == "{"


def test_a_closed_step_keeps_what_was_typed(editor: Client) -> None:
    shown = Form(editor, save_process("work", steps()), "pay")
    number = shown.number("pay")
    shown.fill_in({f"s{number}-c:values": '{"y": 2}'})
    shown.press(f"close:{number}")
    shown.press(f"open:{number}")
    assert shown.value(f"s{number}-c:values") == '{"y": 2}'


def test_a_problem_is_told_at_its_step_and_nothing_is_saved(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    shown.press(f"delete-action:{shown.action('pay')}")
    response = shown.press("save")
    assert response.status_code == 200
    at = shown.text.index('data-builder-step data-name="ask"')
    told = shown.text[at : shown.text.index('data-builder-step data-name="tell"')]
    assert "No action &quot;pay&quot; is declared" in told
    assert "This draft can't be saved as it is" in shown.text
    assert saved(template) == steps()


def test_a_problem_of_a_config_is_told_at_its_field(editor: Client) -> None:
    template = save_process("work", [{"name": "a", "script": "read_table", "config": {"file": "%{data:f}"}}])
    shown = Form(editor, template, "a")
    shown.fill_in({"s0-c:limit": "20000"})
    shown.press("save")
    field = shown.text[shown.text.index('name="s0-c:limit"') :]
    assert "10000" in field[: field.index('<span class="help"')]


def test_what_somebody_else_saved_meanwhile_isnt_overwritten(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    change_draft(template, [action("theirs")])
    shown.press(f"up-step:{shown.number('tell')}")
    shown.press("save")
    assert "Somebody else saved this template after you opened it" in shown.text
    assert shown.steps()[0] == ["tell", "ask"]
    assert saved(template) == [action("theirs")]


def test_what_is_inherited_is_shown_and_can_be_jumped_to(editor: Client) -> None:
    base = publish_process("base", [page("welcome", "Hello"), action("over")])
    template = save_process("work", [action("over", "noop"), action("own", "noop")], extends=[base])
    shown = Form(editor, template, "own")
    assert "1 inherited action" in shown.text
    assert 'id="action-welcome"' in shown.text
    assert "takes the place of that of" in shown.text
    number = shown.number("own")
    shown.fill_in({f"s{number}-r0-to": "to:welcome"})
    assert shown.press("save").status_code == 302
    assert saved(template)[1]["next"] == "welcome"
    assert [row.base for row in template.extensions.all()] == [base]


def test_bindings_stay_and_can_be_run(editor: Client) -> None:
    publish_process("inner", [action("deep")])
    template = save_process("work", [action("call")], bindings={"sub": {"process": "inner"}, "x": {"value": 1}})
    shown = Form(editor, template, "call")
    shown.fill_in({"s0-script": "r:sub"})
    shown.press("save")
    assert saved(template) == [{"name": "call", "script": "sub"}]
    assert {row.reference for row in template.bindings.all()} == {"sub", "x"}


def test_a_step_can_run_what_it_is_called_like(editor: Client) -> None:
    template = save_process("work", [{"name": "noop", "script": "set_state", "config": {"state": "a"}}])
    shown = Form(editor, template, "noop")
    shown.fill_in({"s0-script": "=", "s0-c:state": ""})
    shown.press("save")
    assert saved(template) == [{"name": "noop"}]


def test_a_text_that_is_no_definition_leads_to_the_json_editor(editor: Client) -> None:
    template = save_process("work", steps())
    for text in ("[", '{"x": 1}', '[{"name": 1}]'):
        ProcessTemplate.objects.filter(pk=template.pk).update(definition=text)
        shown = editor.get(address(template)).content.decode()
        assert "can't be shown as rows" in shown
        assert f'href="/admin/processes/processtemplate/{template.pk}/change/#id_definition"' in shown


def test_a_definition_that_is_wrong_elsewhere_is_opened_and_mended(editor: Client) -> None:
    template = save_process("work", steps())
    ProcessTemplate.objects.filter(pk=template.pk).update(definition='[{"name": "a", "script": null, "nxt": 1}]')
    shown = Form(editor, template, "a")
    assert "Unknown key &quot;nxt&quot;" in shown.text
    shown.fill_in({"s0-more": ""})
    shown.press("save")
    assert saved(template) == [action("a")]


def test_too_many_actions_are_left_to_the_json_editor(editor: Client) -> None:
    template = save_process("work", [action(f"a{number}") for number in range(201)])
    assert "more than 200 actions" in editor.get(address(template)).content.decode()


def test_no_more_steps_are_added_than_can_be_shown(editor: Client) -> None:
    shown = Form(editor, save_process("work", [action(f"a{number}") for number in range(200)]))
    shown.press("add-action")
    assert "There are 200 steps already" in shown.text
    assert len(shown.steps()) == 200


def test_the_longest_definition_that_is_shown_can_be_sent(editor: Client) -> None:
    template = save_process("work", [action(f"a{number}") for number in range(200)])
    shown = Form(editor, template, *(f"a{number}" for number in range(10)))
    shown.fill_in({"a199-caption": "The last"})
    assert shown.press("save").status_code == 302
    assert saved(template)[199]["caption"] == "The last"


def test_the_rows_alone_are_drawn_for_the_browser(editor: Client) -> None:
    template = save_process("work", steps())
    shown = Form(editor, template)
    data = {
        "do": "add-action",
        "expected_revision": "1",
        "row": [value for name, value in shown.fields if name == "row"],
    }
    data |= {name: value for name, value in shown.fields if name != "row"}
    response = editor.post(address(template, "rows/"), data)
    text = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in text
    assert 'data-builder-step data-name="action"' in text
    assert 'data-key="reference action" autofocus' in text
    assert saved(template) == steps()


def test_who_may_only_look_sees_the_rows_and_no_buttons() -> None:
    template = save_process("work", steps())
    reader = client_with("view")
    shown = reader.get(address(template), {"open": "ask"}).content.decode()
    assert 'name="do"' not in shown
    assert 'href="?open=pay#action-pay"' in shown
    assert "<fieldset" in shown and " disabled>" in shown  # noqa: PT018
    assert reader.post(address(template), {"do": "save"}).status_code == 403
    assert reader.post(address(template, "rows/"), {"do": "check"}).status_code == 403


def test_who_may_not_see_templates_finds_nothing() -> None:
    template = save_process("work", steps())
    nobody = client_with()
    assert nobody.get(address(template)).status_code == 404
    assert nobody.post(address(template, "rows/"), {"do": "check"}).status_code == 404


BROKEN: list[dict[str, Any]] = [
    {"row": "thing:1"},
    {"row": ["step:0", "step:0"], "s0-was": '{"name": "a"}'},
    {"row": ["step:0", "step:1"], "s0-was": '{"name": "a"}', "s1-was": '{"name": "a"}'},
    {"row": "step:0"},
    {"row": "step:0", "s0-was": "["},
    {"row": "step:0", "s0-was": '{"name": 1}'},
    {"row": "step:0", "s0-was": '{"name": "a"}', "do": "up-step:7"},
    {"row": "step:0", "s0-was": '{"name": "a"}', "envelope": "[1]"},
]


@pytest.mark.parametrize("data", BROKEN)
def test_what_no_page_has_sent_is_refused(editor: Client, data: dict[str, Any]) -> None:
    template = save_process("work", steps())
    assert editor.post(address(template), {"do": "check", **data}).status_code == 400


def test_what_people_write_is_shown_as_text(editor: Client) -> None:
    evil = '<script>alert("1")</script>'
    template = save_process(
        "work", [page(evil, evil, comment=evil, caption=evil, next={evil: evil}), form("f", "f", {"name": "n"})]
    )
    shown = Form(editor, template, evil, "f")
    assert "<script>alert" not in shown.text
    shown.press("save")
    assert saved(template)[0]["comment"] == evil


def rules(template: ProcessTemplate, *written: dict[str, Any]) -> StatusRules:
    row = StatusRules.objects.create(slug="claims", title="Rules of claims", rules=json.dumps(written))
    InstanceType.objects.create(slug="claim", title="Claim", template=template, status_rules=row)
    return row


def test_what_status_rules_offer_is_told_beside_the_action() -> None:
    template = save_process("work", steps())
    row = rules(
        template,
        {"status": ["new", "!done"], "role": "owner", "action": "pay", "if": "data.total > 3"},
        {"status": "!null", "action": {"action": "tell", "disabled": True}},
        {"action": "elsewhere"},
    )
    seer = client_with("view", name="seer")
    User.objects.get(username="seer").user_permissions.add(Permission.objects.get(codename="view_statusrules"))
    text = " ".join(seer.get(address(template)).content.decode().split())
    link = f'<a href="/admin/processes/statusrules/{row.pk}/change/">Rules of claims</a>'
    assert f"offered at new to owner, if <code>data.total &gt; 3</code> · {link}" in text
    assert f"<code>tell</code>: offered at every status but no status to everyone, disabled · {link}" in text
    assert text.count(link) == 3
    table = text[text.index('<table class="rules-table">') :]
    assert ">new</th>" in table
    assert '<code class="rule-condition">data.total &gt; 3</code>' in table


def test_what_status_rules_offer_is_for_those_who_may_see_rules(editor: Client) -> None:
    template = save_process("work", steps())
    rules(template, {"action": "pay"})
    assert "Rules of claims" not in editor.get(address(template)).content.decode()


def test_rules_with_mistakes_keep_nobody_from_building() -> None:
    template = save_process("work", steps())
    rules(template, {"act": 1})
    User.objects.create_superuser("root")
    client = Client()
    client.force_login(User.objects.get(username="root"))
    assert client.get(address(template)).status_code == 200
