"""The application as a server process runs it."""

import subprocess
import sys

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
