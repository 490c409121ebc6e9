"""`validate_process FILE…`: the errors of `run_process`, for many files at once, without running anything."""

import pytest

from processes.registry import scripts
from tests.processes.commands.support import call, nothing, run, write


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_files_that_are_right_have_no_errors_and_nothing_runs(tmp_path):
    write(tmp_path, "a.json", [{"name": "a", "script": "must_not_run"}])
    write(tmp_path, "b.json", {"extends": ["a.json"], "definition": []})

    def must_not_run(app: object) -> None:
        raise AssertionError

    with scripts.override("must_not_run", must_not_run):
        called = call("validate_process", "a.json", "b.json")
    assert called.code == 0
    assert called.json == [{"file": name, "errors": [], "warnings": []} for name in ("a.json", "b.json")]


def test_what_is_probably_a_mistake_is_told_and_is_no_error(tmp_path):
    fields = [{"name": "name"}]
    form = {"name": "ask", "script": "show_form", "config": {"action": "confrim", "fields": fields}, "next": False}
    write(tmp_path, "a.json", [form, nothing("confirm")])
    called = call("validate_process", "a.json")
    assert called.code == 0
    assert called.json[0]["errors"] == []
    assert called.json[0]["warnings"] == [
        {
            "action": "ask",
            "path": "/config/action",
            "message": 'This process has no action "confrim" to lead to',
            "suggestion": 'Did you mean "confirm"?',
        }
    ]


def test_each_file_has_the_errors_that_run_process_tells(tmp_path):
    write(tmp_path, "good.json", [])
    write(tmp_path, "bad.json", {"extends": ["base.json"], "definition": [nothing("a", next="b"), {"name": "set_dat"}]})
    write(tmp_path, "base.json", [nothing("x", next="y")])
    write(tmp_path, "broken.json", "{")
    names = ["good.json", "bad.json", "missing.json", "broken.json", "base.json"]
    called = call("validate_process", *names)
    assert called.code == 1
    assert [file["file"] for file in called.json] == names
    for file in called.json:
        code, report = run(file["file"])
        assert report.get("errors", []) == file["errors"]
        assert (code == 2) == bool(file["errors"])


def test_an_abstract_process_is_right_as_far_as_it_goes(tmp_path):
    write(tmp_path, "a.json", {"abstract": True, "definition": [nothing("a", next="later")]})
    write(tmp_path, "b.json", {"abstract": True, "definition": [nothing("a", next=5)]})
    called = call("validate_process", "a.json", "b.json", "--json")
    assert (called.code, called.out.count("\n")) == (1, 1)
    assert [[error["path"] for error in file["errors"]] for file in called.json] == [[], ["/definition/0/next"]]
