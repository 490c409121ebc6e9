"""The ASGI application as a server process runs it: loaded as a whole, out of the garbage collector's way, for many.

What a process has loaded lives as long as it does. The collector would look through all of it every few dozen requests,
which takes a tenth of a second and more, for whoever's request, or update, comes at that moment.
"""

import gc

from django.urls import get_resolver

from config.asgi import application
from config.open_files import allow_connections

__all__ = ["application", "keep_loaded"]

#: Objects that may come, and not go, before the collector looks among them; Python's own is 700.
_ALLOCATIONS = 50_000


def keep_loaded() -> None:
    """Load what answers requests, and let the collector leave alone whatever is there by now."""
    # Imports the views of all apps, which otherwise the first request would wait for.
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    # Counted from here on, little is long-lived, and a full collection would come every few requests. Of what a request
    # leaves next to nothing is cyclic: it may wait, for some megabytes.
    gc.set_threshold(_ALLOCATIONS, 10, 10)


keep_loaded()
allow_connections()
