"""The processes that live long, as they are run: what they have loaded is out of the garbage collector's way."""

import subprocess
import sys

from tests.config.conftest import ROOT
from tests.environment import surroundings

_SERVER = "import gc, sys, config.server; print(gc.get_freeze_count(), 'processes.pages.urls' in sys.modules)"
#: What Celery does for each process of a worker.
_WORKER = """
import gc, os
import django
django.setup()
import config.celery, tasks.worker
from celery.signals import worker_process_init
if os.fork():
    os.wait()
else:
    worker_process_init.send(sender=None)
    print(gc.get_freeze_count(), gc.get_threshold()[0], flush=True)
    os._exit(0)
"""


def told_by(program: str) -> list[str]:
    variables = {**surroundings(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    return ran.stdout.split()


def test_a_server_has_loaded_everything_before_its_first_request() -> None:
    frozen, has_views = told_by(_SERVER)

    assert int(frozen) > 50_000
    assert has_views == "True"


def test_a_workers_process_keeps_what_it_was_forked_with() -> None:
    frozen, allocations = told_by(_WORKER)

    assert int(frozen) > 50_000
    assert int(allocations) > 10_000
