"""`export_process` and `import_process`: templates kept in files, and back, without a byte lost."""

import json

import pytest
from django.contrib.auth.models import Group, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.models import (
    Access,
    AuditEntry,
    Connection,
    EditAccess,
    Extension,
    ProcessTemplate,
    TemplateVersion,
)
from processes.services.audit import SYSTEM
from processes.services.authoring.template_files import file_text, template_json
from processes.services.authoring.templates import publish, save_draft
from processes.services.connections import save_connection
from processes.services.running import run_process
from tests.processes.commands.support import call, nothing, run, values, write
from tests.processes.services.published import change_draft, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def publish_all() -> list[str]:
    """Templates that use all that a file can hold; their slugs, in no helpful order."""
    group = Group.objects.create(name="Ops & Ünicode")
    publish_process("base", [nothing("first", comment="é → 漢"), nothing("x", next="later")], abstract=True)
    publish_process("called", [values("c", called=True, number=1.0, whole=1, no=None)])
    template = publish_process(
        "main",
        [nothing("later", script="sub"), {"script": None, "name": "odd order", "next": {"b": False, "a": True}}],
        extends=[ProcessTemplate.objects.get(slug="base")],
        bindings={"z": {"value": {"b": 1, "a": [True, 1.5]}}, "sub": {"process": "called"}, "a": "noop"},
        access=Access.GROUPS,
    )
    template.groups.add(group)
    template.description, template.edit_access = 'Two\nlines, "quoted"', EditAccess.GROUPS
    template.save()
    template.edit_groups.add(group)
    return ["main", "base", "called"]


def delete_all() -> None:
    Extension.objects.all().delete()
    ProcessTemplate.objects.all().delete()


def test_export_import_and_export_again_gives_the_same_bytes(tmp_path):
    slugs = publish_all()
    assert call("export_process", *slugs, "--output", "one").code == 0
    delete_all()
    Group.objects.all().delete()
    assert call("import_process", *[f"one/{slug}.json" for slug in slugs]).code == 0
    assert call("export_process", "--all", "--output", "two").code == 0
    for slug in slugs:
        assert (tmp_path / "one" / f"{slug}.json").read_bytes() == (tmp_path / "two" / f"{slug}.json").read_bytes()
    assert run_process(slug="main").data == {"called": True, "number": 1.0, "whole": 1, "no": None}


def test_one_template_is_printed_with_its_keys_in_order():
    publish_all()
    called = call("export_process", "main")
    assert (called.code, called.err) == (0, "")
    assert list(called.json) == [
        "name", "title", "description", "execute", "groups", "edit", "edit_groups", "extends", "bindings", "definition",
    ]  # fmt: skip
    assert list(called.json["bindings"]) == ["a", "sub", "z"]
    assert json.dumps(called.json["bindings"]["z"]) == '{"value": {"a": [true, 1.5], "b": 1}}'
    assert called.json["definition"][1] == {"script": None, "name": "odd order", "next": {"b": False, "a": True}}
    assert list(called.json["definition"][1]) == ["script", "name", "next"]
    assert called.out == file_text(called.json)


def test_exported_files_run_from_their_folder_without_their_templates(tmp_path):
    publish_all()
    call("export_process", "--all", "--output", "files")
    delete_all()
    code, report = run("files/main.json")
    assert (code, report["data"]["called"]) == (0, True)
    assert [entry["action"] for entry in report["trace"]] == ["first", "x", "later", "c", "odd order"]


def test_the_draft_is_exported_unless_what_is_published_is_asked_for():
    template = publish_process("a", [values("x", v=1)])
    change_draft(template, [values("x", v=2)])
    draft = call("export_process", "a")
    assert (draft.json["definition"][0]["config"]["values"]["v"], draft.err.startswith("a: this is its draft")) == (
        2,
        True,
    )
    published = call("export_process", "a", "--published")
    assert (published.json["definition"][0]["config"]["values"]["v"], published.err) == (1, "")
    save_process("b", [])
    assert call("export_process", "b", "--published").code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mian"], 'There is no template "mian" (Did you mean "main"?)'),
        (["main", "base"], "--output DIR"),
        ([], "--all"),
        (["main", "--all"], "--all"),
    ],
)
def test_what_cannot_be_exported_is_told(arguments, told):
    publish_all()
    called = call("export_process", *arguments)
    assert (called.code, called.out) == (1, "")
    assert told in called.err


# -- importing ---------------------------------------------------------------------------------------------------------


def document(name: str, *actions: object, **keys: object) -> dict[str, object]:
    return {"name": name, "definition": list(actions), **keys}


def test_what_is_imported_is_published_and_runs(tmp_path):
    write(tmp_path, "a.json", document("a", values("x", v=1), title="The A", execute="public"))
    called = call("import_process", "a.json")
    assert (called.code, called.out) == (0, "a: created, published\n")
    template = ProcessTemplate.objects.get()
    assert (template.title, template.access, template.revision) == ("The A", "public", 1)
    assert run_process(slug="a").data == {"v": 1}


def test_it_can_be_left_as_a_draft(tmp_path):
    write(tmp_path, "a.json", document("a", nothing("x")))
    assert call("import_process", "a.json", "--no-publish").out == "a: created\n"
    assert ProcessTemplate.objects.get().published_plan is None
    assert call("import_process", "a.json").out == "a: unchanged, published\n"
    assert call("import_process", "a.json").out == "a: unchanged\n"


def test_an_import_over_a_template_updates_and_publishes_it(tmp_path):
    template = publish_process("a", [values("x", v=1)], bindings={"old": "set_data"}, access=Access.STAFF)
    write(tmp_path, "a.json", document("a", values("x", v=2)))
    assert call("import_process", "a.json").out == "a: updated, published\n"
    template.refresh_from_db()
    # What the file doesn't say stays; its definition and bindings are the file's.
    assert (template.title, template.access, template.bindings.count()) == ("A", "staff", 0)
    assert run_process(slug="a").data == {"v": 2}
    assert [version.number for version in TemplateVersion.objects.filter(template=template)] == [2, 1]
    assert AuditEntry.objects.filter(action="template.edited", actor_name="Stepline").count() == 1


def test_the_audit_log_names_who_imports(tmp_path):
    User.objects.create_user("ada")
    write(tmp_path, "a.json", document("a", nothing("x")))
    assert "There is no active user" in call("import_process", "a.json", "--user", "aad").err
    assert call("import_process", "a.json", "--user", "ada").code == 0
    entries = AuditEntry.objects.values_list("action", "actor_name")
    assert sorted(entries) == [("template.created", "ada"), ("template.published", "ada")]


def test_the_text_of_an_unchanged_definition_stays_as_its_editor_laid_it_out(tmp_path):
    template = ProcessTemplate(slug="a", title="A")
    save_draft(template=template, definition='[ {"name":"x", "script":null} ]', bindings={})
    publish(template=template)
    write(tmp_path, "a.json", call("export_process", "a").out)
    assert call("import_process", "a.json").out == "a: unchanged\n"
    write(tmp_path, "a.json", {**call("export_process", "a").json, "title": "New"})
    assert call("import_process", "a.json").out.startswith("a: updated")
    template.refresh_from_db()
    assert (template.definition, template.title) == ('[ {"name":"x", "script":null} ]', "New")


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (0, False), ({"a": 1, "b": 2}, {"b": 2, "a": 1})])
def test_values_that_python_takes_for_equal_are_a_change(tmp_path, before, after):
    publish_process("a", [values("x", v=before)])
    write(tmp_path, "a.json", document("a", values("x", v=after)))
    assert call("import_process", "a.json").out.startswith("a: updated")
    assert json.dumps(call("export_process", "a").json["definition"][0]["config"]["values"]["v"]) == json.dumps(after)


def test_those_that_others_build_on_come_first_whatever_their_order(tmp_path):
    write(tmp_path, "1.json", document("main", extends=["middle"], bindings={"it": {"process": "called"}}))
    write(tmp_path, "2.json", document("middle", extends=["./4.json"]))
    write(tmp_path, "3.json", document("called", values("c", v=1)))
    write(tmp_path, "4.json", document("base", nothing("go", script="it"), abstract=True))
    write(tmp_path, "2.json", document("middle", extends=["./4.json"], abstract=True))
    called = call("import_process", *[f"{number}.json" for number in (1, 2, 3, 4)])
    assert called.code == 0, called.err
    order = [line.split(":")[0] for line in called.out.splitlines()]
    assert sorted(order) == ["base", "called", "main", "middle"]
    assert (order.index("base") < order.index("middle"), order[-1]) == (True, "main")
    assert run_process(slug="main").data == {"v": 1}


def test_processes_that_call_each_other_come_in_together(tmp_path):
    ends = {"name": "end", "script": None}
    write(tmp_path, "a.json", document("a", ends, nothing("to b", script="b"), bindings={"b": {"process": "b"}}))
    write(tmp_path, "b.json", document("b", ends, nothing("to a", script="a"), bindings={"a": {"process": "a.json"}}))
    for _ in range(2):
        called = call("import_process", "a.json", "b.json")
        assert called.code == 0, called.err
    assert run_process(slug="a", action="end").error.code == "too_deep"
    call("export_process", "--all", "--output", "files")
    assert run("files/b.json")[1]["error"]["code"] == "too_deep"


def test_all_of_a_circle_may_call_all_others(tmp_path):
    names = ["a", "b", "c", "d"]
    for name in names:
        # One of them only inside an inline process.
        others = {f"to {other}": {"process": other} for other in names if other not in (name, "d")}
        inline = {"process": {"definition": [nothing("q", script="d")], "bindings": {"d": {"process": "d"}}}}
        write(tmp_path, f"{name}.json", document(name, nothing("x"), bindings={**others, "inline": inline}))
    called = call("import_process", *[f"{name}.json" for name in names])
    assert called.code == 0, called.err
    assert {run_process(slug=name).status for name in names} == {"completed"}


@pytest.mark.parametrize("binding", ["a", "b"])
def test_a_circle_is_no_way_to_a_connection_that_one_may_not_bind(tmp_path, binding):
    User.objects.create_user("ada")
    connection = Connection(name="api", settings={"base_url": "https://api.example.com"}, everyone=False)
    save_connection(connection=connection, actor=SYSTEM)
    secret = {name: {"api": {"credential": "api"}} if name == binding else {} for name in "ab"}
    write(tmp_path, "a.json", document("a", nothing("x"), bindings={"b": {"process": "b"}, **secret["a"]}))
    write(tmp_path, "b.json", document("b", nothing("x"), bindings={"a": {"process": "a"}, **secret["b"]}))
    called = call("import_process", "a.json", "b.json", "--user", "ada")
    assert called.code == 1
    assert "may not bind the connection api" in called.err
    assert not ProcessTemplate.objects.exists()
    assert call("import_process", "a.json", "b.json").code == 0
    # What is there already may stay.
    write(tmp_path, "a.json", document("a", nothing("y"), bindings={"b": {"process": "b"}, **secret["a"]}))
    write(tmp_path, "b.json", document("b", nothing("y"), bindings={"a": {"process": "a"}, **secret["b"]}))
    assert call("import_process", "a.json", "b.json", "--user", "ada").code == 0


REFUSED = {
    "bad content": ({"name": "b", "definition": [{"nmae": 1}]}, 'b.json /definition/0/nmae: Unknown key "nmae"'),
    "bad content in an envelope": (
        {"name": "b", "definition": {"format": 1, "actions": [nothing("x", next="y")]}},
        'b.json /definition/actions/0/next: No action "y" is declared',
    ),
    "a bare definition": ([nothing("x", next="y")], 'b.json /0/next: No action "y" is declared'),
    "a bad binding": (document("b", bindings={"x": "gone"}), 'b.json /bindings/x: No script "gone" is registered'),
    "an inline process": (
        document("b", bindings={"x": {"process": [nothing("q", next="r")]}}),
        'b.json /bindings/x/process/0/next: No action "r" is declared',
    ),
    "a missing base": (document("b", extends=["a", "gone"]), 'b.json /extends/1: There is no template "gone"'),
    "a file as base": (
        document("b", extends=["c.json"]),
        "b.json /extends/0: A stored template can't refer to the file",
    ),
    "a file as process": (
        document("b", bindings={"x": {"process": "./c.json"}}),
        "b.json /bindings/x/process: A stored template can't refer to the file",
    ),
    "an inline base": (document("b", extends=[[]]), "b.json /extends/0: A template can't extend an inline process"),
    "a name": (document("no slug"), 'b.json /name: "no slug" can\'t be the name of a template'),
    "a name twice": (document("a"), 'b.json /name: The name "a" is already used by a.json'),
    "a circle": (document("b", extends=["b"]), "b.json /extends/0"),
    "no JSON": ("{", "b.json /: Not valid JSON"),
    "a broken template": (document("needed", nothing("other")), 'user /0/next: No action "here" is declared'),
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_one_file_is_wrong_nothing_is_imported(tmp_path, case):
    content, told = REFUSED[case]
    needed = publish_process("needed", [nothing("here")])
    publish_process("user", [nothing("x", next="here")], extends=[needed])
    write(tmp_path, "a.json", document("a", nothing("x")))
    write(tmp_path, "b.json", content)
    write(tmp_path, "c.json", document("c"))
    called = call("import_process", "a.json", "b.json")
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("Nothing was imported:\n")
    assert told in called.err
    assert set(ProcessTemplate.objects.values_list("slug", flat=True)) == {"needed", "user"}
    assert ProcessTemplate.objects.get(slug="needed").revision == 1


def test_all_problems_are_told_and_none_twice(tmp_path):
    write(tmp_path, "a.json", document("a", nothing("x", next="y"), bindings={"s": "gone"}))
    write(tmp_path, "b.json", document("b", extends=["a"]))
    write(tmp_path, "c.json", document("c", bindings={"s": "gone"}))
    called = call("import_process", "b.json", "c.json", "a.json", "missing.json")
    assert 'missing.json /: There is no file "missing.json"' in called.err
    called = call("import_process", "b.json", "c.json", "a.json")
    assert [line.split(":")[0].strip() for line in called.err.splitlines()[1:]] == [
        "a.json /bindings/s", "a.json /definition/0/next", "c.json /bindings/s",
    ]  # fmt: skip


def test_an_inline_process_in_a_template_is_the_same_as_in_a_file(tmp_path):
    publish_process("lender", [values("lent", l=1)])
    sub = {"name": "The sub", "extends": ["lender", [values("more", m=1)]], "definition": [nothing("go", script="it")],
           "bindings": {"it": {"process": {"definition": [values("deep", d=1)]}}}}  # fmt: skip
    bindings = {"named": {"process": sub}, "unnamed": {"process": [values("x", x=1)]}}
    actions = [nothing("a", script="named"), nothing("b", script="unnamed")]
    write(tmp_path, "a.json", document("a", *actions, bindings=bindings))
    file = run("a.json")[1]
    assert file["data"] == {"l": 1, "m": 1, "d": 1, "x": 1}
    assert [entry.get("process") for entry in file["trace"]] == [
        None, "The sub", "The sub", "The sub", "it", None, "unnamed"
    ]  # fmt: skip
    assert call("import_process", "a.json").code == 0
    assert run("a")[1] == file
    # What an inline process extends is a reason to follow, too.
    change_draft(ProcessTemplate.objects.get(slug="lender"), [values("lent", l=2)])
    publish(template=ProcessTemplate.objects.get(slug="lender"))
    assert run("a")[1]["data"]["l"] == 2


# -- the round trip, whatever a template holds -------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, config=JSON, description=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_whatever_a_template_holds_comes_back(tmp_path, value, config, description):
    ProcessTemplate.objects.filter(slug="any").delete()
    definition = [{"name": "a", "script": None, "config": {"c": "${v}"}}, {"name": "b", "script": None, "comment": "%"}]
    if isinstance(config, dict) and "%{" not in json.dumps(config) and "${" not in json.dumps(config):
        definition.append({"name": "c", "script": None, "config": config})
    template = ProcessTemplate(slug="any", title="Any", description=description)
    save_draft(template=template, definition=json.dumps(definition), bindings={"v": {"value": value}})
    first = file_text(template_json(template))
    write(tmp_path, "any.json", first)
    template.delete()
    assert call("import_process", "any.json").code == 0
    assert file_text(template_json(ProcessTemplate.objects.get(slug="any"))) == first
