"""Our ASGI application, with the peer's views beside our own pages."""

from django.conf import settings

# First, since it sets Django up.
from config.asgi import application

settings.ROOT_URLCONF = "benchmarks.peers.plain_files"

__all__ = ["application"]
