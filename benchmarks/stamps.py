"""Moments that one process notes and another reads: lines of `key seconds` by the clock that all processes share."""

import os
import time
from pathlib import Path


def append_stamp(file: str, key: str) -> None:
    """Note the present moment."""
    # First of all the time; a line this short is appended in one piece.
    line = f"{key} {time.monotonic()!r}\n".encode()
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def read_stamps(file: Path) -> dict[str, float]:
    """Return the moments noted so far by key; of a key noted twice the first."""
    stamps: dict[str, float] = {}
    if file.exists():
        for line in file.read_text(encoding="ascii").splitlines():
            key, _, seconds = line.partition(" ")
            stamps.setdefault(key, float(seconds))
    return stamps


def write_stamps(file: Path, stamps: dict[str, float]) -> None:
    """Write many moments at once."""
    file.write_text("".join(f"{key} {seconds!r}\n" for key, seconds in stamps.items()), encoding="ascii")
