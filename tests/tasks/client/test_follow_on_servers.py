"""`stepline-follow` and a real server: on a terminal, and into a pipe."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.client import Client
from tests.environment import surroundings
from tests.live_servers import LiveServer
from tests.tasks.client.conftest import PATIENCE_SECONDS, Worker
from tests.tasks.live.called.jobs import Pace

ROOT = Path(__file__).parents[3]
LINES, COLUMNS = 24, 100


def command(url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "tasks.client.follow", *options, url]


def environment(token: str) -> dict[str, str]:
    return {**surroundings(), "STEPLINE_TOKEN": token, "TERM": "xterm-256color", "PYTHONUTF8": "1"}


class Terminal:
    """What a command shows on a terminal of its own."""

    def __init__(self, arguments: list[str], variables: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            arguments, cwd=ROOT, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.shown = ""

    def until(self, pattern: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, self.shown):
            assert time.monotonic() < end, self.shown
            assert self._read(), f"it has ended: {self.shown}"

    def to_the_end(self) -> int:
        while self._read():
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_SECONDS)
        assert ready, self.shown
        try:
            part = os.read(self._ours, 65_536)
        except OSError:
            # Linux says so at the end of a terminal.
            return False
        self.shown += part.decode(errors="replace")
        return bool(part)


@contextmanager
def on_a_terminal(url: str, token: str) -> Iterator[Terminal]:
    terminal = Terminal(command(url), environment(token))
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_terminal_shows_bars_that_move_and_how_it_ended(
    server: LiveServer, client: Client, token: str, worker: Worker, pace: Pace
) -> None:
    task_id = client.start("called.export", {"rows": 30}).sync.task_id
    with on_a_terminal(f"{server.url}/progress/{task_id}/", token) as terminal:
        pace.let_go_on(2)
        terminal.until(r"Row 1.*50%|Row 1.*100%")
        terminal.until("│ row 1")
        server.kill()
        terminal.until("connection lost, trying again")
        server.begin()
        pace.let_go_on()
        assert terminal.to_the_end() == 0
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.shown)
    assert "✓ Export" in last
    assert "more" in last
    # The cursor is there again.
    assert "\x1b[?25h" in terminal.shown


def test_ctrl_c_ends_the_following_and_not_the_task(
    server: LiveServer, client: Client, token: str, worker: Worker, pace: Pace
) -> None:
    task = client.start("called.export", {"rows": 2})
    with on_a_terminal(f"{server.url}/api/tasks/{task.sync.task_id}/", token) as terminal:
        pace.let_go_on(1)
        terminal.until("Row 0")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.to_the_end() == 130
    assert "the task goes on" in terminal.shown
    pace.let_go_on()
    assert task.sync.result() == {"rows": 2}


@pytest.mark.parametrize(
    ("job", "cancels", "code", "last"),
    [
        ("called.export", False, 0, "Export: done"),
        ("called.broken", False, 1, "called.broken: failed (ValueError: no such file)"),
        ("called.export", True, 2, "Export: cancelled (enough)"),
    ],
)
def test_a_pipe_gets_lines_and_the_exit_code_says_how_it_ended(
    job: str,
    cancels: bool,
    code: int,
    last: str,
    server: LiveServer,
    client: Client,
    token: str,
    worker: Worker,
    pace: Pace,
    tmp_path: Path,
) -> None:
    task = client.start(job)
    task_id = task.sync.task_id
    if cancels:
        task.sync.abort("enough")
    else:
        pace.let_go_on()
    (tmp_path / "token").write_text(f"{token}\n")
    ended = subprocess.run(
        command(f"{server.url}/progress/{task_id}/", "--token-file", str(tmp_path / "token")),
        cwd=ROOT,
        env=environment("stl_another"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.splitlines()[-1].startswith(last)
    assert "\x1b" not in ended.stdout


def test_what_cant_be_followed_has_other_codes(server: LiveServer, token: str) -> None:
    def code_of(url: str, variables: dict[str, str]) -> tuple[int, str]:
        ended = subprocess.run(
            command(url, "--give-up", "0.2"),
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert token not in ended.stderr
        return ended.returncode, ended.stderr

    nowhere = f"{server.url}/progress/0193aaaa-0000-7000-8000-000000000000/"
    assert code_of(nowhere, environment(token))[0] == 4
    assert code_of(nowhere, environment("stl_wrong"))[0] == 4
    # The environment's token isn't for this site.
    other = {**environment(token), "STEPLINE_URL": "https://stepline.example"}
    assert code_of(nowhere, other)[0] == 4
    server.kill()
    code, told = code_of(nowhere, environment(token))
    assert code == 3
    assert "couldn't be reached" in told
