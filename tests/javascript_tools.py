"""Tools of JavaScript that tests of other things use; a plugin of the tests that need them."""

from pathlib import Path

import pytest

from tests.javascript.npm import installed_packages

__all__ = ["typescript_compiler"]


@pytest.fixture(scope="session")
def typescript_compiler() -> Path:
    """Return what Node.js runs to compile TypeScript."""
    return installed_packages() / "typescript" / "bin" / "tsc"
