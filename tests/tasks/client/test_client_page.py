"""What docs/python_client.md shows works: its programs are run against a real server."""

import re
from pathlib import Path
from typing import Any

import pytest

import tasks.client as public
from tasks.client import Client, ClientError, Refused
from tasks.client.follow import main
from tests.live_servers import LiveServer
from tests.tasks.client.conftest import Worker
from tests.tasks.live.called.jobs import Pace

PAGE = (Path(__file__).parents[3] / "docs" / "python_client.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(program: str, **replaced: str) -> None:
    for shown, real in replaced.items():
        assert shown in program
        program = program.replace(shown, real)
    exec(compile(program, "docs/python_client.md", "exec"), {})


def test_a_task_is_started_and_followed(
    server: LiveServer, token: str, worker: Worker, pace: Pace, capsys: pytest.CaptureFixture[str]
) -> None:
    pace.let_go_on()
    real: Any = {
        "https://example.com": server.url,
        "stl_…": token,
        '"csv-import", {"file": "airports.csv"}': '"called.export", {"rows": 2}',
    }
    run(PROGRAMS[0], **real)
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "done: {'rows': 2}"
    assert "Row 1 1 of 2" in told


def test_a_list_is_watched(
    server: LiveServer, client: Client, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEPLINE_URL", server.url)
    monkeypatch.setenv("STEPLINE_TOKEN", token)
    assert client.start("called.export").sync.task_id
    # The program has no end of its own.
    run(f"{PROGRAMS[1]}    break\n")
    assert capsys.readouterr().out == "Export pending None\n"


def test_every_error_is_in_the_table() -> None:
    errors = [getattr(public, name) for name in public.__all__ if name[0].isupper()]
    kinds = {kind.__name__ for kind in errors if isinstance(kind, type) and issubclass(kind, ClientError)}
    assert kinds == {name for name in kinds if f"`{name}`" in PAGE}
    assert Refused.__name__ in kinds


def test_the_exit_codes_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for code in ("0", "1", "2", "3", "4", "64", "130"):
        assert code in told
        assert re.search(rf"\b{code}\b", PAGE.partition("Exit codes:")[2])
