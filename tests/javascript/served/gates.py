"""Work that stands still until a test lets it go on: a file appears."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 120


def pass_gate(gate: str, check_cancelled: Callable[[], None]) -> None:
    """Wait until there is a file of this name; none is waited for where it is empty."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while gate and not Path(gate).exists():
        check_cancelled()
        if time.monotonic() > limit:
            raise TimeoutError(gate)
        time.sleep(0.02)
