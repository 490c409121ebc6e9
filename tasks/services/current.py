"""Whose work is being carried out here: what is started within it belongs to the same owner, and ends with it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tasks.services.roots import Owner


@dataclass(frozen=True, slots=True)
class Work:
    """Hold which root is worked on, and to whom it belongs."""

    root_id: uuid.UUID
    owner: Owner


_current: ContextVar[Work | None] = ContextVar("stepline_current_work", default=None)


def current_work() -> Work | None:
    """Return the work that is carried out here, None where there is none."""
    return _current.get()


@contextmanager
def working(root_id: uuid.UUID, owner: Owner) -> Iterator[None]:
    """Carry out the work of a root for the block."""
    token = _current.set(Work(root_id, owner))
    try:
        yield
    finally:
        _current.reset(token)
