"""The environment of the peers that are no dependency of ours: made when a benchmark needs it, kept for the next one.

It holds what `requirements/peers.txt` pins. A benchmark's process is told of its Python by a variable; without it the
figures beside these peers are left out.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

from config.data_folder import ensure_private_folder
from config.environment import BASE_DIR

NAMES = "DBOS, viewflow and Prefect"
VARIABLE = "STEPLINE_BENCH_PEERS_PYTHON"
LOCK_FILE = BASE_DIR / "requirements" / "peers.txt"
FOLDER = BASE_DIR / "var" / "peers"
_QUOTED_CHARS = 300


class PeersMissing(Exception):
    """The environment can't be made; the text says why."""


def peers_python() -> str | None:
    """Return the Python of the peers' environment, where this benchmark has one."""
    return os.environ.get(VARIABLE)


def make_peers_environment(*, folder: Path = FOLDER, lock_file: Path = LOCK_FILE) -> Path:
    """Return its Python, after bringing it to what the lock file says.

    Quick when there is nothing to do, and safe to call twice at once. Raises PeersMissing.
    """
    # The data folder, when it isn't there yet; nobody else may look into it.
    ensure_private_folder(folder.parent)
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if python.exists() and stamp.exists() and stamp.read_text() == wanted:
            return python
        # What is half made, or was made of another lock, tells nobody that it is whole.
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--no-python-downloads", "--python", sys.executable, str(folder))
        _uv("pip", "sync", "--require-hashes", "--python", str(python), str(lock_file))
        stamp.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    command = [find_uv_bin(), "--quiet", *arguments]
    completed = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=False)
    if completed.returncode:
        said = " ".join(completed.stderr.split())
        raise PeersMissing(f"uv {arguments[0]} failed: {said[:_QUOTED_CHARS]}")
