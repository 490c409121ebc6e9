"""Prepare the environment before pytest loads the settings (pytest imports this module first: see pyproject.toml).

Each run has its own folder, and each worker process of a run its own data folder in it: nothing is shared with another
run on this machine, nor with the data of `make run`.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_RUN_FOLDER = "STEPLINE_TEST_RUN_FOLDER"

#: What a test may set on purpose; whatever the developer's shell holds must not change a test's outcome.
_VARIABLES = (
    "ALLOWED_HOSTS",
    "BROKER_URL",
    "CHANNEL_LAYER_URL",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DEBUG",
    "DEFAULT_FROM_EMAIL",
    "EMAIL_URL",
    "LOG_LEVEL",
    "MEDIA_ROOT",
    "REDIS_URL",
    "SECRET_KEY",
    "STATIC_ROOT",
    "STEPLINE_CALLER_HOSTS",
    "STEPLINE_CANCEL_GRACE_SECONDS",
    "STEPLINE_DEAD_LETTERS_KEPT_DAYS",
    "STEPLINE_ENCRYPTION_KEYS",
    "STEPLINE_HSTS_SECONDS",
    "STEPLINE_KEEP_ANSWERS",
    "STEPLINE_KEPT_DAYS",
    "STEPLINE_LEASE_SECONDS",
    "STEPLINE_OUTBOUND_HOSTS",
    "STEPLINE_OUTBOUND_PRIVATE",
    "STEPLINE_PROXY_SCHEME_HEADER",
    "STEPLINE_QUEUES",
    "STEPLINE_SITE_NAME",
    "STEPLINE_THEME",
    "STEPLINE_TOKEN",
    "STEPLINE_URL",
    "STEPLINE_DRAFT_DAYS",
    "STEPLINE_HOOK_MAX_BYTES",
    "STEPLINE_MESSAGE_DAYS",
    "STEPLINE_MESSAGE_MAX_BYTES",
    "STEPLINE_UPLOAD_MAX_BYTES",
    "STEPLINE_STALL_NO_WORKER_SECONDS",
    "STEPLINE_STALL_SILENT_SECONDS",
    "STEPLINE_WORKERS",
    "TIME_ZONE",
)


def _run_folder() -> Path:
    """Return the run's folder; the first process creates it, hands it on, and removes it at the end."""
    if _RUN_FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="stepline-test-")
        os.environ[_RUN_FOLDER] = folder
        owner = os.getpid()
        atexit.register(_remove_if_owner, folder, owner)
    return Path(os.environ[_RUN_FOLDER])


def _remove_if_owner(folder: str, owner: int) -> None:
    # A process forked by a test runs this too when it ends.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> Path:
    data_folder = _run_folder() / os.environ.get("PYTEST_XDIST_WORKER", "main")
    data_folder.mkdir(mode=0o700, exist_ok=True)
    for name in _VARIABLES:
        os.environ.pop(name, None)
    os.environ["STEPLINE_DATA_DIR"] = str(data_folder)
    os.environ["STEPLINE_HTTPS"] = "0"
    # The servers on which to run; without them, SQLite and an embedded Valkey.
    for name in ("DATABASE_URL", "BROKER_URL", "CHANNEL_LAYER_URL"):
        if url := os.environ.get(f"TEST_{name}", ""):
            os.environ[name] = _own_database(url) if "redis" in url.partition(":")[0] else url
    # Nobody needs a test's rows after a power failure: PostgreSQL needn't wait for the disk at each commit.
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
    if os.environ.get("BROKER_URL", "").startswith("amqp"):
        # Processes that test side by side share the virtual host, but what they send to workers of their own.
        os.environ["STEPLINE_QUEUES"] = f"{data_folder.parent.name}-{data_folder.name},default"
    return data_folder


def _own_database(url: str) -> str:
    """Return the URL of this process's own database of a Redis: of those from the given one on."""
    server, _, first = url.rpartition("/")
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or "0"
    return f"{server}/{int(first) + int(number)}"


def surroundings() -> dict[str, str]:
    """Return this process's environment for a program that a test starts, without what only the tests may do."""
    return {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}


DATA_FOLDER = _prepare()
