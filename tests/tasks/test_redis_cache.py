"""The cache in Redis: its connections are the process's, and not those of each request."""

import uuid
from contextvars import Context
from typing import Any

import pytest
from django.core.cache import caches

NAME = f"test-{uuid.uuid4().hex}"


@pytest.fixture
def cache_of_requests(broker: object, settings: Any) -> str:
    """Have a cache whose connections the server knows by their name."""
    own = settings.CACHES["default"]
    if "redis_cache" not in str(own["BACKEND"]):
        pytest.skip("the channel layer's server keeps no values")
    settings.CACHES = {**settings.CACHES, "named": {**own, "OPTIONS": {**own["OPTIONS"], "client_name": NAME}}}
    return "named"


def test_requests_leave_no_connections_to_the_cache_behind(cache_of_requests: str) -> None:
    kept = []

    def request(number: int) -> Any:
        # As in a stream, whose context lasts as long as its client stays.
        cache = caches[cache_of_requests]
        cache.set("number", number, 5)
        assert cache.get("number") == number
        return cache

    for number in range(5):
        context = Context()
        kept.append((context, context.run(request, number)))

    client = kept[0][1]._cache.get_client()
    assert len({id(cache) for _, cache in kept}) == 5
    assert [one["name"] for one in client.client_list()].count(NAME) == 1
    client.connection_pool.disconnect()
