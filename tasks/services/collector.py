"""Python's garbage collector in processes that live long, and mustn't keep anybody waiting.

What a process has loaded lives as long as it does. The collector would look through all of it every few dozen requests
or jobs, which takes a tenth of a second and more, for whoever's turn comes at that moment.
"""

import gc
from typing import Final

__all__ = ["keep_loaded"]

#: Objects that may come, and not go, before the collector looks among them; Python's own is 700.
_ALLOCATIONS: Final = 50_000


def keep_loaded() -> None:
    """Let the collector leave alone whatever is there by now."""
    gc.collect()
    gc.freeze()
    # Counted from here on, little is long-lived, and a full collection would come every few requests. Of what a request
    # leaves next to nothing is cyclic: it may wait, for some megabytes.
    gc.set_threshold(_ALLOCATIONS, 10, 10)
