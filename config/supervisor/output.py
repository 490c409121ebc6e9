"""What services print: cut into lines, shown with the service's name, and kept in rotating files."""

import contextlib
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from config.data_folder import ensure_private_folder
from config.problems import EnvironmentProblem

LOG_FILE_BYTES = 5_000_000
LOG_FILES_KEPT = 3

#: A longer line is cut in pieces: a service that never ends its line must not fill our memory.
LONGEST_LINE_BYTES = 16_384

_COLOURS = ("36", "32", "33", "35", "34", "96", "92", "93")


class LineSplitter:
    """Cut a stream of bytes into lines of text."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now, without their ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST_LINE_BYTES:
            lines.append(self._rest[:LONGEST_LINE_BYTES])
            self._rest = self._rest[LONGEST_LINE_BYTES:]
        return [_decode(line) for line in lines]

    def finish(self) -> list[str]:
        """Return what is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return [_decode(rest)] if rest else []


class Terminal:
    """Show lines of all services, each behind its service's name, coloured where people read it."""

    def __init__(self, stream: TextIO, *, names: list[str], coloured: bool) -> None:
        self._stream = stream
        self._width = max((len(name) for name in names), default=0)
        self._colours = dict(zip(names, _COLOURS * (len(names) // len(_COLOURS) + 1), strict=False)) if coloured else {}

    def show(self, name: str, line: str) -> None:
        """Print one line of a service."""
        label = f"{name:<{self._width}}"
        if name in self._colours:
            label = f"\x1b[{self._colours[name]}m{label}\x1b[0m"
        self.say(f"{label} | {line}")

    def say(self, text: str) -> None:
        """Print text of the supervisor's own."""
        # The terminal may be gone (a closed window, `up | head`): the services and their files go on.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text + "\n")
            self._stream.flush()


class LogFile:
    """Keep a service's lines in `<folder>/<name>.log`, with a few older files beside it."""

    def __init__(self, *, folder: Path, name: str) -> None:
        self.path = ensure_private_folder(folder) / f"{name}.log"
        try:
            self._handler = _QuietHandler(
                self.path, maxBytes=LOG_FILE_BYTES, backupCount=LOG_FILES_KEPT, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise EnvironmentProblem(
                f"can't write {self.path} ({(error.strerror or str(error)).lower()}): change its permissions"
            ) from error

    def write(self, line: str) -> None:
        """Append a line; a full disk loses it and nothing else."""
        self._handler.handle(logging.LogRecord(self.path.stem, logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class _QuietHandler(RotatingFileHandler):
    """Drop a line that can't be written, instead of a traceback for each on the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name is logging's
        """Do nothing."""


def is_coloured(stream: TextIO, environment: dict[str, str]) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _decode(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


__all__ = ["LineSplitter", "LogFile", "Terminal", "is_coloured"]
