"""The JavaScript client as it is published, Node.js and Chromium to run it in, and the whole stack that it talks to."""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import Stack, running_stack
from tests.config.conftest import ROOT, Program
from tests.javascript.elsewhere import serving_client
from tests.javascript.npm import HERE, NODE, installed_packages, packed_client

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.javascript.served.settings", "PYTHONPATH": str(ROOT)}
PROCESS = HERE / "served" / "definitions" / "js-count.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder in which programs import the packed client and what it is tested with."""

    folder: Path
    #: Names of the files of our package.
    packed: list[str]

    def program(self, name: str) -> Path:
        """Return the path of a program of tests/javascript/programs in it."""
        target = self.folder / name
        if not target.exists():
            shutil.copy(HERE / "programs" / name, target)
        return target


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    """Have the packages where programs find them."""
    with tempfile.TemporaryDirectory(prefix="stepline-javascript-") as name:
        folder = Path(name)
        modules = folder / "node_modules"
        modules.mkdir()
        for package in installed_packages().iterdir():
            (modules / package.name).symlink_to(package)
        packed = packed_client(folder)
        (folder / "package").rename(modules / "stepline")
        shutil.copy(HERE / "programs" / "setup.mjs", folder)
        yield Workspace(folder, packed)


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """Serve the client to a page of another origin, and return that origin."""
    with serving_client() as origin:
        yield origin


@pytest.fixture(scope="session")
def stack(shop: str) -> Iterator[Stack]:
    """Run everything, with an app whose functions the client calls, and an origin whose pages may use the API."""
    with (
        tempfile.TemporaryDirectory(prefix="stepline-javascript-") as folder,
        running_stack(Path(folder), **SETTINGS, CORS_ALLOWED_ORIGINS=shop) as stack,
    ):
        manage(stack, "import_process", str(PROCESS), "--publish", "--user", stack.account[0])
        yield stack


def manage(stack: Stack, *arguments: str) -> str:
    """Run a management command on the stack's data, and return what it printed."""
    program = Program([sys.executable, "manage.py", *arguments], variables=stack.variables)
    try:
        assert program.wait() == 0, program.output
        return program.output
    finally:
        program.close()


@pytest.fixture(scope="session")
def token(stack: Stack) -> str:
    """Return an API token that may do whatever the local account may."""
    told = manage(stack, "create_api_token", stack.account[0], "--name", "javascript", "--scope", "write")
    return next(word for word in told.split() if word.startswith("stl_"))


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Return the path of a file that lets work go on once it is there."""
    return tmp_path / "gate"


Run = Callable[..., Program]


@pytest.fixture
def run(workspace: Workspace, stack: Stack, token: str) -> Iterator[Run]:
    """Start a program in Node.js, which talks to the stack by a token."""
    programs: list[Program] = []

    def start(name: str, **parameters: object) -> Program:
        given = {"baseUrl": stack.address, "token": token, **parameters}
        variables = {"PARAMETERS": json.dumps(given)}
        programs.append(Program([str(NODE), str(workspace.program(name))], variables=variables))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


def told(program: Program) -> list[object]:
    """Wait for a program's good end, and return what it has told, line by line."""
    assert program.wait() == 0, program.output
    return [json.loads(line) for line in program.lines]


def kill_servers(stack: Stack) -> None:
    """Kill the web servers, which the stack starts again."""
    servers = stack.pids(b"uvicorn")
    assert servers
    for pid in servers:
        os.kill(pid, signal.SIGKILL)


def log_of(stack: Stack, token: str, task_id: str) -> list[dict[str, object]]:
    """Return the whole log of an ended task, as the server keeps it."""
    address = f"{stack.address}/api/tasks/{task_id}/updates/?since=0"
    answer = httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def call(stack: Stack, token: str, fn: str, **arguments: object) -> dict[str, str]:
    """Call a function as a program with a token does."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.post(f"{stack.address}/api/rpc/{fn}", json=arguments, headers=headers, timeout=60)
    answer.raise_for_status()
    found: dict[str, str] = answer.json()
    return found
