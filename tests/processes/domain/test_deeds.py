"""What an operator can do with a run, by how it stands."""

import pytest

from processes.domain.deeds import Deed, RunStand, possible_deeds
from processes.domain.run_status import RUN_TERMINAL, RunStatus


def names(**stand: object) -> str:
    known = {"status": RunStatus.WAITING, **stand}
    known.setdefault("closed", known["status"] in RUN_TERMINAL)
    return " ".join(possible_deeds(RunStand(**known)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stand", "expected"),
    [
        ({}, "pause edit export cancel"),
        ({"is_to_stand_still": True}, "unpause edit export cancel"),
        ({"is_cancelling": True}, "pause edit export"),
        ({"status": RunStatus.COMPENSATING}, "pause edit export"),
        ({"has_newer_plan": True}, "pause edit move export cancel"),
        ({"was_moved": True}, "pause edit undo export cancel"),
        ({"is_part": True, "has_newer_plan": True, "was_moved": True}, "pause edit export cancel"),
        ({"status": RunStatus.FAILED}, "retry rewind export test"),
        ({"status": RunStatus.CANCELLED}, "retry rewind export"),
        ({"status": RunStatus.COMPLETED}, "rewind export test"),
        ({"status": RunStatus.COMPENSATED}, "rewind export test"),
        ({"status": RunStatus.FAILED, "is_taken_up": True}, "export test"),
        ({"status": RunStatus.FAILED, "is_part": True}, "export"),
        ({"status": RunStatus.FAILED, "closed": False}, "export"),
    ],
)
def test_what_is_possible_depends_on_how_the_run_stands(stand: dict[str, object], expected: str) -> None:
    assert names(**stand) == expected


@pytest.mark.parametrize("status", list(RunStatus))
def test_whatever_the_status_it_can_be_exported(status: RunStatus) -> None:
    assert Deed.EXPORT in possible_deeds(RunStand(status=status, closed=status in RUN_TERMINAL))
