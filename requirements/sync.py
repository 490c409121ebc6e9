"""Bring `.venv` to what a lock file says: `python requirements/sync.py runtime|dev`.

Quick when there is nothing to do, and safe to call twice at once. Needs the standard library only. The development
lock holds the runtime's pins and more, so the two share one environment.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / "bin" / "python"
KINDS = ("runtime", "dev")


def main(kind: str) -> None:
    """Install the lock of this kind unless exactly that is installed."""
    if kind not in KINDS:
        sys.exit("usage: sync.py runtime|dev")
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not works():
            create()
        if read_stamp(kind) != fingerprint(kind):
            install(kind)
            compile_own_code()


def works() -> bool:
    """Tell whether the environment has a Python that runs and is new enough."""
    program = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([PYTHON, "-c", program], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def create() -> None:
    """Make a new environment in place of none or a broken one."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            sys.exit(
                f"stepline: {sys.executable} can't create virtual environments ({module} is missing):"
                " install your system's package for it, for example python3-venv"
            )
    print("creating .venv", flush=True)
    run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], "creating .venv failed")


def install(kind: str) -> None:
    """Install what the lock pins; every file's hash is checked."""
    print(f"installing requirements/{kind}.txt", flush=True)
    for other in KINDS:
        stamp(other).unlink(missing_ok=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    requirements = str(lock_file(kind))
    run(
        [*command, "--require-hashes", "--no-deps", "--requirement", requirements],
        f"installing {requirements} failed",
        hint=" (a lost connection? behind a firewall, PIP_INDEX_URL or HTTPS_PROXY shows pip the way)",
    )
    # The development lock has all of the runtime's pins.
    for installed in KINDS if kind == "dev" else (kind,):
        stamp(installed).write_text(fingerprint(installed))


def compile_own_code() -> None:
    """Compile our own code as pip does with what it installs.

    Python would at the first start, but not where PYTHONDONTWRITEBYTECODE is set, as it is in many containers: there
    every process would compile everything anew, a second or more at each start.
    """
    subprocess.run(
        [PYTHON, "-m", "compileall", "-q", "config", "examples", "processes", "tasks"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )


def run(command: list[str], complaint: str, *, hint: str = "") -> None:
    """Run a command; end with one line when it fails."""
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"stepline: {complaint}; the lines above say why{hint}")


def lock_file(kind: str) -> Path:
    """Return the lock file's path."""
    return ROOT / "requirements" / f"{kind}.txt"


def stamp(kind: str) -> Path:
    """Return the file that says which lock is installed."""
    return FOLDER / f"installed-{kind}"


def read_stamp(kind: str) -> str:
    """Return the fingerprint of the lock that is installed, or nothing."""
    with contextlib.suppress(OSError):
        return stamp(kind).read_text()
    return ""


def fingerprint(kind: str) -> str:
    """Return the fingerprint of the lock file as it is now."""
    return hashlib.sha256(lock_file(kind).read_bytes()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
