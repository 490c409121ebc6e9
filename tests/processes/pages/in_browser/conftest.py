"""Forms in a real browser, served by Django's test server: nothing of ours is replaced."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _orm(orm_beside_a_browser: None) -> None:
    """Use the database in every test here."""
