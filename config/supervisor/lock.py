"""One supervisor per data folder."""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType

from config.problems import EnvironmentProblem


class FolderLock:
    """Hold a data folder for this process; the kernel lets go when the process ends, however it ends."""

    def __init__(self, *, data_folder: Path, address: str) -> None:
        self._data_folder = data_folder
        self._address = address
        self._descriptor = -1

    def __enter__(self) -> "FolderLock":
        """Take the lock. Raises EnvironmentProblem, naming the holder, when another process has it."""
        path = self._data_folder / "up.lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise EnvironmentProblem(f"can't write {path}: {(error.strerror or str(error)).lower()}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe_holder(os.read(self._descriptor, 4096))
            os.close(self._descriptor)
            raise EnvironmentProblem(
                f"already running: {holder} uses {self._data_folder}: stop it first,"
                " or set STEPLINE_DATA_DIR to another folder"
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            raise EnvironmentProblem(
                f"can't lock {path} ({(error.strerror or str(error)).lower()}):"
                " set STEPLINE_DATA_DIR to a folder on a local disk"
            ) from error
        self.rename(self._address)
        return self

    def rename(self, address: str) -> None:
        """Tell under which address the holder serves."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "address": address}).encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go; the file stays, because removing it would race with whoever opens it now."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _describe_holder(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {int(holder['pid'])} ({holder['address']})"
    except (ValueError, KeyError, TypeError):
        # It has the lock but hasn't written its name yet.
        return "another process"
