"""The admin in a real browser, served by Django's test server."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _orm(orm_beside_a_browser: None) -> None:
    """Use the database in every test here."""
