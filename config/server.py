"""The ASGI application as a server process runs it: loaded as a whole, out of the garbage collector's way, for many."""

from django.urls import get_resolver

from config.asgi import application
from config.open_files import allow_connections
from tasks.services.collector import keep_loaded

__all__ = ["application"]

# Imports the views of all apps, which otherwise the first request would wait for.
_ = get_resolver().url_patterns
keep_loaded()
allow_connections()
