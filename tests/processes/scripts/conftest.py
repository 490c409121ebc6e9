"""Fixtures for tests of the standard scripts."""

from collections.abc import Iterator

import pytest

from tests.processes.authority_kit import telling


@pytest.fixture
def tell() -> Iterator[str]:
    """Give the script that notes whose rights are in force."""
    with telling() as name:
        yield name
