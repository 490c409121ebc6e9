"""What docs/callbacks.md says of states, statuses and processes is so."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from processes.domain.callbacks import STATES
from processes.errors import ProcessError
from processes.pages.errors import status_of
from processes.services.documents import load_document

PAGE = (Path(__file__).parents[3] / "docs" / "callbacks.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_table_of_states_is_what_the_domain_knows() -> None:
    rows = re.findall(r"^\| \S.*? \| `(\w+)` \| (`.*`) \|$", PAGE, re.MULTILINE)
    told = {status: tuple(re.findall(r"`(\w+)`", names)) for status, names in rows}
    assert told == {report.status.value: (report.state, *report.alternatives) for report in STATES.values()}


def test_the_table_of_answers_has_the_statuses_of_their_codes() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == 6
    assert {code: int(status) for status, code in rows} == {
        code: status_of(ProcessError(code=code)) for _, code in rows
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example)[:40])
def test_an_example_is_a_process(example: Any) -> None:
    """One that shows a single action goes with actions of the names that it leads to."""
    actions = example
    if isinstance(example, dict):
        lookup = example["next"] or {}
        actions = [example, *({"name": name, "script": "noop"} for name in lookup.values() if isinstance(name, str))]
    assert load_document({"definition": actions}).plan.actions
