"""The ASGI application as a server process runs it: loaded as a whole, and out of the garbage collector's way.

What a process has loaded lives as long as it does. The collector would look through all of it every few dozen requests,
which takes a tenth of a second and more, for whoever's request, or update, comes at that moment.
"""

import gc

from django.urls import get_resolver

from config.asgi import application

__all__ = ["application", "keep_loaded"]


def keep_loaded() -> None:
    """Load what answers requests, and let the collector leave alone whatever is there by now."""
    # Imports the views of all apps, which otherwise the first request would wait for.
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()


keep_loaded()
