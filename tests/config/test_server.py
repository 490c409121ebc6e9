"""The application as a server process runs it."""

import resource
import subprocess
import sys

import pytest

from config.open_files import MOST_FILES, allow_connections
from tests.config.conftest import ROOT
from tests.environment import surroundings


def test_what_is_loaded_is_out_of_the_collectors_way() -> None:
    asked = "import gc, sys, config.server as s; print(gc.get_freeze_count(), 'processes.pages.urls' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=True
    )
    frozen, has_views = told.stdout.split()
    assert int(frozen) > 50_000
    assert has_views == "True"


def test_a_server_may_have_as_many_connections_as_the_system_allows() -> None:
    asked = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, 3_000)); import config.server;"
        " print(*r.getrlimit(r.RLIMIT_NOFILE))"
    )
    told = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["3000", "3000"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param((1_024, resource.RLIM_INFINITY), (MOST_FILES, resource.RLIM_INFINITY), id="any number"),
        pytest.param((1_024, 1_000_000), (MOST_FILES, 1_000_000), id="more than are needed"),
        pytest.param((100_000, 1_000_000), None, id="more already"),
        pytest.param((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, id="no limit"),
    ],
)
def test_no_limit_is_lowered(
    limits: tuple[int, int], expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, found: given.append(found))

    allow_connections()

    assert given == ([] if expected is None else [expected])
