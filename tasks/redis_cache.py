"""A cache in Redis or Valkey whose connections the requests of a process share.

Django's makes a cache for each request, with connections of its own that nobody closes: a stream would hold one as
long as its client stays, and leave it to the garbage collector then.
"""

from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property

__all__ = ["SharedRedisCache"]

#: By server and options, one for each process. They may be used by several threads, and survive a fork.
_clients: dict[str, RedisCacheClient] = {}


class SharedRedisCache(RedisCache):
    """Do what Django's cache does, by connections that are kept from one request to the next."""

    _class: type[RedisCacheClient]
    _servers: list[str]
    _options: dict[str, Any]

    @cached_property
    def _cache(self) -> RedisCacheClient:
        return _clients.setdefault(repr((self._servers, self._options)), self._class(self._servers, **self._options))
