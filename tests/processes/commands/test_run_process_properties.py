"""Whatever a file holds, `run_process` answers with one object and an exit code."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.processes.commands.support import call, write

KEYS = {"status", "state", "value", "data", "response", "error", "trace"}

#: Words that mean something in a file: random JSON made of them comes close to real processes.
WORDS = st.sampled_from(
    [
        *("name", "definition", "bindings", "extends", "actions", "format", "script", "process", "value", "next"),
        *("config", "values", "abstract", "title", "execute", "groups", "set_data", "execute_in_background"),
        *("a", "b", "a?", "@start", "@end", "@error", "@default", "@unknown", "a.json", "b.json", "*", "\0", ""),
        *("${a}", "%{data:a}", "%{param:b}", "noop", "set_state", "choose", "fail", "reset_error", "call_process"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3)


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    action = st.fixed_dictionaries(
        {"name": WORDS},
        optional={"script": st.none() | WORDS, "next": inner, "config": inner, "entry": st.booleans() | inner},
    )
    document = st.fixed_dictionaries(
        {"definition": st.lists(action, max_size=4) | inner},
        optional={
            "name": WORDS | inner,
            "bindings": inner | st.dictionaries(WORDS, st.dictionaries(WORDS, inner, max_size=1), max_size=2),
            "extends": inner | st.lists(WORDS | inner, max_size=2),
        },
    )
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS, inner, max_size=4)
        | st.lists(action, max_size=4)
        | document
    )


ANY_JSON = st.recursive(SCALARS, nested, max_leaves=20)


def check(*arguments: object) -> None:
    called = call("run_process", *arguments)
    report = json.loads(called.out)
    invalid = report["status"] == "invalid"
    assert called.code == {"completed": 0, "waiting": 0, "failed": 1, "invalid": 2}[report["status"]]
    assert set(report) == (KEYS | {"errors"} if invalid else KEYS)
    assert (report["error"] is not None) == (report["status"] == "failed")
    assert bool(report.get("errors")) == invalid
    for entry in report["trace"]:
        assert set(entry) - {"process"} == {"action", "script", "state"}
    for error in report.get("errors", []):
        assert set(error) - {"source"} == {"path", "message", "suggestion"}
        assert error["path"] == "" or error["path"].startswith("/")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlogged: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=ANY_JSON, second=ANY_JSON)
def test_whatever_json_is_in_the_files(tmp_path, first, second):
    write(tmp_path, "a.json", first)
    write(tmp_path, "b.json", second)
    check("a.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_whatever_bytes_are_in_the_file(tmp_path, content):
    write(tmp_path, "a.json", content)
    check("a.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.text(max_size=20), param=st.text(max_size=10), action=st.text(max_size=10) | WORDS)
def test_whatever_the_options_are(tmp_path, data, param, action):
    write(tmp_path, "a.json", [{"name": "a", "script": None}, {"name": "b", "script": None, "next": {"*": False}}])
    check("a.json", f"--data={data}", f"--param={param}", f"--action={action}")
