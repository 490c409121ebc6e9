"""docs/patterns.md shows what the definitions say and what tests have proved."""

import inspect
import json
import re

import pytest

from processes.services.documents import load_document
from tests.patterns import test_patterns
from tests.patterns.catalogue import Pattern, read_patterns
from tests.patterns.page import COMMAND, PAGE, render

PATTERNS = read_patterns()
#: The tests that count: one that is skipped, or may fail, proves nothing.
TESTS = {
    name
    for name, function in inspect.getmembers(test_patterns, inspect.isfunction)
    if name.startswith("test_") and not getattr(function, "pytestmark", [])
}


def test_the_page_is_current() -> None:
    # Whether these tests pass is for them to say, in the same run.
    current = render(PATTERNS, passed=TESTS)
    assert PAGE.read_text(encoding="utf-8") == current, f"run: {COMMAND}"


def test_there_are_the_twenty_patterns_each_with_a_test_of_its_own() -> None:
    assert [known.number for known in PATTERNS] == list(range(1, 21))
    assert len({known.name for known in PATTERNS}) == 20
    assert sorted(known.test for known in PATTERNS) == sorted(TESTS)
    assert not hasattr(test_patterns, "pytestmark")


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda known: known.name)
def test_what_no_test_has_proved_is_not_shown_as_supported(pattern: Pattern) -> None:
    page = render([pattern], passed=TESTS - {pattern.test})
    assert f"| [{pattern.name}](#{pattern.anchor}) | no |" in page
    assert "Not supported" in page
    assert pattern.test not in page
    assert pattern.expressed not in page


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda known: known.name)
def test_a_definition_that_is_shown_can_be_taken_as_it_stands(pattern: Pattern) -> None:
    [shown] = re.findall(r"^```json\n(.*?)^```", render([pattern], passed=TESTS), re.DOTALL | re.MULTILINE)
    document = json.loads(shown)
    assert document == {"bindings": pattern.bindings, "definition": pattern.definition}
    assert load_document(document).plan.actions
