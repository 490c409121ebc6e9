"""Node.js, and the packages that only tests use, installed once for this checkout."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLIENT = ROOT / "static" / "tasks"
#: Ignored by git.
CACHE = ROOT / "var" / "javascript"
TOOLS = Path(sys.executable).parent
NODE = TOOLS / "node"
PATIENCE_SECONDS = 120


def environment() -> dict[str, str]:
    """Return the environment in which npm finds its Node.js, and trusts whom this machine trusts.

    By itself Node.js knows the public authorities only, and not that of a company's proxy.
    """
    return {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "NODE_USE_SYSTEM_CA": "1"}


def npm(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run npm, and return what it printed."""
    command = [str(TOOLS / "npm"), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def installed_packages() -> Path:
    """Return `node_modules` with what the lock file names; several test processes install it once."""
    lock = (HERE / "package-lock.json").read_bytes() + (HERE / "package.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(HERE / name, folder)
            # Told early where the registry isn't to be reached.
            result = npm("ci", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000", folder=folder)
            if result.returncode:
                raise RuntimeError(f"npm can't install what the JavaScript tests need:\n{result.stderr}")
            done.touch()
    return folder / "node_modules"


def packed_client(folder: Path) -> list[str]:
    """Pack our own package as it is published, put it below `folder`, and return the names of its files."""
    result = npm("pack", "--json", "--pack-destination", str(folder), folder=CLIENT)
    if result.returncode:
        raise RuntimeError(f"npm can't pack the client:\n{result.stderr}")
    (told,) = json.loads(result.stdout)
    shutil.unpack_archive(folder / told["filename"], folder, filter="data")
    return [file["path"] for file in told["files"]]
