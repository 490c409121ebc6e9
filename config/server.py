"""The ASGI application as a server process runs it: loaded as a whole, and out of the garbage collector's way."""

from django.urls import get_resolver

from config.asgi import application
from tasks.services.collector import keep_loaded

__all__ = ["application"]

# Imports the views of all apps, which otherwise the first request would wait for.
_ = get_resolver().url_patterns
keep_loaded()
