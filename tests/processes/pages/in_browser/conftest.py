"""Forms in a real browser, served by Django's test server: nothing of ours is replaced."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def orm_beside_a_browser() -> Iterator[None]:
    """Let tests use the database: Playwright keeps an event loop in their thread, in which Django would refuse."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
