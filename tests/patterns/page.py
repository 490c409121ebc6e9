"""Write docs/patterns.md from the definitions, and from which of their tests have passed."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from processes.domain.authoring.json_layout import lay_out
from tests.patterns.catalogue import Pattern

PAGE: Final = Path(__file__).parents[2] / "docs" / "patterns.md"
COMMAND: Final = "python -m tests.patterns"
_WIDTH: Final = 150
_INTRODUCTION: Final = f"""\
# Control-flow patterns

Workflow languages are commonly compared by twenty patterns (van der Aalst, ter Hofstede, Kiepuszewski and Barros,
*Workflow Patterns*, 2003). This is how a process expresses each of them. A test carries each definition out as a
background run, and proves what the pattern is about: its name stands below. This page is made from the definitions and
from the tests that have passed (`{COMMAND}`).

The definitions run as they stand. `work` is whatever is to be done, so bind something else to it; what waits for
something from outside is a [callback](callbacks.md). How actions follow each other is told in
[the language](language.md), what the scripts take in [the scripts](scripts.md)."""


def render(patterns: Collection[Pattern], *, passed: Collection[str]) -> str:
    """Return the page; what no passed test proves isn't shown as supported."""
    sections = (_section(known, passed) for known in patterns)
    return "\n\n".join([_INTRODUCTION, _table(patterns, passed), *sections]) + "\n"


def _table(patterns: Collection[Pattern], passed: Collection[str]) -> str:
    rows = (f"| {known.number} | [{known.name}](#{known.anchor}) | {_support(known, passed)} |" for known in patterns)
    return "\n".join(["| | pattern | support |", "| --- | --- | --- |", *rows])


def _section(pattern: Pattern, passed: Collection[str]) -> str:
    return "\n\n".join(_paragraphs(pattern, passed))


def _paragraphs(pattern: Pattern, passed: Collection[str]) -> Iterator[str]:
    yield f"## {pattern.name}"
    yield pattern.meaning
    if pattern.test not in passed:
        yield "*Not supported: no test proves it.*"
        return
    yield pattern.expressed
    yield f"```json\n{_document(pattern)}\n```"
    yield f"Proved by `{pattern.test}`."


def _document(pattern: Pattern) -> str:
    # An action a line, also where there are few of them.
    actions = ",\n".join(f"    {lay_out(action, width=_WIDTH, indent=4)}" for action in pattern.definition)
    bindings = lay_out(pattern.bindings, width=_WIDTH, indent=2)
    return f'{{\n  "bindings": {bindings},\n  "definition": [\n{actions}\n  ]\n}}'


def _support(pattern: Pattern, passed: Collection[str]) -> str:
    return pattern.support if pattern.test in passed else "no"
