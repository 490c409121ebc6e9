"""`manage.py run_process` as a process of its own, in an empty data folder: no database, no server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.processes.commands.support import nothing, values, write


@pytest.fixture
def shell(tmp_path: Path, data_folder: Path):
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
            cwd=tmp_path,
            env={**os.environ, "STEPLINE_DATA_DIR": str(data_folder), "LOG_LEVEL": "DEBUG", **environment},
            capture_output=True,
            check=False,
            timeout=60,
        )

    return call


def test_it_runs_a_file_without_a_database(tmp_path, data_folder, shell):
    sub = {"name": "Sub", "definition": [values("inner", y="%{param:p}")]}
    definition = [values("one", text="é → 漢"), nothing("call", script="sub")]
    write(tmp_path, "a.json", {"bindings": {"sub": {"process": sub}}, "definition": definition})
    done = shell("run_process", "a.json", "--param", "p=v", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    report = json.loads(done.stdout)
    assert (report["status"], report["data"]) == ("completed", {"text": "é → 漢", "y": "v"})
    assert report["trace"][-1] == {"action": "inner", "script": "set_data", "state": None, "process": "Sub"}
    assert not list(data_folder.glob("*.sqlite3"))


def test_its_exit_code_tells_how_it_ended(tmp_path, shell):
    write(tmp_path, "failing.json", [values("a", x="%{param:p}")])
    write(tmp_path, "invalid.json", [nothing("a", next="b")])
    failed, invalid = (
        shell("run_process", "failing.json"),
        shell("run_process", "invalid.json", PYTHONIOENCODING="ascii"),
    )
    assert (failed.returncode, json.loads(failed.stdout)["status"]) == (1, "failed")
    assert (invalid.returncode, json.loads(invalid.stdout)["errors"][0]["path"]) == (2, "/0/next")


def test_a_slug_without_a_database_is_an_answer_and_no_traceback(shell):
    done = shell("run_process", "hello")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"]) == (2, "invalid")
    assert "migrate" in report["errors"][0]["suggestion"]
    assert b"Traceback" not in done.stderr


def test_any_terminal_can_show_what_is_printed(tmp_path, shell):
    write(tmp_path, "é.json", [values("é", text="漢 \U0001f600")])
    done = shell("run_process", "é.json", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["data"] == {"text": "漢 \U0001f600"}
