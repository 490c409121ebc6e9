"""Everything in docs/writing_scripts.md works: its blocks are carried out one after the other in a fresh project."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.conftest import ROOT

PAGE = (ROOT / "docs" / "writing_scripts.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: The comment in a block's first line that names its file.
FILE = re.compile(r"(?:#|//) (\S+)\n")

#: What a newcomer's project is made of; settings are a copy, since the page adds to them.
LINKED = ("examples", "processes", "static", "tasks", "templates", "tests", "pyproject.toml")
COPIED = ("config", "manage.py")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newcomer")
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def carried_out(project: Path) -> list[tuple[str, str]]:
    """Carry the page out; return the commands with what they printed."""
    printed: list[tuple[str, str]] = []
    for language, content in BLOCK.findall(PAGE):
        if language == "sh":
            printed.extend((command, _run(command, project)) for command in content.splitlines())
        else:
            _write(project, content)
    return printed


def _write(project: Path, content: str) -> None:
    named = FILE.match(content)
    assert named, f"this block names no file in its first line:\n{content}"
    file = project / named[1]
    body = content[named.end() :]
    if file.suffix == ".json":
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(json.loads(body)))
        return
    with file.open("a") as written:
        written.write(f"\n\n{body}")


def _run(command: str, project: Path) -> str:
    done = _carry_out(command, project)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _carry_out(command: str, project: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STEPLINE_", "PYTEST_", "COV_")) and name not in ("DATABASE_URL", "TEST_DATABASE_URL")
    }
    return subprocess.run(
        ["sh", "-c", command],
        cwd=project,
        env={
            **environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
            "STEPLINE_DATA_DIR": str(project / "var"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _printed(carried_out: list[tuple[str, str]], command: str) -> Iterator[str]:
    return (output for known, output in carried_out if known.startswith(command))


def test_every_block_is_of_a_kind_that_is_carried_out() -> None:
    languages = {language for language, _ in BLOCK.findall(PAGE)}
    assert languages == {"json", "python", "sh"}
    assert PAGE.count("```") == 2 * len(BLOCK.findall(PAGE))


def test_all_tests_of_the_page_pass(carried_out: list[tuple[str, str]], project: Path) -> None:
    written = (project / "shop" / "test_scripts.py").read_text().count("\ndef test_")
    *_, last = _printed(carried_out, "pytest")
    assert written >= 12
    assert re.search(r"(\d+) passed", last), last
    assert "failed" not in last


def test_the_process_runs_as_the_page_says(carried_out: list[tuple[str, str]]) -> None:
    (imported,) = _printed(carried_out, "python manage.py import_process")
    assert "checkout: created, published" in imported
    (printed,) = _printed(carried_out, "python manage.py run_process")
    report = json.loads(printed)
    assert (report["status"], report["data"]["total"]) == ("completed", 72.0)
    assert [entry["action"] for entry in report["trace"]] == ["greet", "discount", "thank"]


def test_the_reference_of_the_app_is_written(carried_out: list[tuple[str, str]], project: Path) -> None:
    page = (project / "shop" / "scripts.md").read_text()
    for name in ("shop_greet", "shop_discount", "shop_charge", "shop_pack", "shop_each", "shop_pay", "shop_stock"):
        assert f"### `{name}`" in page
    assert "| `percent` | whole number, at least 1, at most 90 | required | How much is taken off. |" in page


def test_a_script_module_that_breaks_stops_the_start_with_a_line_that_names_it(
    carried_out: list[tuple[str, str]], project: Path
) -> None:
    module = project / "shop" / "scripts.py"
    before = module.read_text()
    try:
        module.write_text("import nowhere_at_all\n")
        done = _carry_out("python manage.py check", project)
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert "shop.scripts can't be imported" in last
        assert "shop/scripts.py, line 1): ModuleNotFoundError: No module named 'nowhere_at_all'" in last
    finally:
        module.write_text(before)
