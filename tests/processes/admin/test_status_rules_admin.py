"""Status rules in the admin: edited as rows or as JSON, problems at their place, and pictures of what is saved."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpResponse
from django.test import Client
from django.utils import translation

from processes.models import AuditEntry, InstanceType, StatusRules
from processes.services.status_rules import save_status_rules
from tests.processes.services.published import action, publish_process

pytestmark = pytest.mark.django_db

LIST = "/admin/processes/statusrules/"

RULES: list[Any] = [
    {"comment": "why", "role": "owner", "status": ["new", "!done"], "action": {"action": "submit", "popup": True}},
    {"action": ["look", {"url": "/help/", "caption": "Help, please", "group": "anytime"}], "if": "data.total > 1"},
]


class _Form(HTMLParser):
    """Gather what a page's form would send: as a browser does, without scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.sent: dict[str, str] = {}
        self._name = self._select = self._option = ""
        self._text: list[str] = []
        self._in_template = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag == "template":
            self._in_template = True
        if self._in_template:
            return
        if tag == "input" and name:
            kind = values.get("type", "text")
            if kind in ("submit", "button") or (kind == "checkbox" and "checked" not in values):
                return
            self.sent[name] = values.get("value", "on" if kind == "checkbox" else "")
        elif tag == "textarea":
            self._name, self._text = name, []
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in values or self._select not in self.sent):
            self.sent[self._select] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._in_template = False
        elif tag == "textarea" and self._name:
            # A browser leaves out the first line end, and sends its own ones.
            text = "".join(self._text).removeprefix("\n")
            self.sent[self._name], self._name = text.replace("\n", "\r\n"), ""
        elif tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        if self._name:
            self._text.append(data)


def form_of(response: HttpResponse) -> dict[str, str]:
    """Return what the form on a page sends untouched."""
    assert response.status_code == 200
    html = response.content.decode()
    form = _Form()
    form.feed(html[html.index('id="statusrules_form"') :])
    return form.sent


def text_of(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def client_with(*verbs: str) -> Client:
    user = User.objects.create_user("-".join(verbs) or "nobody", is_staff=True)
    names = [f"{verb}_statusrules" for verb in verbs]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def editor() -> Client:
    return client_with("view", "add", "change", "delete")


def stored(rules: Any = RULES, **fields: Any) -> StatusRules:
    text = rules if isinstance(rules, str) else json.dumps(rules, indent=3)
    row = StatusRules(slug="orders", title="Orders", rules=text, **fields)
    save_status_rules(rules=row)
    return row


def used(row: StatusRules, *actions: str, status: str = "new") -> None:
    template = publish_process("order", [action(name) for name in actions])
    InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row, status=status)


def page(row: StatusRules) -> str:
    return f"{LIST}{row.pk}/change/"


def rules_now(row: StatusRules) -> Any:
    row.refresh_from_db()
    return json.loads(row.rules)


# -- rows and JSON -----------------------------------------------------------------------------------------------------


def test_saving_the_untouched_form_changes_nothing(editor: Client) -> None:
    row = stored()
    response = editor.post(page(row), form_of(editor.get(page(row))))
    assert response.status_code == 302
    before = row.rules
    row.refresh_from_db()
    assert (row.rules, row.revision) == (before, 1)


def test_changing_over_and_back_changes_nothing_and_saves_nothing(editor: Client) -> None:
    row = stored()
    as_json = form_of(editor.post(page(row), {**form_of(editor.get(page(row))), "_as_json": "1"}))
    assert as_json["rules-mode"] == "json"
    assert as_json["rules"].replace("\r\n", "\n") == row.rules
    as_rows = form_of(editor.post(page(row), {**as_json, "_as_rows": "1"}))
    assert as_rows["rules-mode"] == "rows"
    assert as_rows["rules-1-action"] == 'look, {"url": "/help/", "caption": "Help, please", "group": "anytime"}'
    row.refresh_from_db()
    assert row.revision == 1


def test_a_row_is_changed_and_the_rest_of_its_rule_stays(editor: Client) -> None:
    row = stored()
    form = form_of(editor.get(page(row))) | {"rules-0-caption": "Hand in", "rules-0-status": "new"}
    assert editor.post(page(row), form).status_code == 302
    assert rules_now(row) == [
        {
            "comment": "why",
            "role": "owner",
            "status": ["new"],
            "action": {"action": "submit", "popup": True, "caption": "Hand in"},
        },
        RULES[1],
    ]
    entry = AuditEntry.objects.get(action="status_rules.edited")
    assert (entry.actor_name, entry.details) == ("view-add-change-delete", {"revision": 2, "changed": ["rules"]})


def test_without_scripts_the_empty_row_adds_a_rule_and_places_and_boxes_order_and_remove(editor: Client) -> None:
    row = stored([{"action": "a"}, {"action": "b"}, {"action": "c"}])
    form = form_of(editor.get(page(row)))
    assert form["rules-3-kept"] == ""
    form |= {"rules-3-action": "d", "rules-3-role": "owner", "rules-0-position": "9", "rules-1-remove": "1"}
    assert editor.post(page(row), form).status_code == 302
    assert rules_now(row) == [{"action": "c"}, {"action": "a"}, {"role": "owner", "action": "d"}]


def test_what_was_changed_in_rows_is_in_the_json_after_changing_over(editor: Client) -> None:
    row = stored()
    form = form_of(editor.get(page(row))) | {"rules-0-action": "send", "title": "Mine", "_as_json": "1"}
    shown = form_of(editor.post(page(row), form))
    assert json.loads(shown["rules"])[0]["action"] == {"action": "send", "popup": True}
    assert shown["title"] == "Mine"


def test_rules_are_saved_as_json(editor: Client) -> None:
    row = stored()
    form = form_of(editor.post(page(row), {**form_of(editor.get(page(row))), "_as_json": "1"}))
    assert editor.post(page(row), form | {"rules": '[\r\n{"action": "a"}\r\n]'}).status_code == 302
    row.refresh_from_db()
    assert row.rules == '[\n{"action": "a"}\n]'


def test_new_rules_are_added(editor: Client) -> None:
    form = form_of(editor.get(f"{LIST}add/"))
    response = editor.post(f"{LIST}add/", form | {"title": "New", "slug": "new", "rules-0-action": "a"})
    assert response.status_code == 302
    row = StatusRules.objects.get(slug="new")
    assert (json.loads(row.rules), row.revision) == ([{"action": "a"}], 1)
    assert row.created_by is not None


def test_rules_without_any_are_saved(editor: Client) -> None:
    form = form_of(editor.get(f"{LIST}add/"))
    assert editor.post(f"{LIST}add/", form | {"title": "New", "slug": "new"}).status_code == 302
    assert StatusRules.objects.get(slug="new").rules == "[]"


# -- what is wrong -----------------------------------------------------------------------------------------------------


def refused(response: HttpResponse) -> list[str]:
    assert response.status_code == 200, "it should have been refused"
    form = response.context["adminform"].form
    return [*form.errors.get("rules", []), *form.non_field_errors()]


def test_a_problem_is_told_at_its_row_and_nothing_typed_is_lost(editor: Client) -> None:
    row = stored()
    form = form_of(editor.get(page(row))) | {"rules-0-role": "ownr", "rules-1-condition": "data.total >"}
    response = editor.post(page(row), form)
    told = refused(response)
    assert told[0].startswith("Rule 2, Condition: It can't be read")
    rows = response.context["adminform"].form["rules"].subwidgets[0].data["rows"]
    assert [bool(field["errors"]) for field in rows[1]["fields"] if field["name"] == "condition"] == [True]
    shown = form_of(response)
    assert (shown["rules-0-role"], shown["rules-1-condition"]) == ("ownr", "data.total >")
    # What can't be read is in the way of looking further; then names are looked at.
    told = refused(editor.post(page(row), shown | {"rules-1-condition": "true"}))
    assert told == [
        'Rule 1, Roles: There is no role "ownr". Did you mean "owner"? '
        "Create the group, or register the role otherwise."
    ]


def test_a_row_that_can_not_be_read_keeps_the_page_as_it_is(editor: Client) -> None:
    row = stored()
    form = form_of(editor.get(page(row))) | {"rules-0-role": '"own', "_as_json": "1"}
    response = editor.post(page(row), form)
    assert refused(response)[0].startswith("Rule 1, Roles: What begins with a quote")
    assert form_of(response)["rules-mode"] == "rows"


def test_json_that_can_not_be_read_is_not_shown_as_rows(editor: Client) -> None:
    row = stored()
    form = form_of(editor.post(page(row), {**form_of(editor.get(page(row))), "_as_json": "1"}))
    shown = form_of(editor.post(page(row), form | {"rules": "[{", "_as_rows": "1"}))
    assert (shown["rules-mode"], shown["rules"]) == ("json", "[{")
    assert refused(editor.post(page(row), shown))[0].startswith("Not valid JSON")


def test_what_is_no_rule_is_a_row_too_and_refused_at_its_place(editor: Client) -> None:
    row = stored()
    form = form_of(editor.post(page(row), {**form_of(editor.get(page(row))), "_as_json": "1"}))
    shown = form_of(editor.post(page(row), form | {"rules": '[{"action": "a"}, 7]', "_as_rows": "1"}))
    assert shown["rules-1-kept"] == "7"
    assert refused(editor.post(page(row), shown)) == ["Rule 2: A rule must be an object."]


def test_an_unknown_action_is_refused_and_an_unreachable_status_only_warned_of(editor: Client) -> None:
    row = stored([{"action": "submit", "status": "new"}])
    used(row, "submit")
    form = form_of(editor.get(page(row)))
    assert refused(editor.post(page(row), form | {"rules-0-action": "sumbit"})) == [
        'Rule 1, Action: The process has no action "sumbit". Did you mean "submit"?'
    ]
    response = editor.post(page(row), form | {"rules-0-status": "odd"}, follow=True)
    assert 'Rule 1, Statuses: Nothing ever gets the status "odd"' in text_of(response).replace("&quot;", '"')
    assert rules_now(row) == [{"action": "submit", "status": "odd"}]


def test_an_edit_that_began_before_somebody_elses_is_refused(editor: Client) -> None:
    row = stored()
    form = form_of(editor.get(page(row)))
    row.title = "Theirs"
    save_status_rules(rules=row)
    assert "Somebody else saved these rules" in refused(editor.post(page(row), form | {"title": "Mine"}))[0]
    row.refresh_from_db()
    assert row.title == "Theirs"


def test_more_rules_than_a_form_takes_are_edited_as_json(editor: Client) -> None:
    row = stored([{"action": f"a{number}"} for number in range(151)])
    assert form_of(editor.get(page(row)))["rules-mode"] == "json"


# -- the editor's check ------------------------------------------------------------------------------------------------


def test_the_json_editor_is_told_problems_with_their_places(editor: Client) -> None:
    row = stored([{"action": "submit"}])
    used(row, "submit")
    text = '[\n {"action": "submt", "status": "odd"}\n]'
    found = editor.post(f"{LIST}check/", {"template": row.pk, "rules": text}).json()["problems"]
    assert [(one["severity"], one["path"], one["start"]) for one in found] == [
        ("error", "/0/action", {"line": 2, "column": 13}),
        ("warning", "/0/status", {"line": 2, "column": 32}),
    ]


def test_only_who_may_change_rules_may_ask() -> None:
    row = stored()
    assert client_with("view").post(f"{LIST}check/", {"template": row.pk, "rules": "[]"}).status_code == 403
    assert client_with("add").post(f"{LIST}check/", {"template": row.pk, "rules": "[]"}).status_code == 403
    assert client_with("change").post(f"{LIST}check/", {"template": row.pk, "rules": "[]"}).status_code == 200
    assert client_with("change", "view").get(f"{LIST}check/").status_code == 405


# -- pictures, permissions, deleting -----------------------------------------------------------------------------------


def test_the_page_shows_who_is_offered_what_and_where_it_leads(editor: Client) -> None:
    Group.objects.create(name="Boss")
    row = stored([{"action": {"action": "submit", "caption": "Hand <in>"}, "status": "new", "role": "Boss"}])
    used(row, "submit")
    response = editor.get(page(row))
    table, flow = response.context["table"], response.context["flow"]
    assert table.roles == ("Boss",)
    assert [shown.status for shown in table.rows] == ["new"]
    assert list(flow.statuses.values()) == ["new"]
    assert "Hand &lt;in&gt;" in response.content.decode()
    assert "Hand <in>" not in response.content.decode()


def test_who_may_only_look_sees_rules_and_pictures_and_can_not_save() -> None:
    row = stored()
    client = client_with("view")
    response = client.get(page(row))
    assert "Help, please" in text_of(response)
    assert 'name="rules-mode"' not in response.content.decode()
    assert client.post(page(row), {"title": "x"}).status_code == 403
    assert client_with().get(page(row)).status_code == 403


def test_rules_in_use_are_not_deleted_and_others_are(editor: Client) -> None:
    row = stored()
    template = publish_process("order", [action("look")])
    kind = InstanceType.objects.create(slug="order", title="Order", template=template, status_rules=row)
    assert "Order" in text_of(editor.get(f"{LIST}{row.pk}/delete/"))
    editor.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    assert StatusRules.objects.exists()
    kind.delete()
    editor.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    assert not StatusRules.objects.exists()
    assert AuditEntry.objects.filter(action="status_rules.deleted").exists()


def test_the_list_shows_what_uses_the_rules_in_few_queries(editor: Client, django_assert_max_num_queries: Any) -> None:
    row = stored()
    used(row, "look")
    for number in range(5):
        StatusRules.objects.create(slug=f"s{number}", title=f"S{number}")
    with django_assert_max_num_queries(10):
        assert "Order" in text_of(editor.get(LIST))


def test_the_page_speaks_german(editor: Client) -> None:
    row = stored()
    with translation.override("de"):
        response = editor.get(page(row), headers={"accept-language": "de"})
    assert "Als JSON bearbeiten" in text_of(response)
