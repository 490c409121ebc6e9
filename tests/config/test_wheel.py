"""The wheel: both apps, with their pages and styles inside them."""

import subprocess
import sys
import zipfile

import pytest

from tests.config.conftest import ROOT


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Build the wheel through a source distribution, as `python -m build` does, and list it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_holds_both_apps_and_nothing_else_at_the_top(names):
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"processes", "tasks"}


@pytest.mark.parametrize("kind", ["templates", "static"])
def test_what_lies_at_the_top_of_the_repository_lies_in_its_app(names, kind):
    for app in ("processes", "tasks"):
        folder = ROOT / kind / app
        for path in folder.rglob("*"):
            if path.is_file():
                assert f"{app}/{kind}/{path.relative_to(ROOT / kind).as_posix()}" in names


def test_migrations_and_commands_are_in(names):
    assert "tasks/migrations/0001_initial.py" in names
    assert "tasks/management/commands/dispatcher.py" in names


def test_the_kit_for_tests_of_scripts_is_in(names):
    assert "processes/testing/__init__.py" in names


def test_no_tests_and_no_settings_are_in(names):
    assert not [name for name in names if "tests/" in name or "settings" in name]


def test_every_page_and_style_belongs_to_an_app():
    """What lies under another name is missing from the wheel: on purpose the examples' and the site's sign-in page."""
    folders = {path.name for kind in ("templates", "static") for path in (ROOT / kind).iterdir() if path.is_dir()}
    examples = {path.name for path in (ROOT / "examples").iterdir()}
    assert folders - examples - {"registration"} == {"processes", "tasks"}


def test_the_command_that_follows_a_task_is_in(names):
    assert [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    assert "tasks/client/follow/__init__.py" in names
