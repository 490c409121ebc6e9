"""`run_process SLUG`, and files that name templates: what comes from the database."""

import json

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError

from processes.domain.application import Application
from processes.models import Access, AuditEntry, Connection, DataNode, ProcessTemplate
from processes.registry import scripts
from processes.services import documents
from processes.services.audit import SYSTEM
from processes.services.connections import save_connection
from processes.services.errors import TemplateNotFoundError
from processes.services.running import run_process
from tasks.models import TaskRoot
from tests.processes.commands.support import call, nothing, places, run, values, write
from tests.processes.services.published import change_draft, publish_process, save_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_slug_runs_what_is_published():
    template = publish_process("hello", [values("a", v="published")])
    change_draft(template, [values("a", v="draft")])
    code, report = run("hello", "--param", "x=1")
    assert (code, report["data"]) == (0, {"v": "published"})


@pytest.mark.parametrize(
    ("slug", "message", "suggestion"),
    [
        ("hallo", 'There is no template "hallo"', 'Did you mean "hello"?'),
        ("unpublished", 'The template "unpublished" isn\'t published yet', "Publish it first"),
        ("abstract", 'The template "abstract" is abstract: it can be extended, but not run', None),
        ("", 'There is no template ""', "A file's name ends in .json or contains a /"),
    ],
)
def test_a_slug_that_cannot_run_is_told(slug, message, suggestion):
    publish_process("hello", [])
    save_process("unpublished", [])
    publish_process("abstract", [], abstract=True)
    code, report = run(slug)
    assert (code, report["status"]) == (2, "invalid")
    assert report["errors"] == [{"path": "", "message": message, "suggestion": suggestion}]


def test_a_slug_can_be_extended_and_bound_anew(tmp_path):
    publish_process("base", [nothing("before"), values("shared", s="base")])
    publish_process("called", [values("x", by="published")])
    template = publish_process("hello", [nothing("go", script="it")], bindings={"it": {"process": "called"}})
    change_draft(template, [nothing("never published")], it={"process": "called"})
    write(tmp_path, "more.json", {"extends": ["base"], "definition": [values("shared", s="more")]})
    code, report = run("hello", "--extends", "more.json", "--binding", "it=other.json")
    assert (code, report["errors"][0]["message"]) == (
        2, '--binding it=other.json: There is no file "other.json"'
    )  # fmt: skip
    write(tmp_path, "other.json", [values("x", by="file")])
    code, report = run("hello", "--extends", "more.json", "--binding", "it=other.json")
    assert (code, report["data"]) == (0, {"s": "more", "by": "file"})
    assert [entry["action"] for entry in report["trace"]] == ["before", "shared", "go", "x"]


def test_a_file_may_extend_and_call_templates(tmp_path):
    publish_process("called", [values("c", called=True)])
    save_process("lender", [nothing("go", script="it")], bindings={"it": {"process": "called"}}, abstract=True)
    bindings = {"direct": {"process": "called"}}
    definition = [nothing("own", script="direct", config={"action": "c"})]
    write(tmp_path, "a.json", {"extends": ["lender"], "bindings": bindings, "definition": definition})
    code, report = run("a.json")
    assert (code, report["data"]) == (0, {"called": True})
    assert [entry.get("process") for entry in report["trace"]] == [None, "called", None, "called"]


def test_a_file_beside_wins_over_a_template_of_that_name(tmp_path):
    publish_process("called", [values("c", by="template")])
    write(tmp_path, "a.json", {"bindings": {"it": {"process": "called"}}, "definition": [nothing("go", script="it")]})
    assert run("a.json")[1]["data"] == {"by": "template"}
    write(tmp_path, "called.json", [values("c", by="file")])
    assert run("a.json")[1]["data"] == {"by": "file"}
    # On the command line a bare name is a slug, whatever lies around.
    assert run("called")[1]["data"] == {"by": "template"}


def test_a_template_that_is_missing_is_told_with_its_place(tmp_path):
    publish_process("known", [])
    save_process("unpublished", [])
    bindings = {"a": {"process": "knwon"}, "b": {"process": "unpublished"}}
    write(tmp_path, "a.json", {"extends": ["nobody"], "definition": []})
    code, report = run("a.json")
    assert (code, places(report)) == (2, [(None, "/extends/0")])
    assert report["errors"][0]["message"] == 'There is no template "nobody", nor a file nobody.json beside a.json'
    write(tmp_path, "a.json", {"bindings": bindings, "definition": []})
    code, report = run("a.json")
    assert [(error["path"], error["suggestion"]) for error in report["errors"]] == [
        ("/bindings/a", 'Did you mean "known"?'),
        ("/bindings/b", "Publish it first"),
    ]


def test_a_problem_in_a_template_names_it(tmp_path):
    save_process("lender", [nothing("go", next="missing")], abstract=True)
    write(tmp_path, "a.json", {"extends": ["lender"], "definition": []})
    code, report = run("a.json")
    assert (code, places(report)) == (2, [("lender", "/0/next")])


@pytest.mark.parametrize(
    ("name", "script"),
    [("set_data", "set_data"), ("setData", "set_data"), ("called", "called"), ("redirect", "redirect")],
)
def test_a_binding_is_a_template_or_else_a_script(tmp_path, name, script):
    publish_process("called", [])
    publish_process("redirect", [nothing("a")])
    write(tmp_path, "a.json", {"bindings": {"it": "noop"}, "definition": [
        {"name": "a", "script": "it", "config": {"values": {}} if script == "set_data" else None}
    ]})  # fmt: skip
    report = run("a.json", "--binding", f"it={name}")[1]
    assert report["trace"][0]["script"] == script
    assert (len(report["trace"]) > 1) == (name == "redirect")


def test_a_binding_that_means_nothing_is_told(tmp_path):
    write(tmp_path, "a.json", [])
    error = run("a.json", "--binding", "it=set_daat")[1]["errors"][0]
    assert error == {
        "path": "",
        "message": '--binding it=set_daat: There is no file, template or script "set_daat"',
        "suggestion": 'Did you mean "set_data"?',
    }


# -- users -------------------------------------------------------------------------------------------------------------


def who(app: Application) -> str | None:
    return None if app.user is None else app.user.username


def test_it_runs_for_a_user_or_for_nobody(tmp_path):
    User.objects.create_user("ada")
    write(tmp_path, "a.json", [{"name": "a", "script": "who"}])
    with scripts.override("who", who):
        assert run("a.json")[1]["value"] is None
        assert run("a.json", "--user", "ada")[1]["value"] == "ada"


@pytest.mark.parametrize(("name", "suggestion"), [("aad", 'Did you mean "ada"?'), ("bob", None), ("", None)])
def test_an_unknown_or_inactive_user_is_told(tmp_path, name, suggestion):
    User.objects.create_user("ada")
    User.objects.create_user("bob", is_active=False)
    write(tmp_path, "a.json", [])
    code, report = run("a.json", "--user", name)
    message = f'--user: There is no active user "{name}"'
    assert (code, report["errors"]) == (2, [{"path": "", "message": message, "suggestion": suggestion}])


def test_a_user_runs_only_what_they_may_execute():
    User.objects.create_user("ada")
    template = publish_process("secret", [nothing("a")], access=Access.GROUPS)
    assert run("secret")[0] == 0
    code, report = run("secret", "--user", "ada")
    assert (code, report["status"]) == (2, "invalid")
    group = Group.objects.create(name="readers")
    template.groups.add(group)
    User.objects.get(username="ada").groups.add(group)
    assert run("secret", "--user", "ada")[0] == 0


def test_a_user_runs_no_file_with_a_connection_that_they_may_not_bind(tmp_path):
    User.objects.create_user("ada")
    connection = Connection(name="api", settings={"base_url": "https://api.example.com"}, everyone=False)
    save_connection(connection=connection, actor=SYSTEM)
    write(tmp_path, "a.json", {"definition": [nothing("x")], "bindings": {"api": {"credential": "api"}}})
    code, report = run("a.json", "--user", "ada")
    assert (code, report["status"]) == (2, "invalid")
    assert "may not bind the connection api" in report["errors"][0]["message"]
    assert run("a.json")[0] == 0
    publish_process("shop", [nothing("x")], bindings={"api": {"credential": "api"}})
    publish_process("other", [nothing("x")])
    option = '--binding=mine={"credential": "api"}'
    # Whoever may execute a process executes what it binds.
    assert run("shop", option, "--user", "ada")[0] == 0
    assert run("other", option, "--user", "ada")[0] == 2


@pytest.mark.parametrize("user", [None, "ada"])
def test_a_run_can_keep_data_and_find_it_again(tmp_path, user):
    User.objects.create_user("ada")
    definition = [
        values("a", x=1),
        nothing("save", script="save_data"),
        values("b", x=2),
        nothing("load", script="load_data"),
    ]
    publish_process("keeper", definition)
    write(tmp_path, "a.json", definition)
    for target in ("keeper", "a.json"):
        code, report = run(target, *(["--user", user] if user else []))
        assert (code, report["data"]["x"]) == (0, 1), report
    assert {node.owner and node.owner.username for node in DataNode.objects.all()} == {user}


@pytest.mark.parametrize("user", [None, "ada"])
def test_a_later_run_goes_on_with_the_data_of_an_earlier_one(tmp_path, user):
    User.objects.create_user("ada")
    definition = [nothing("save", script="save_data", next=False), nothing("load", script="load_data")]
    write(tmp_path, "a.json", definition)
    who = ["--user", user] if user else []
    reference = run("a.json", "--data", '{"x": 1}', *who)[1]["value"]
    code, report = run("a.json", "--action", "load", "--param", f"data={reference}", *who)
    assert (code, report["data"]) == (0, {"x": 1})


def test_what_is_run_from_code_for_nobody_finds_nobodys_data():
    publish_process("keeper", [nothing("save", script="save_data", next=False), nothing("load", script="load_data")])
    reference = run("keeper")[1]["value"]
    for parameters in ({"data": reference}, {"data": run_process(slug="keeper").value}):
        report = run_process(slug="keeper", action="load", parameters=parameters)
        assert report.error is not None
        assert report.error.code == "data_node_not_found"


# -- progress indicators -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "status"),
    [
        ([values("work", x=1)], "completed"),
        ([{"name": "work", "script": "fail", "config": {"message": "Sold out"}}], "failed"),
        ([], "completed"),
        ([{"name": "work", "script": "end_progress"}, {"name": "late", "script": "fail"}], "completed"),
    ],
)
def test_an_indicator_ends_with_the_run_that_goes_on_here_instead_of_in_a_worker(tmp_path, work, status):
    begin = [nothing("begin", script="start_progress"), nothing("leave", script="execute_in_background")]
    definition = [*begin, *work, nothing("done", next=False), nothing("renderProgress", script="render_progress")]
    write(tmp_path, "a.json", definition)
    _, report = run("a.json")
    root = TaskRoot.objects.get(pk=report["data"]["progress"])
    assert (root.status, root.closed) == (status, True)


def test_an_indicator_without_a_background_stays_open_as_in_a_web_request(tmp_path):
    definition = [nothing("begin", script="start_progress", next=False)]
    write(tmp_path, "a.json", [*definition, nothing("renderProgress", script="render_progress")])
    assert not TaskRoot.objects.get(pk=run("a.json")[1]["data"]["progress"]).closed


# -- the audit log -----------------------------------------------------------------------------------------------------


def started() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="run.started"))


def test_running_a_template_is_in_the_audit_log_and_running_a_file_is_not(tmp_path):
    ada = User.objects.create_user("ada")
    template = publish_process("hello", [nothing("a"), nothing("b")])
    write(tmp_path, "a.json", [])
    run("a.json", "--user", "ada")
    run("gone")
    assert started() == []
    run("hello", "--user", "ada", "--action", "b")
    (entry,) = started()
    assert (entry.actor_id, entry.subject_id, entry.plan_hash) == (
        str(ada.pk),
        str(template.pk),
        template.published_plan_id,
    )
    assert entry.details == {"action": "b", "how": "command"}


# -- from code ---------------------------------------------------------------------------------------------------------


def test_a_template_runs_from_code():
    publish_process("hello", [values("a", got="%{param:p}", more="%{data:d}"), nothing("b")], access=Access.STAFF)
    data = {"d": [1]}
    report = run_process(slug="hello", action="a", data=data, parameters={"p": {"any": "JSON"}})
    assert (report.status, report.data) == ("completed", {"d": [1], "got": {"any": "JSON"}, "more": [1]})
    assert [entry.action for entry in report.trace] == ["a", "b"]
    assert data == {"d": [1]}
    assert json.loads(json.dumps(report.to_json()))["status"] == "completed"
    assert started()[0].details["how"] == "code"


def test_from_code_a_user_needs_to_be_allowed():
    publish_process("hello", [nothing("a")], access=Access.STAFF)
    user = User.objects.create_user("ada")
    with pytest.raises(TemplateNotFoundError):
        run_process(slug="hello", user=user)
    with pytest.raises(TemplateNotFoundError):
        run_process(slug="gone")
    user.is_staff = True
    user.save()
    assert run_process(slug="hello", user=user).status == "completed"


# -- without a database ------------------------------------------------------------------------------------------------


def test_without_a_database_it_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*arguments: object) -> object:
        raise OperationalError("no such table: processes_processtemplate")

    write(tmp_path, "a.json", {"bindings": {"it": {"process": "called"}}, "definition": []})
    monkeypatch.setattr(documents, "read_library", refuse)
    code, report = run("a.json")
    assert (code, places(report)) == (2, [(None, "/bindings/it")])
    assert report["errors"][0]["suggestion"] == 'Run "manage.py migrate" first, or name a file'
    write(tmp_path, "a.json", {"bindings": {"it": "set_data"}, "definition": [nothing("a", script="it")]})
    assert run("a.json", "--binding", "it=execute_in_background")[0] == 0


def test_a_process_that_is_looked_up_on_the_way_is_not_found_without_a_database(tmp_path, monkeypatch):
    class Refusing:
        def filter(self, **conditions: object) -> object:
            raise OperationalError("no such table: processes_processtemplate")

    write(tmp_path, "a.json", [{"name": "a", "script": "call_process", "config": {"process": "called"}}])
    monkeypatch.setattr(ProcessTemplate, "objects", Refusing())
    code, report = run("a.json")
    assert (code, report["error"]["code"], report["error"]["action"]) == (1, "not_found", "a")


def test_what_the_database_refuses_comes_with_a_hint(tmp_path):
    def ask(app: Application) -> None:
        raise OperationalError("no such table: processes_datanode")

    write(tmp_path, "a.json", [nothing("a", script="ask")])
    with scripts.override("ask", ask):
        called = call("run_process", "a.json")
    assert (called.code, "manage.py migrate" in called.err) == (1, True)
