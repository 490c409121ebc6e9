"""`run_process FILE`: what it prints and how it exits. None of these tests may touch a database."""

import json
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from processes.domain.application import Application
from processes.domain.directives import Park
from processes.errors import ProcessError
from processes.registry import scripts
from tests.processes.commands.support import call, nothing, places, run, values, write

KEYS = ["status", "state", "value", "data", "response", "error", "trace"]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_bare_definition_runs(tmp_path):
    write(tmp_path, "a.json", [values("one", x=1), nothing("two")])
    code, report = run("a.json")
    assert code == 0
    assert list(report) == KEYS
    assert report == {
        "status": "completed",
        "state": None,
        "value": None,
        "data": {"x": 1},
        "response": None,
        "error": None,
        "trace": [
            {"action": "one", "script": "set_data", "state": None},
            {"action": "two", "script": None, "state": None},
        ],
    }


def test_an_envelope_runs_like_the_bare_array(tmp_path):
    write(tmp_path, "a.json", {"format": 1, "actions": [values("one", x=1)]})
    assert run("a.json")[1]["data"] == {"x": 1}


def test_state_value_and_response_are_those_of_the_run(tmp_path):
    def answer(app: Application) -> dict:
        app.state = "ok"
        app.response.title = "Hello"
        return {"rows": 3}

    write(tmp_path, "a.json", [nothing("first"), {"name": "last", "script": "answer"}])
    with scripts.override("answer", answer):
        code, report = run("a.json")
    assert (code, report["state"], report["value"], report["response"]) == (0, "ok", {"rows": 3}, {"title": "Hello"})
    assert report["trace"][-1] == {"action": "last", "script": "answer", "state": "ok"}


def test_a_failed_run_exits_with_1_and_tells_the_error(tmp_path):
    write(tmp_path, "a.json", [values("one", x="%{param:missing}"), nothing("two")])
    code, report = run("a.json")
    assert (code, report["status"]) == (1, "failed")
    assert set(report["error"]) == {"code", "message", "action", "path"}
    assert (report["error"]["code"], report["error"]["action"]) == ("placeholder", "one")
    assert [entry["action"] for entry in report["trace"]] == ["one"]
    assert report["value"] is report["state"] is None


def test_the_trace_has_lifecycle_actions_and_those_of_sub_processes_in_the_order_in_which_they_began(tmp_path):
    sub = {"name": "The sub", "definition": [nothing("@start"), values("inner", y=2), nothing("@end")]}
    write(
        tmp_path,
        "a.json",
        {
            "bindings": {"sub": {"process": sub}},
            "definition": [nothing("@end"), nothing("@start"), {"name": "call", "script": "sub"}, nothing("after")],
        },
    )
    code, report = run("a.json")
    assert code == 0
    assert report["trace"] == [
        {"action": "@start", "script": None, "state": None},
        {"action": "call", "script": "The sub", "state": None},
        {"action": "@start", "script": None, "state": None, "process": "The sub"},
        {"action": "inner", "script": "set_data", "state": None, "process": "The sub"},
        {"action": "@end", "script": None, "state": None, "process": "The sub"},
        {"action": "after", "script": None, "state": None},
        {"action": "@end", "script": None, "state": None},
    ]


def test_the_trace_is_whole_where_the_limit_of_actions_stops_a_sub_process(tmp_path):
    sub = [nothing("round", next="round")]
    definition = [{"name": "call", "script": "sub"}]
    write(tmp_path, "a.json", {"bindings": {"sub": {"process": sub}}, "definition": definition})
    code, report = run("a.json")
    assert (code, report["error"]["code"]) == (1, "action_limit")
    assert report["trace"][0] == {"action": "call", "script": "sub", "state": None}
    assert len(report["trace"]) == 10_000


def test_execute_in_background_goes_on_here_within_the_same_limit(tmp_path):
    write(tmp_path, "a.json", [{"name": "leave", "script": "execute_in_background"}, values("after", x=1)])
    code, report = run("a.json")
    assert (code, report["status"], report["data"]) == (0, "completed", {"x": 1})
    write(tmp_path, "round.json", [{"name": "leave", "script": "execute_in_background", "next": "leave"}])
    code, report = run("round.json")
    assert (code, report["error"]["code"], len(report["trace"])) == (1, "action_limit", 10_000)


def test_a_run_that_ends_in_the_background_has_ended(tmp_path):
    write(tmp_path, "a.json", [{"name": "leave", "script": "execute_in_background"}])
    assert run("a.json")[1]["status"] == "completed"


def test_what_has_to_wait_waits_and_the_trace_ends_there(tmp_path):
    sub = {"bindings": {}, "definition": [{"name": "wait", "script": "wait_here"}, nothing("later")]}
    document = {"bindings": {"sub": {"process": sub}}, "definition": [{"name": "call", "script": "sub"}]}
    write(tmp_path, "a.json", document)
    with scripts.override("wait_here", lambda app: Park(reason="test")):
        code, report = run("a.json")
    assert (code, report["status"]) == (0, "waiting")
    assert [entry["action"] for entry in report["trace"]] == ["call", "wait"]
    with scripts.override("wait_here", lambda app: None, durable=True):
        assert run("a.json")[1]["status"] == "waiting"


def test_what_is_not_json_is_shown_as_null_and_named(tmp_path):
    def put(app: Application) -> object:
        app.data["bad"] = {"at": object(), "nan": float("nan"), "fine": (1, "two")}
        app.data["loop"] = loop = []
        loop.append(loop)
        return object()

    write(tmp_path, "a.json", [{"name": "put", "script": "put"}])
    with scripts.override("put", put):
        called = call("run_process", "a.json")
    assert called.code == 0
    assert called.json["value"] is None
    assert called.json["data"] == {"bad": {"at": None, "nan": None, "fine": [1, "two"]}, "loop": [None]}
    assert [line.split(":")[0] for line in called.err.splitlines()] == [
        "/value", "/data/bad/at", "/data/bad/nan", "/data/loop/0",
    ]  # fmt: skip


def test_what_a_script_prints_does_not_get_into_the_answer(tmp_path, capsys):
    write(tmp_path, "a.json", [{"name": "a", "script": "chatty"}])
    with scripts.override("chatty", lambda app: print("chat")):
        assert call_command("run_process", "a.json") is None
    printed = capsys.readouterr()
    assert (json.loads(printed.out)["status"], printed.err) == ("completed", "chat\n")


def test_json_prints_one_line(tmp_path):
    write(tmp_path, "a.json", [values("one", text="é → 漢")])
    called = call("run_process", "a.json", "--json")
    assert called.out.count("\n") == 1
    assert called.json == call("run_process", "a.json").json
    assert called.json["data"] == {"text": "é → 漢"}


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        ([], ["a", "b"]),
        (["--action", "b"], ["b"]),
        (["--action", ""], ["a", "b"]),
        (["--param", "action=b"], ["b"]),
        (["--action", "b", "--param", "action=a"], ["b"]),
        (["--action", "gone?"], []),
    ],
)
def test_action_is_where_the_run_enters(tmp_path, arguments, ran):
    write(tmp_path, "a.json", [nothing("a"), nothing("b")])
    code, report = run("a.json", *arguments)
    assert code == 0
    assert [entry["action"] for entry in report["trace"]] == ran


@pytest.mark.parametrize("action", ["gone", "@start", "private"])
def test_an_action_that_cannot_be_entered_is_an_error_of_the_run(tmp_path, action):
    write(tmp_path, "a.json", [nothing("@start"), nothing("a"), nothing("private", entry=False)])
    code, report = run("a.json", "--action", action)
    assert (code, report["status"], report["error"]["code"]) == (1, "failed", "not_found")


def test_data_and_parameters_come_from_the_command_line(tmp_path):
    write(tmp_path, "a.json", [values("one", a="%{param:x}", b="%{param:y}", c="%{data:deep.er}")])
    options = ["--data", '{"deep": {"er": [1]}, "kept": true}', "--param", "x=1", "y=a=b", "--param", "z=é"]
    code, report = run("a.json", *options)
    assert code == 0
    assert report["data"] == {"deep": {"er": [1]}, "kept": True, "a": "1", "b": "a=b", "c": [1]}


@pytest.mark.parametrize("options", [["--param", "x=1"], ["--extends", "base.json"], ["--binding", 'v={"value": 2}']])
def test_the_file_may_come_after_options_that_take_several_values(tmp_path, options):
    write(tmp_path, "a.json", [nothing("a")])
    write(tmp_path, "base.json", [nothing("b")])
    assert run(*options, "a.json")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "{"], "--data: Not valid JSON"),
        (["--data", "[1]"], "--data: Must be a JSON object"),
        (["--data", '{"a": NaN}'], "--data: Not valid JSON"),
        (["--data", '{"a": "\\u0000"}'], "--data: The text contains a NUL character (at /a)"),
        (["--data", '{"a": 1, "a": 2}'], '--data: The key "a" is given more than once (at /a)'),
        (["--param", "novalue"], '--param: "novalue" isn\'t of the form k=v'),
        (["--param", "=1"], '--param: "=1" isn\'t of the form k=v'),
        (["--param", "a=\udc80"], "--param: The text contains half of a surrogate pair (at /a)"),
        (["--binding", "set_data"], '--binding: "set_data" isn\'t of the form ref=SLUG_OR_FILE'),
        (["--binding", "x=gone.json"], '--binding x=gone.json: There is no file "gone.json"'),
        (["--binding", 'x={"proces": "y"}'], '--binding x={"proces": "y"}: Unknown kind of target "proces"'),
        (["--binding", "a{b=c.json"], "--binding a{b=c.json: A reference is a text without { or }"),
        (["--extends", "gone.json"], '--extends gone.json: There is no file "gone.json"'),
    ],
)
def test_a_bad_option_is_named_and_nothing_runs(tmp_path, arguments, named):
    write(tmp_path, "a.json", [nothing("a")])
    code, report = run("a.json", *arguments)
    assert (code, report["status"], report["trace"]) == (2, "invalid", [])
    assert list(report) == [*KEYS, "errors"]
    assert [(error["path"], error["message"].startswith(named)) for error in report["errors"]] == [("", True)], report


def test_bindings_override_those_of_the_document(tmp_path):
    write(tmp_path, "a.json", {"bindings": {"it": {"process": "one.json"}}, "definition": [nothing("a", script="it")]})
    write(tmp_path, "one.json", [values("x", by="one")])
    write(tmp_path, "two.json", {"name": "Two", "definition": [values("x", by="two")]})
    assert run("a.json")[1]["data"] == {"by": "one"}
    bound = run("a.json", "--binding", "it=two.json")[1]
    assert (bound["data"], bound["trace"][0]["script"]) == ({"by": "two"}, "Two")
    bound = run("a.json", "--binding", 'it={"process": [{"name": "q", "script": null}]}')[1]
    assert (bound["data"], bound["trace"][0]["script"]) == ({}, "it")
    bound = run("a.json", "--binding", 'it={"script": "execute_in_background"}')[1]
    assert (bound["status"], bound["trace"][0]["script"]) == ("completed", "execute_in_background")


def test_an_error_inside_a_bound_file_names_that_file(tmp_path):
    write(tmp_path, "a.json", {"bindings": {"it": "set_data"}, "definition": [nothing("a", script="it")]})
    write(tmp_path, "two.json", [nothing("x", next="y")])
    code, report = run("a.json", "--binding", "it=two.json")
    assert (code, places(report)) == (2, [("two.json", "/0/next")])


def test_extends_adds_layers_below_the_documents_own(tmp_path):
    write(tmp_path, "a.json", {"extends": ["own.json"], "definition": [values("mine", a="a")]})
    write(tmp_path, "own.json", [values("shared", s="own"), values("mine", a="own"), nothing("own")])
    write(tmp_path, "first.json", [values("shared", s="first"), values("mine", a="first")])
    write(tmp_path, "second.json", [values("shared", s="second"), nothing("new")])
    report = run("a.json", "--extends", "first.json", "second.json")[1]
    assert report["data"] == {"s": "second", "a": "a"}
    assert [entry["action"] for entry in report["trace"]] == ["shared", "mine", "own", "new"]
    assert run("a.json", "--extends", "second.json", "--extends", "first.json")[1]["data"]["s"] == "first"


# -- files that name others --------------------------------------------------------------------------------------------


def test_names_in_a_file_are_relative_to_that_file(tmp_path):
    write(tmp_path, "deep/a.json", {"extends": ["../base/b.json"], "definition": []})
    write(
        tmp_path, "base/b.json", {"bindings": {"it": {"process": "c.json"}}, "definition": [nothing("go", script="it")]}
    )
    write(tmp_path, "base/c.json", [values("c", found=True)])
    code, report = run("deep/a.json")
    assert (code, report["data"]) == (0, {"found": True})
    assert report["trace"][1]["process"] == "c"


def test_a_file_beside_it_may_be_named_without_its_ending(tmp_path):
    write(tmp_path, "a.json", {"extends": ["b"], "bindings": {"it": {"process": "c"}}, "definition": []})
    write(tmp_path, "b.json", [nothing("go", script="it")])
    write(tmp_path, "c.json", [values("c", found=True)])
    assert run("a.json")[1]["data"] == {"found": True}


def test_extends_takes_files_and_inline_processes_over_several_levels(tmp_path):
    inline = {"name": "inline", "extends": [[values("deepest", d=1)]], "definition": [values("middle", m=1)]}
    write(tmp_path, "a.json", {"extends": [inline, "b.json"], "definition": [values("own", o="${v}")]})
    write(tmp_path, "b.json", {"bindings": {"v": {"value": [7]}}, "definition": [values("middle", m=2)]})
    code, report = run("a.json")
    assert (code, report["data"]) == (0, {"d": 1, "m": 2, "o": [7]})


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ({"value": {"a": [1, None]}}, {"a": [1, None]}),
        ({"script": "set_data"}, {"$ref": "script", "name": "set_data"}),
        ("set_data", {"$ref": "script", "name": "set_data"}),
        ({"data_node": "abc"}, {"$ref": "data_node", "reference": "abc"}),
        ({"status_rules": "rules"}, {"$ref": "status_rules", "name": "rules"}),
    ],
)
def test_a_reference_in_a_config_becomes_the_value_or_a_typed_reference(tmp_path, target, shown):
    write(tmp_path, "a.json", {"bindings": {"it": target}, "definition": [values("a", got="${it}")]})
    code, report = run("a.json")
    assert (code, report["data"]) == (0, {"got": shown})


def test_a_reference_to_a_process_says_so(tmp_path):
    bindings = {"it": {"process": "b.json"}}
    write(tmp_path, "a.json", {"bindings": bindings, "definition": [values("a", got="${it}")]})
    write(tmp_path, "b.json", {"name": "B", "definition": []})
    got = run("a.json")[1]["data"]["got"]
    assert (got["$ref"], got["name"]) == ("process", "B")


def test_processes_may_call_each_other_in_a_circle(tmp_path):
    write(tmp_path, "a.json", {"bindings": {"b": {"process": "b.json"}}, "definition": [nothing("call", script="b")]})
    write(tmp_path, "b.json", {"bindings": {"a": {"process": "a.json"}}, "definition": [nothing("back", script="a")]})
    code, report = run("a.json")
    assert (code, report["error"]["code"]) == (1, "too_deep")
    assert [entry.get("process") for entry in report["trace"]][:4] == [None, "b", "a", "b"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a": ["a.json"]}, (None, "a.json → a.json")),
        ({"a": ["b.json"], "b": ["c.json"], "c": ["a.json"]}, ("c.json", "a.json → b.json → c.json → a.json")),
        ({"a": ["b"], "b": ["./c.json"], "c": ["b.json"]}, ("c.json", "b.json → c.json → b.json")),
    ],
)
def test_files_that_extend_each_other_in_a_circle_are_refused_with_the_way(tmp_path, files, told):
    for name, extends in files.items():
        write(tmp_path, f"{name}.json", {"extends": extends, "definition": []})
    code, report = run("a.json")
    assert (code, places(report)) == (2, [(told[0], "/extends/0")])
    assert told[1] in report["errors"][0]["message"]


def test_too_many_levels_are_refused(tmp_path):
    write(tmp_path, "0.json", [])
    for level in range(1, 61):
        write(tmp_path, f"{level}.json", {"extends": [f"{level - 1}.json"], "definition": []})
    assert run("50.json")[0] == 0
    code, report = run("60.json")
    assert (code, "levels" in report["errors"][0]["message"]) == (2, True)
    for level in range(1, 61):
        write(tmp_path, f"{level}.json", {"bindings": {"it": {"process": f"{level - 1}.json"}}, "definition": []})
    assert run("20.json")[0] == 0
    code, report = run("60.json")
    assert (code, "levels" in report["errors"][0]["message"]) == (2, True)


# -- errors and where they are ---------------------------------------------------------------------------------------


INVALID = {
    "a name in a bare definition": ([nothing("a", next="b")], [(None, "/0/next")]),
    "in an envelope": ({"format": 1, "actions": [nothing("a", next="b")]}, [(None, "/actions/0/next")]),
    "in a document": ({"definition": [nothing("a", next="b")]}, [(None, "/definition/0/next")]),
    "an envelope in a document": (
        {"definition": {"format": 1, "actions": [nothing("a", next="b")]}},
        [(None, "/definition/actions/0/next")],
    ),
    "a config": ([{"name": "a", "script": "show_page", "config": {"titel": "x"}}], [(None, "/0/config/titel")]),
    "an unbound reference": ([values("a", x="${gone}")], [(None, "/0/config/values/x")]),
    "a script": ([{"name": "a", "script": "set_dat"}], [(None, "/0/script")]),
    "an action without a script": ([{"name": "set_dat"}], [(None, "/0/name")]),
    "a binding's kind": ({"definition": [], "bindings": {"x/y": {"scrip": "a"}}}, [(None, "/bindings/x~1y/scrip")]),
    "a bound script": ({"definition": [], "bindings": {"x": "gone"}}, [(None, "/bindings/x")]),
    "a missing file": ({"definition": [], "bindings": {"x": {"process": "gone.json"}}}, [(None, "/bindings/x")]),
    "an inline process": (
        {"definition": [], "bindings": {"x": {"process": {"definition": [{"nam": "a"}]}}}},
        [(None, "/bindings/x/process/definition/0/nam"), (None, "/bindings/x/process/definition/0")],
    ),
    "an inline process, derived": (
        {"definition": [], "bindings": {"x": {"process": [nothing("a", next="b")]}}},
        [(None, "/bindings/x/process/0/next")],
    ),
    "an inline process in an inline process": (
        {"definition": [], "bindings": {"x": {"process": {"bindings": {"y": {"process": [1]}}, "definition": []}}}},
        [(None, "/bindings/x/process/bindings/y/process/0")],
    ),
    "an inline base": (
        {"extends": [[], {"definition": [nothing("a", next="b")]}], "definition": []},
        [(None, "/extends/1/definition/0/next")],
    ),
    "a base of an inline base": ({"extends": [{"extends": ["gone.json"]}]}, [(None, "/extends/0/extends/0")]),
    "a file that is extended": ({"extends": ["bad.json"], "definition": []}, [("bad.json", "/definition/0/next")]),
    "a file that is called": (
        {"bindings": {"x": {"process": "bad.json"}}, "definition": []},
        [("bad.json", "/definition/0/next")],
    ),
    "a file that is no JSON": ({"extends": ["broken.json"], "definition": []}, [("broken.json", "")]),
    "several at once": (
        {"name": "", "extends": "b.json", "bindings": [], "definition": [{}], "defintion": 1},
        [(None, "/defintion"), (None, "/name"), (None, "/definition/0"), (None, "/bindings"), (None, "/extends")],
    ),
    "no definition": ({"name": "x"}, [(None, "")]),
    "an action instead of an array": ({"name": "x", "script": "set_data"}, [(None, "/script"), (None, "")]),
    "an abstract process": ({"abstract": True, "definition": []}, [(None, "/abstract")]),
    "who may execute": ({"execute": "nobody", "definition": []}, [(None, "/execute")]),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_file_is_not_run_and_each_place_is_named(tmp_path, case):
    content, expected = INVALID[case]
    write(tmp_path, "bad.json", {"definition": [nothing("a", next="b")]})
    write(tmp_path, "broken.json", "[")
    write(tmp_path, "a.json", content)
    code, report = run("a.json")
    assert (code, report["status"]) == (2, "invalid")
    assert sorted(places(report), key=str) == sorted(expected, key=str)
    for error in report["errors"]:
        assert set(error) - {"source"} == {"path", "message", "suggestion"}
        assert error["message"]
    assert all(report[key] is None for key in ("state", "value", "data", "response", "error"))


ODD = {
    "empty": b"",
    "blank": b" \n\t ",
    "not UTF-8": b"[\xff]",
    "NaN": b"[NaN]",
    "infinite": b'[{"name": "a", "config": 1e999}]',
    "deep": b"[" * 100_000,
    "deep and closed": b"[" * 500 + b"]" * 500,
    "a huge number": b"[" + b"9" * 10_000 + b"]",
    "half a surrogate pair": b'[{"name": "\\ud800"}]',
    "NUL": b'[{"name": "\\u0000"}]',
    "a repeated key": b'[{"name": "a", "name": "b", "script": null}]',
    "two values": b"[] []",
    "a trailing comma": b"[1,]",
    "null": b"null",
    "a text": b'"a"',
    "a number": b"5",
    "an empty object": b"{}",
    "UTF-16": "[]".encode("utf-16"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_content_is_refused_with_a_message(tmp_path, case):
    write(tmp_path, "a.json", ODD[case])
    code, report = run("a.json")
    assert (code, report["status"]) == (2, "invalid")
    assert report["errors"][0]["message"]
    assert "source" not in report["errors"][0]


def test_a_byte_order_mark_and_odd_names_are_fine(tmp_path):
    write(tmp_path, "häßlich 漢.json", b"\xef\xbb\xbf" + json.dumps([nothing("é")]).encode())
    code, report = run("häßlich 漢.json")
    assert (code, report["trace"][0]["action"]) == (0, "é")


def test_a_file_needs_no_particular_name(tmp_path):
    write(tmp_path, "process", [nothing("a")])
    write(tmp_path, "sub/process.txt", [nothing("a")])
    assert run("process")[0] == run("sub/process.txt")[0] == run(tmp_path / "process")[0] == 0


@pytest.mark.parametrize(
    ("name", "message", "suggestion"),
    [
        ("gone.json", 'There is no file "gone.json"', None),
        ("heer.json", 'There is no file "heer.json"', 'Did you mean "here.json"?'),
        ("folder.json", '"folder.json" is a folder', "Name a file"),
        ("no/such/file", 'There is no file "no/such/file"', None),
        ("here.json/x", 'There is no file "here.json/x"', None),
        ("a\0b.json", 'The file "a\0b.json" can\'t be read: embedded null byte', None),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, message, suggestion):
    write(tmp_path, "here.json", [])
    (tmp_path / "folder.json").mkdir()
    code, report = run(name)
    assert (code, report["status"]) == (2, "invalid")
    assert report["errors"] == [{"path": "", "message": message, "suggestion": suggestion}]


def test_without_a_name_it_says_so():
    code, report = run("--json")
    assert (code, report["errors"][0]["message"]) == (2, "SLUG_OR_FILE is missing")


def test_a_script_that_ends_the_program_fails_like_any_other(tmp_path):
    def leave(app: Application) -> None:
        sys.exit(3)

    definition = [{"name": "a", "script": "leave"}, values("later", x=1)]
    mending = [*definition, {"name": "@error", "script": "reset_error", "next": "later"}]
    write(tmp_path, "a.json", definition)
    write(tmp_path, "b.json", mending)
    with scripts.override("leave", leave):
        code, report = run("a.json")
        assert (code, report["error"]["code"], report["error"]["action"]) == (1, "script_error", "a")
        assert report["trace"] == [{"action": "a", "script": "leave", "state": None}]
        code, report = run("b.json")
    assert (code, report["data"], [entry["action"] for entry in report["trace"]]) == (
        0, {"x": 1}, ["a", "@error", "later"],
    )  # fmt: skip


def test_a_sub_process_that_is_entered_wrongly_names_the_action_that_did_it(tmp_path):
    definition = [{"name": "call", "script": "sub", "config": {"action": "gone"}}]
    write(tmp_path, "a.json", {"bindings": {"sub": {"process": [nothing("s")]}}, "definition": definition})
    code, report = run("a.json")
    assert (code, report["error"]["code"], report["error"]["action"]) == (1, "not_found", "call")


def test_an_error_is_told_as_text_whatever_a_script_made_it_of(tmp_path):
    def refuse(app: Application) -> None:
        raise ProcessError(ValueError("odd \ud800"), code=5)  # type: ignore[arg-type]

    write(tmp_path, "a.json", [{"name": "a", "script": "refuse"}])
    with scripts.override("refuse", refuse):
        code, report = run("a.json")
    assert code == 1
    assert report["error"] == {"code": "5", "message": "odd \ufffd", "action": "a", "path": None}
