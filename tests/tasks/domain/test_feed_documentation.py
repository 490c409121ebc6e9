"""docs/feed.md lists every type of update and every status."""

from pathlib import Path

import pytest

from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import OUT_OF_BAND_TYPES, UpdateType

PAGE = (Path(__file__).parents[3] / "docs" / "feed.md").read_text()


@pytest.mark.parametrize("kind", list(UpdateType))
def test_every_type_of_update_has_its_row(kind: UpdateType) -> None:
    assert f"| `{kind.value}` |" in PAGE


@pytest.mark.parametrize("status", [*JobStatus, NodeStatus.SKIPPED, NodeStatus.COMPENSATED])
def test_every_status_is_named(status: str) -> None:
    assert f"`{status}`" in PAGE


def test_what_may_come_between_checkpoints_is_named() -> None:
    sentence = PAGE.partition("Between two checkpoints only ")[2].partition(" appear")[0]
    assert {kind.value for kind in OUT_OF_BAND_TYPES} == set(sentence.replace("`", "").replace(" and", ",").split(", "))
