"""What is said to workers, and how often."""

from queue import SimpleQueue

import pytest

from tasks.services import hints

Sent = list[tuple[str, int, bool]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    noted: Sent = []

    def note(queue: str, *, count: int, early: bool) -> bool:
        noted.append((queue, count, early))
        return True

    monkeypatch.setattr(hints, "send_hint", note)
    return noted


def work_off(*wanted: tuple[str, bool]) -> None:
    """Let the thread that sends hints find all of these at once, and then the end."""
    hinter = object.__new__(hints._Hinter)
    hinter._queue = SimpleQueue()
    for each in wanted:
        hinter._queue.put(each)
    hinter._queue.put(None)
    hinter._work()


def test_hints_of_one_queue_that_come_together_leave_as_one(sent: Sent) -> None:
    work_off(("default", False), ("slow", False), ("default", False))
    assert sent == [("default", 2, False), ("slow", 1, False)]


def test_no_more_leave_than_there_are_workers(sent: Sent, settings: object) -> None:
    settings.STEPLINE_WORKER_SLOTS = 3  # type: ignore[attr-defined]
    work_off(*[("default", False)] * 50)
    assert sent == [("default", 3, False)]


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_a_hint_that_was_early_stays_so_among_others(sent: Sent, order: tuple[bool, bool]) -> None:
    work_off(*[("default", early) for early in order])
    assert sent == [("default", 2, True)]
