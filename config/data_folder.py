"""The data folder: what lies where, private files, and a socket path that is short enough.

secret-key            the generated SECRET_KEY, mode 0600
encryption-key        the generated STEPLINE_ENCRYPTION_KEYS, mode 0600
mail/                 mail that was sent without a mail server, under DEBUG
db.sqlite3            the embedded database; beside it SQLite's own files, and `-turns`, at which workers take turns
media/ static/        uploads; collected static files
broker/               the embedded Valkey's append-only files
run/valkey.sock       its socket (or `socket-folder` names a shorter place)
log/<service>.log     what each service printed
up.lock               held by the running supervisor
local-account.json    the generated sign-in of `make run`, mode 0600
"""

import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from config.problems import EnvironmentProblem

#: `sun_path` holds 108 bytes on Linux and 104 on macOS, with the closing zero; leave room for a temporary suffix.
SOCKET_PATH_LIMIT_BYTES = 96

SOCKET_NAME = "valkey.sock"


def ensure_private_folder(path: Path) -> Path:
    """Create a folder that only its owner can enter, with its parents; an existing one is left as it is.

    Raises EnvironmentProblem when it can't be created or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"can't create the folder {path} ({_reason(error)}): set STEPLINE_DATA_DIR to a folder you may write to"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise EnvironmentProblem(
            f"can't write to the folder {path}: change its permissions, or set STEPLINE_DATA_DIR to another one"
        )
    return path


def write_private_file(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it, from its first byte on."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"can't write {path} ({_reason(error)}): change its permissions, or set STEPLINE_DATA_DIR to another folder"
        ) from error


def new_secret() -> str:
    """Return 512 random bits as text."""
    return secrets.token_urlsafe(64)


def read_or_create_secret(path: Path, *, make: Callable[[], str] = new_secret) -> str:
    """Return the secret kept in a file, creating it once; two processes that come first together agree on one."""
    kept = _read_text(path)
    if kept:
        return kept
    ensure_private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private_file(temporary, make() + "\n")
    try:
        # A link never replaces: whoever comes second reads the first one's secret.
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links: the last one wins, which matters only in the very first second.
        temporary.replace(path)
    temporary.unlink(missing_ok=True)
    return _read_text(path)


def socket_path(data_folder: Path) -> Path:
    """Return where the embedded broker's socket is, without creating anything.

    A path that is too long for the system moves to a folder under the temporary directory, named by a hash of the data
    folder. That folder is remembered in the data folder, because another process may have another temporary directory.
    """
    direct = data_folder / "run" / SOCKET_NAME
    if len(os.fsencode(direct)) <= SOCKET_PATH_LIMIT_BYTES:
        return direct
    remembered = _read_text(data_folder / "socket-folder")
    if remembered:
        return Path(remembered) / SOCKET_NAME
    name = hashlib.sha256(os.fsencode(data_folder)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"stepline-{os.getuid()}-{name}" / SOCKET_NAME
    if len(os.fsencode(short)) > SOCKET_PATH_LIMIT_BYTES:
        short = Path("/tmp") / short.parent.name / SOCKET_NAME  # noqa: S108 -- the folder is private and checked
    return short


def prepare_socket_folder(data_folder: Path) -> Path:
    """Create the socket's private folder, remember it when it lies elsewhere, and return the socket's path.

    Raises EnvironmentProblem when somebody else owns the folder or may enter it: whoever owns the broker's folder
    could feed the workers.
    """
    path = socket_path(data_folder)
    folder = ensure_private_folder(path.parent)
    if folder.parent == data_folder:
        folder.chmod(0o700)
        return path
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise EnvironmentProblem(
            f"the folder {folder} isn't private to this user: remove it, or set STEPLINE_DATA_DIR to a shorter path"
        )
    write_private_file(data_folder / "socket-folder", f"{folder}\n")
    return path


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise EnvironmentProblem(
            f"can't read {path} ({_reason(error)}): change its permissions, or set STEPLINE_DATA_DIR to another folder"
        ) from error


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
