"""Start the whole of Stepline for the demo, in a folder of its own, and stop it again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from examples.csv_import.demo.problems import DemoFailure

ROOT: Final = Path(__file__).resolve().parents[3]
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 20
# The demo runs embedded, whatever the shell is set up for: it must not write to somebody's real database.
_NOT_OURS: Final = frozenset(
    {
        "ALLOWED_HOSTS", "BROKER_URL", "CHANNEL_LAYER_URL", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "MEDIA_ROOT",
        "REDIS_URL", "SECRET_KEY", "STATIC_ROOT",
    }
)  # fmt: skip


class Stack(AbstractContextManager["Stack"]):
    """Be the running stack; leaving the block stops it, and removes its folder unless something went wrong."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stepline-demo-"))
        self.log = self.folder / "up.log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in _NOT_OURS and not name.startswith("STEPLINE_")
            },
            "DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STEPLINE_DATA_DIR": str(self.folder / "data"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "manage.py", "up", "--port", port]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise DemoFailure(f"The stack ended while it started. It says: {self._last_words()}")
                with suppress(httpx.TransportError):
                    if client.get(f"{self.url}/p/csv-import/").status_code == httpx.codes.OK:
                        return
                time.sleep(0.1)
        raise DemoFailure(f"The stack did not answer at {self.url} within {_START_SECONDS} seconds.")

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def _stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        # The supervisor stops its children, each in its own group; the group of its session is ours alone.
        for step in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, step)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
