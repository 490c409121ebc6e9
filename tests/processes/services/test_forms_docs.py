"""The examples of the page about forms are right."""

import json
import re
from pathlib import Path

import pytest

from processes.registry import queryset, querysets
from processes.services.documents import load_document
from processes.services.form_fields import _ONLY_FOR, FIELD_TYPES, WIDGETS, FieldConfig

PAGE = (Path(__file__).parents[3] / "docs" / "forms.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_published(example: str) -> None:
    queryset("active_teams")(lambda user: None)
    try:
        assert load_document(json.loads(example)).plan.actions
    finally:
        querysets.unregister("active_teams")


@pytest.mark.parametrize("name", [*FIELD_TYPES, *FieldConfig.model_fields, *_ONLY_FOR, *WIDGETS])
def test_every_type_and_option_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE
