"""The definitions in docs/pages.md work as they stand there."""

import json
import re
from pathlib import Path

import pytest

from processes.services.documents import load_document
from processes.services.page_content.filters import FILTERS
from processes.services.page_content.tags import TAGS

PAGE = (Path(__file__).parents[3] / "docs" / "pages.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("definition", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_a_process(definition: list[dict[str, object]]) -> None:
    assert load_document({"definition": definition}).plan.actions


@pytest.mark.parametrize("name", [*FILTERS.filters, *TAGS.tags])
def test_every_tag_and_filter_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE or f"{{% {name} " in PAGE
