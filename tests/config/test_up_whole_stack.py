"""`manage.py up` with all real services."""

import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from config.local_account import account_path, read_account
from tests.config.conftest import Program, watched

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="follows foreign processes by pidfd"),
]


@pytest.fixture
def up(start):
    """Start everything on a free port."""

    def start_up(**variables: str) -> Program:
        return start([sys.executable, "manage.py", "up", "--port", "0", "--workers", "2"], DEBUG="1", **variables)

    return start_up


def descendants(pid: int) -> list[int]:
    """Return all processes below one, from the kernel's lists."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in descendants(child))]


def test_it_serves_says_how_to_sign_in_and_stops_without_a_trace(up, data_folder):
    program = up()
    address = program.wait_for(r"^ready: (\S+) after")[1]
    account = read_account(account_path(data_folder))
    program.wait_for(f"sign in     {re.escape(account.username)} / {re.escape(account.password)}")
    program.wait_for("stop        Ctrl-C")
    with urllib.request.urlopen(f"{address}admin/login/", timeout=10) as response:
        assert response.status == 200
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    with urllib.request.urlopen(f"{address}static/admin/css/base.css", timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/css")
    pids = descendants(program.process.pid)
    assert len(pids) >= 8
    with watched(pids) as all_end:
        program.signal(signal.SIGINT)
        assert program.wait() == 0
        assert all_end()
    assert not list((data_folder / "run").iterdir())


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_start_goes_on(up):
    program = up()
    program.wait_for("^ready: ")
    with watched(descendants(program.process.pid)) as all_end:
        program.signal(signal.SIGKILL)
        program.wait()
        assert all_end()
    again = up()
    again.wait_for("^ready: ")
    again.signal(signal.SIGINT)
    assert again.wait() == 0


def test_a_killed_service_comes_back(up):
    program = up()
    address = program.wait_for(r"^ready: (\S+) after")[1]
    program.wait_for("stop        Ctrl-C")
    web = next(
        pid for pid in descendants(program.process.pid) if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(web, signal.SIGKILL)
    program.wait_for("web died .killed by SIGKILL.: starting it again in 0.5 s")
    program.wait_for("web is back")
    with urllib.request.urlopen(f"{address}admin/login/", timeout=10) as response:
        assert response.status == 200
