"""Templates over HTTP: who sees and edits them, drafts with their tags, checks, versions, differences."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import AuditEntry, Binding, EditAccess, ProcessTemplate
from processes.services.authoring.templates import publish
from tests.processes.api.api_kit import by_token, pages, person, send, signed_in
from tests.processes.services.published import action, change_draft, form, page, publish_process, save_process

pytestmark = pytest.mark.django_db

ALL = tuple(f"{verb}_processtemplate" for verb in ("view", "add", "change", "delete"))
NEW = {"slug": "import", "title": "Import", "definition": [{"name": "first", "script": None}]}


@pytest.fixture
def ada() -> User:
    return person("ada", *ALL)


@pytest.fixture
def editor(ada: User) -> Client:
    return signed_in(ada)


@pytest.fixture
def template() -> ProcessTemplate:
    return save_process("work", [action("a"), action("b")], bindings={"size": {"value": 3}})


def tag(client: Client, slug: str = "work") -> str:
    return str(client.get(f"/api/templates/{slug}/").headers["ETag"])


def problems(answer: Any) -> list[str]:
    return [problem["path"] for problem in answer.json()["fields"]["problems"]]


# --- who may ---------------------------------------------------------------------------------------------------------

WAYS = [
    ("get", "", None),
    ("get", "derive/", None),
    ("get", "versions/", None),
    ("get", "diff/?from=draft&to=draft", None),
    ("patch", "", {"title": "Other"}),
    ("post", "validate/", {}),
    ("post", "publish/", None),
    ("delete", "", None),
]


@pytest.mark.parametrize(
    ("permissions", "staff", "looking", "editing", "deleting"),
    [
        ((), True, 404, 404, 404),
        (ALL, False, 404, 404, 404),
        (("view_processtemplate",), True, 200, 403, 403),
        (("change_processtemplate",), True, 200, 200, 403),
        (("view_processtemplate", "delete_processtemplate"), True, 200, 403, 403),
        (ALL, True, 200, 200, 204),
    ],
)
def test_the_same_people_may_as_in_the_admin(
    template: ProcessTemplate, permissions: tuple[str, ...], staff: bool, looking: int, editing: int, deleting: int
) -> None:
    client = signed_in(person("pat", *permissions, staff=staff))
    found = [send(client, f"templates/work/{path}", body, method=how, If_Match="*") for how, path, body in WAYS]
    assert [answer.status_code for answer in found] == [*[looking] * 4, *[editing] * 3, deleting]
    assert ProcessTemplate.objects.filter(slug="work").exists() == (deleting != 204)


def test_what_is_forbidden_looks_like_what_is_missing(template: ProcessTemplate, editor: Client) -> None:
    missing = editor.get("/api/templates/nothing/").json()
    for client in (Client(), signed_in(person("pat", staff=False))):
        told = client.get("/api/templates/work/")
        assert (told.status_code, told.json()) == (404, missing)
        assert client.get("/api/templates/").status_code == 404
        assert send(client, "templates/", NEW).status_code == 404


def test_who_may_add_needs_no_other_permission(ada: User) -> None:
    assert send(signed_in(person("pat", "view_processtemplate")), "templates/", NEW).status_code == 403
    answer = send(signed_in(person("adder", "add_processtemplate")), "templates/", NEW)
    assert (answer.status_code, answer.json()["slug"]) == (201, "import")


@pytest.mark.parametrize(
    ("scopes", "looking", "editing"),
    [
        (["write"], 200, 200),
        (["read"], 200, 403),
        (["templates:write"], 200, 200),
        (["templates:read"], 200, 403),
        (["instances:write"], 403, 403),
    ],
)
def test_a_token_reaches_as_far_as_its_scopes(
    template: ProcessTemplate, ada: User, scopes: list[str], looking: int, editing: int
) -> None:
    client = by_token(ada, *scopes)
    assert client.get("/api/templates/work/").status_code == looking
    answer = send(client, "templates/work/", {"title": "Other"}, method="patch", If_Match="*")
    assert answer.status_code == editing


def test_a_session_needs_its_csrf_token(template: ProcessTemplate, ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    answer = send(client, "templates/work/", {"title": "Other"}, method="patch", If_Match="*")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_what_is_kept_for_a_group_others_only_see(template: ProcessTemplate, ada: User, editor: Client) -> None:
    red = Group.objects.create(name="red")
    template.edit_access = EditAccess.GROUPS
    template.save(update_fields=["edit_access"])
    template.edit_groups.add(red)
    assert editor.get("/api/templates/work/").json()["edit_groups"] == ["red"]
    assert send(editor, "templates/work/", {"title": "x"}, method="patch", If_Match="*").status_code == 403
    ada.groups.add(red)
    assert send(editor, "templates/work/", {"title": "x"}, method="patch", If_Match="*").status_code == 200
    opened = send(editor, "templates/work/", {"edit_access": "editors"}, method="patch", If_Match="*")
    assert (opened.status_code, opened.json()["code"]) == (403, "not_allowed")
    assert problems(opened) == ["/edit_access"]


def test_nobody_lends_the_rights_of_somebody_else(template: ProcessTemplate, editor: Client) -> None:
    person("boss", staff=False)
    answer = send(editor, "templates/work/", {"owner": "boss"}, method="patch", If_Match="*")
    assert (answer.status_code, problems(answer)) == (403, ["/owner"])
    assert send(editor, "templates/work/", {"owner": "ada"}, method="patch", If_Match="*").json()["owner"] == "ada"


# --- drafts ----------------------------------------------------------------------------------------------------------


def test_a_template_is_made_read_and_edited(editor: Client) -> None:
    made = send(editor, "templates/", {**NEW, "bindings": {"size": {"value": 3}}, "description": "All of it"})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/templates/import/")
    told = editor.get("/api/templates/import/")
    assert told.json() == made.json()
    assert told.headers["ETag"] == made.headers["ETag"]
    assert {key: told.json()[key] for key in ("definition", "bindings", "differs", "plan", "revision")} == {
        "definition": NEW["definition"], "bindings": {"size": {"value": 3}}, "differs": True, "plan": None,
        "revision": 1,
    }  # fmt: skip
    body = {**told.json(), "title": "Import it", "definition": [{"name": "other", "script": None}]}
    put = send(editor, "templates/import/", body, method="put", If_Match=told.headers["ETag"])
    assert (put.status_code, put.json()["title"], put.json()["revision"]) == (200, "Import it", 2)
    assert ProcessTemplate.objects.get().bindings.get().reference == "size"
    assert put.headers["ETag"] == tag(editor, "import") != told.headers["ETag"]
    entry = AuditEntry.objects.filter(action="template.edited").get()
    assert (entry.actor_name, set(entry.details["changed"])) == ("ada", {"title", "definition"})


def test_what_isn_t_sent_stays_in_a_patch_and_goes_in_a_put(template: ProcessTemplate, editor: Client) -> None:
    send(editor, "templates/work/", {"description": "Kept"}, method="patch", If_Match=tag(editor))
    assert Binding.objects.filter(template=template).count() == 1
    body = {"title": "Work", "definition": [{"name": "a", "script": None}]}
    told = send(editor, "templates/work/", body, method="put", If_Match=tag(editor)).json()
    assert (told["description"], told["bindings"], told["slug"], told["access"]) == ("", {}, "work", "signed_in")


def test_the_text_of_a_definition_stays_as_it_was_written(editor: Client) -> None:
    written = '[\n  {"name":"a",   "script":null}\n]'
    assert send(editor, "templates/", {**NEW, "definition": written}).status_code == 201
    told = editor.get("/api/templates/import/").json()
    assert told["definition"] == [{"name": "a", "script": None}]
    send(editor, "templates/import/", {**told, "title": "x"}, method="put", If_Match="*")
    assert ProcessTemplate.objects.get().definition == written


def test_an_edit_says_what_it_has_seen(template: ProcessTemplate, editor: Client) -> None:
    seen = tag(editor)
    assert send(editor, "templates/work/", {"title": "x"}, method="patch").status_code == 428
    assert send(editor, "templates/work/", {"title": "First"}, method="patch", If_Match=seen).status_code == 200
    for how, path, body in (("patch", "", {"title": "Second"}), ("post", "publish/", None), ("delete", "", None)):
        late = send(editor, f"templates/work/{path}", body, method=how, If_Match=seen)
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    template.refresh_from_db()
    assert (template.title, template.published_at) == ("First", None)
    unchanged = editor.get("/api/templates/work/", headers={"If-None-Match": tag(editor)})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_each_fault_of_a_definition_is_told_with_its_place(template: ProcessTemplate, editor: Client) -> None:
    body = {"definition": [{"name": "a", "next": "b"}, {"name": "a", "script": None, "weird": 1}]}
    answer = send(editor, "templates/work/", body, method="patch", If_Match="*")
    assert (answer.status_code, answer.json()["code"]) == (422, "definition")
    assert problems(answer) == ["/1/weird", "/1/name"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    template.refresh_from_db()
    assert template.revision == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"title": 7}, "/title"),
        ({"title": ""}, "/title"),
        ({"slug": "no slug"}, "/slug"),
        ({"access": "everybody"}, "/access"),
        ({"abstract": "yes"}, "/abstract"),
        ({"groups": ["nobody"]}, "/groups/0"),
        ({"extends": ["nothing"]}, "/extends/0"),
        ({"owner": "nobody"}, "/owner"),
        ({"bindings": []}, "/bindings"),
        ({"bindings": {"x" * 101: {"value": 1}}}, f"/bindings/{'x' * 100}"),
        ({"titel": "x"}, "/titel"),
        ({"description": "a\0b"}, "/description"),
    ],
)
def test_what_can_t_be_taken_is_told_with_its_place(
    template: ProcessTemplate, editor: Client, body: Any, path: str
) -> None:
    answer = send(editor, "templates/work/", body, method="patch", If_Match="*")
    assert (answer.status_code, answer.json()["code"], problems(answer)) == (400, "bad_request", [path])


def test_a_key_that_comes_twice_is_refused(template: ProcessTemplate, editor: Client) -> None:
    text = '{"title": "x", "definition": [{"name": "a", "name": "b"}]}'
    headers = {"If-Match": "*"}
    answer = editor.patch("/api/templates/work/", text, content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert '"name" comes twice' in answer.json()["message"]


def test_a_slug_is_taken_once_and_stays_once_it_is_published(template: ProcessTemplate, editor: Client) -> None:
    taken = send(editor, "templates/", {**NEW, "slug": "work"})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    save_process("other", [action("a")])
    renamed = send(editor, "templates/work/", {"slug": "other"}, method="patch", If_Match="*")
    assert (renamed.status_code, renamed.json()["code"]) == (409, "slug_taken")
    assert send(editor, "templates/work/", {"slug": "job"}, method="patch", If_Match="*").status_code == 200
    publish(template=ProcessTemplate.objects.get(slug="job"))
    fixed = send(editor, "templates/job/", {"slug": "work"}, method="patch", If_Match="*")
    assert (fixed.status_code, problems(fixed)) == (400, ["/slug"])


def test_what_others_build_on_isn_t_deleted(template: ProcessTemplate, editor: Client) -> None:
    save_process("child", [action("c")], extends=[template])
    assert send(editor, "templates/work/", method="delete").status_code == 428
    answer = send(editor, "templates/work/", method="delete", If_Match=tag(editor))
    assert (answer.status_code, answer.json()["code"]) == (409, "template_in_use")
    assert answer.json()["fields"]["uses"] == [{"template": "child", "how": "extends"}]


# --- checks, publishing ----------------------------------------------------------------------------------------------


def checked(client: Client, body: Any = None) -> Any:
    answer = send(client, "templates/work/validate/", body)
    assert answer.status_code == 200
    return answer.json()


def test_a_draft_is_checked_without_being_saved(template: ProcessTemplate, editor: Client) -> None:
    assert checked(editor) == {"valid": True, "problems": []}
    made = checked(editor, {"definition": [{"name": "a", "script": None, "next": "c"}]})
    assert not made["valid"]
    assert [(one["path"], one["part"], one["start"]) for one in made["problems"]] == [("/0/next", "definition", None)]
    written = checked(editor, {"definition": '[\n {"name": "a", "script": null, "next": "c"}]'})["problems"][0]
    assert (written["path"], written["start"]["line"]) == ("/0/next", 2)
    bound = checked(editor, {"bindings": {"size": {"valu": 3}}})["problems"]
    assert {(one["path"].rpartition("/")[0] or one["path"], one["part"]) for one in bound} <= {
        ("/bindings/size", "binding"), ("/bindings", "binding"),
    }  # fmt: skip
    assert bound
    assert [one["part"] for one in checked(editor, {"extends": ["nothing"]})["problems"]] == ["base"]
    template.refresh_from_db()
    assert template.revision == 1


def test_a_warning_keeps_a_draft_valid(template: ProcessTemplate, editor: Client) -> None:
    body = {"definition": [form("ask", "nowhere", {"name": "x"})]}
    told = checked(editor, body)
    assert told["valid"]
    assert [one["severity"] for one in told["problems"]] == ["warning"]


def test_publishing_puts_the_draft_into_force(template: ProcessTemplate, editor: Client) -> None:
    answer = send(editor, "templates/work/publish/", If_Match=tag(editor))
    assert (answer.status_code, answer.json()["version"], answer.json()["changed"]) == (200, 1, ["work"])
    assert answer.headers["ETag"] == tag(editor)
    template.refresh_from_db()
    assert answer.json()["plan"] == template.published_plan_id
    assert not editor.get("/api/templates/work/").json()["differs"]
    again = send(editor, "templates/work/publish/", If_Match=tag(editor))
    assert again.json()["version"] is None
    assert send(editor, "templates/work/publish/").status_code == 428
    assert AuditEntry.objects.get(action="template.published").actor_name == "ada"


def test_what_publishing_would_break_is_listed(template: ProcessTemplate, editor: Client) -> None:
    publish(template=template)
    publish_process("child", [action("c", next="b")], extends=[template])
    change_draft(template, [action("a")])
    answer = send(editor, "templates/work/publish/", If_Match=tag(editor))
    assert (answer.status_code, answer.json()["code"]) == (422, "publish_refused")
    broken = answer.json()["fields"]["broken"]
    assert [(item["needed_by"], item["path"]) for item in broken] == [("child", "/0/next")]
    assert template.versions.count() == 1


def test_a_plan_is_derived_from_the_draft_or_read_from_a_version(template: ProcessTemplate, editor: Client) -> None:
    publish(template=template)
    change_draft(template, [action("z")])
    draft = editor.get("/api/templates/work/derive/").json()
    first = editor.get("/api/templates/work/derive/?version=1").json()
    assert [item["name"] for item in draft["plan"]["actions"]] == ["z"]
    assert [item["name"] for item in first["plan"]["actions"]] == ["a", "b"]
    assert first["hash"] == template.published_plan_id
    assert editor.get("/api/templates/work/derive/?version=published").json()["plan"] == first["plan"]
    assert editor.get("/api/templates/work/derive/?version=9").json()["code"] == "version_not_found"
    assert editor.get("/api/templates/work/derive/?version=soon").status_code == 400
    save_process("base", [action("b")], abstract=True)
    assert editor.get("/api/templates/base/derive/").json() == {"of": "draft", "hash": None, "plan": None}


def test_a_draft_that_can_t_be_derived_says_why(template: ProcessTemplate, editor: Client) -> None:
    publish(template=template)
    child = save_process("child", [action("c", next="b")], extends=[template])
    change_draft(template, [action("a")])
    publish(template=template)
    for path in ("derive/", "diff/?from=draft&to=draft"):
        answer = editor.get(f"/api/templates/{child.slug}/{path}")
        assert (answer.status_code, answer.json()["code"], problems(answer)) == (422, "definition", ["/0/next"])


# --- versions --------------------------------------------------------------------------------------------------------


def test_versions_are_listed_and_compared(template: ProcessTemplate, ada: User, editor: Client) -> None:
    publish(template=template, user=ada)
    change_draft(template, [action("a"), page("c", "Hello")])
    publish(template=template, user=ada)
    rows = editor.get("/api/templates/work/versions/").json()["results"]
    assert [(row["number"], row["published_by"], row["cause"]) for row in rows] == [
        (2, "ada", "published"), (1, "ada", "published"),
    ]  # fmt: skip
    assert rows[1]["summary"] == "first version"
    first = editor.get("/api/templates/work/versions/1/").json()
    assert [item["name"] for item in first["definition"]] == ["a", "b"]
    assert first["bindings"] == {"size": {"value": 3}}
    assert editor.get("/api/templates/work/versions/3/").status_code == 404
    assert [len(found) for found in pages(editor, "templates/work/versions/?page_size=1")] == [1, 1]

    diff = editor.get("/api/templates/work/diff/?from=1&to=2").json()
    assert {(item["name"], item["kind"]) for item in diff["actions"]} == {("b", "removed"), ("c", "added")}
    assert diff["summary"] == rows[0]["summary"]
    assert not diff["same_source"]
    change_draft(template, [action("a"), page("c", "Bye")])
    changed = editor.get("/api/templates/work/diff/").json()["actions"]
    assert changed[0]["changes"] == [
        {"path": "/config/text", "kind": "changed", "old": "Hello", "new": "Bye"}
    ]  # fmt: skip
    assert editor.get("/api/templates/work/diff/?from=0").status_code == 404
    assert editor.get("/api/templates/work/diff/?from=x").status_code == 400


def test_the_way_back_is_a_version_of_its_own(template: ProcessTemplate, editor: Client) -> None:
    publish(template=template)
    change_draft(template, [action("z")])
    back, seen = "templates/work/versions/1/roll-back/", tag(editor)
    kept = send(editor, back, If_Match=seen)
    assert (kept.status_code, kept.json()["code"]) == (409, "draft_in_the_way")
    assert send(editor, back, {"discard_draft": True}).status_code == 428
    assert send(editor, back, {"discard_draft": 1}, If_Match=seen).status_code == 400
    publish(template=template)
    assert send(editor, back, If_Match=seen).status_code == 412
    answer = send(editor, back, If_Match=tag(editor))
    assert (answer.status_code, answer.json()["version"], answer.headers["ETag"]) == (200, 3, tag(editor))
    assert [item["name"] for item in editor.get("/api/templates/work/").json()["definition"]] == ["a", "b"]
    assert send(editor, "templates/work/versions/9/roll-back/", If_Match="*").status_code == 404
    viewer = signed_in(person("vic", "view_processtemplate"))
    assert send(viewer, back, If_Match="*").status_code == 403


def test_what_was_never_published_can_t_be_compared_with_that(template: ProcessTemplate, editor: Client) -> None:
    answer = editor.get("/api/templates/work/diff/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_published")


# --- the list --------------------------------------------------------------------------------------------------------


def slugs(client: Client, query: str = "") -> list[str]:
    return [row["slug"] for row in client.get(f"/api/templates/{query}").json()["results"]]


def test_the_list_is_narrowed_searched_and_ordered(template: ProcessTemplate, editor: Client) -> None:
    publish_process("alpha", [action("a")])
    base = save_process("base", [action("b")], abstract=True)
    save_process("child", [action("c")], extends=[base])
    assert slugs(editor) == ["alpha", "base", "child", "work"]
    assert slugs(editor, "?published=true") == ["alpha"]
    assert slugs(editor, "?abstract=true") == ["base"]
    assert slugs(editor, "?extends=base") == ["child"]
    assert slugs(editor, "?search=alp") == ["alpha"]
    assert slugs(editor, "?ordering=-slug") == ["work", "child", "base", "alpha"]
    assert [row["slug"] for rows in pages(editor, "templates/?page_size=3") for row in rows] == slugs(editor)
    for wrong in ("?odd=1", "?ordering=owner", "?access=nobody", "?abstract=perhaps", "?cursor=x", "?page_size=0"):
        assert editor.get(f"/api/templates/{wrong}").status_code == 400


def test_a_long_list_takes_no_more_queries_than_a_short_one(editor: Client) -> None:
    counts = []
    for upto in (5, 50):
        for number in range(ProcessTemplate.objects.count(), upto):
            save_process(f"p{number}", [action("a")], bindings={"x": {"value": 1}})
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(slugs(editor)) == upto
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_definition_may_be_as_deep_as_one_that_is_entered(editor: Client) -> None:
    config: Any = 1
    for _ in range(50):
        config = {"in": config}
    body = {**NEW, "definition": [{"name": "a", "script": "set_data", "config": {"values": config}}]}
    answer = send(editor, "templates/", body)
    assert answer.status_code == 201, json.dumps(answer.json())
