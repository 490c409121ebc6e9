"""Carry all patterns out, and write docs/patterns.md from what has passed: `python -m tests.patterns`."""

import sys
from pathlib import Path

import pytest

from tests.patterns.catalogue import read_patterns
from tests.patterns.page import PAGE, render


class Passed:
    """Note the names of tests that have passed."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what has passed, and not what went wrong before or after."""
        name = report.nodeid.rpartition("::")[2]
        if report.when == "call" and report.passed:
            self.names.add(name)
        elif report.failed:
            self.names.discard(name)


def main() -> int:
    """Write the page, and return 1 if not all have passed."""
    passed = Passed()
    code = pytest.main(["-q", str(Path(__file__).with_name("test_patterns.py"))], plugins=[passed])
    PAGE.write_text(render(read_patterns(), passed=passed.names), encoding="utf-8", newline="\n")
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
