"""The Python client where nothing of a server is installed."""

import subprocess
import sys
from pathlib import Path

#: What a program that only follows tasks has no use for.
NOT_THERE = ("asgiref", "celery", "channels", "django", "kombu", "psycopg", "redis")

PROGRAM = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_THERE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())

from tasks.client import Client, NotConfigured, Task, watch_tasks
import tasks.client.follow

try:
    Task(task_template="csv-import")
except NotConfigured as error:
    print(error.code)
loaded = {{name.partition(".")[0] for name in sys.modules}} & set({NOT_THERE!r})
assert not loaded, loaded
assert not {{"processes", "config"}} & set(sys.modules)
"""


def test_it_needs_no_django() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("not_configured\n", "")
