"""The classic workflow patterns: where their definitions lie, and what is said of each."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "definitions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern, how it is expressed, and the test that carries its definition out; `work` is what is to be done."""

    number: int
    name: str
    meaning: str
    expressed: str
    support: str
    test: str
    bindings: dict[str, Any]
    definition: list[dict[str, Any]]

    @property
    def anchor(self) -> str:
        """Give the anchor of its section on the page."""
        return self.name.lower().replace(" ", "-")


def read_patterns() -> list[Pattern]:
    """Read all definitions, in the order of their numbers."""
    return [Pattern(**json.loads(file.read_text(encoding="utf-8"))) for file in sorted(FOLDER.glob("*.json"))]
