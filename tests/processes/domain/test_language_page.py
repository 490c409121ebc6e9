"""docs/language.md: each example is refused, or runs, as the lines below it say."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from processes.domain.definition import LIFECYCLE, Action
from processes.errors import DefinitionError
from processes.testing import run

PAGE = Path(__file__).parents[3] / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```json\n(.*?)^```\n((?:- [→✗][^\n]*\n)*)", re.DOTALL | re.MULTILINE)
#: What may stand before the colon of an arrow's line, and after it.
_GIVEN = re.compile(r"(data|parameters|enters at) `([^`]*)`(?:, )?")
_GIVES = re.compile(r"(?:runs((?: `[^`]+`)+| nothing)|(data|state|fails with) `([^`]*)`)(?:; )?")


@dataclass
class Expected:
    line: str
    given: dict[str, Any] = field(default_factory=dict)
    gives: dict[str, Any] = field(default_factory=dict)


def read_arrow(line: str) -> Expected:
    """Read `→ data `…`, enters at `a`: runs `a` `b`; state `x``; whatever isn't understood is an error."""
    expected, rest = Expected(line), line.removeprefix("- → ")
    while match := _GIVEN.match(rest):
        expected.given[match[1]] = match[2] if match[1] == "enters at" else json.loads(match[2])
        rest = rest[match.end() :]
    rest = rest.removeprefix(": ")
    while match := _GIVES.match(rest):
        if match[1] is not None:
            expected.gives["runs"] = re.findall(r"`([^`]+)`", match[1])
        else:
            expected.gives[match[2]] = json.loads(match[3]) if match[2] == "data" else match[3]
        rest = rest[match.end() :]
    assert not rest, f"{line!r}: can't read {rest!r}"
    assert "runs" in expected.gives, line
    return expected


EXAMPLES = [(json.loads(block), lines.splitlines()) for block, lines in _BLOCK.findall(TEXT)]
RUNS = [(document, line) for document, lines in EXAMPLES for line in lines if line.startswith("- →")]
REFUSALS = [
    (document, [line for line in lines if line.startswith("- ✗")])
    for document, lines in EXAMPLES
    if any(line.startswith("- ✗") for line in lines)
]


def test_every_example_says_what_comes_of_it() -> None:
    assert len(EXAMPLES) == TEXT.count("```json") >= 15
    assert all(lines for _, lines in EXAMPLES)


@pytest.mark.parametrize(("document", "line"), RUNS, ids=[line for _, line in RUNS])
def test_an_example_runs_as_it_is_told(document: Any, line: str) -> None:
    expected = read_arrow(line)
    ran = run(
        document,
        data=expected.given.get("data"),
        parameters=expected.given.get("parameters"),
        action=expected.given.get("enters at"),
    )
    assert ran.actions == expected.gives["runs"]
    assert (ran.error.code if ran.error else None) == expected.gives.get("fails with")
    if "data" in expected.gives:
        assert ran.data == expected.gives["data"]
    if "state" in expected.gives:
        assert ran.state == expected.gives["state"]


@pytest.mark.parametrize(("document", "lines"), REFUSALS, ids=[lines[0] for _, lines in REFUSALS])
def test_an_example_is_refused_as_it_is_told(document: Any, lines: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        run(document)
    # The kit puts a bare array into an object.
    prefix = "/definition" if isinstance(document, list) else ""
    told = [
        f"- ✗ `{problem.path.removeprefix(prefix)}` {problem.message}"
        + (f": {problem.suggestion}" if problem.suggestion else "")
        for problem in caught.value.problems
    ]
    assert told == lines


def test_the_page_names_every_key_and_every_lifecycle_action() -> None:
    keys = [name for name in Action.__slots__ if name not in ("reference", "path", "keys")]
    assert [name for name in [*keys, "script", *LIFECYCLE] if f"| `{name}` |" not in TEXT] == []
