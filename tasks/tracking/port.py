"""Where `start_task` goes once Django is set up.

Code that starts trees may be imported before Django has its models, so it can't import what writes them: the app
connects that when it is ready.
"""

import uuid
from dataclasses import dataclass
from typing import Protocol

from tasks.domain.jsonvalue import JSON
from tasks.errors import NotConnected
from tasks.tracking.current import TrackedNode


class TaskOwner(Protocol):
    """Say to whom a tree belongs: a user, or the session of someone who is not signed in."""

    @property
    def user_id(self) -> int | str | None:
        """The user, None for somebody not signed in."""

    @property
    def session_key(self) -> str:
        """The session of somebody not signed in; empty for a user."""


class TaskUser(Protocol):
    """Say what a user of Django's has: a key, None for somebody not signed in."""

    @property
    def pk(self) -> int | str | None:
        """The user's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Say how a tree begins."""

    meta: object = None
    meta_model: type | None = None
    total: float | None = None
    input: JSON = None
    shared: bool = False
    detached: bool = False
    owner: TaskOwner | TaskUser | None = None


class Work(Protocol):
    """Say what a handle needs of work that has begun."""

    @property
    def node(self) -> TrackedNode:
        """The node that the work reports to."""

    @property
    def root_id(self) -> uuid.UUID:
        """The root whose log clients follow."""

    @property
    def is_shared(self) -> bool:
        """Whether everybody who is allowed to see shared tasks may follow it."""

    def wait_begun(self) -> None:
        """Wait a moment until clients can find it, where waiting makes sense."""

    async def wait_begun_async(self) -> None:
        """Wait a moment until clients can find it."""

    def wait_ended(self) -> None:
        """Wait a moment until its end is written, where waiting makes sense."""

    async def wait_ended_async(self) -> None:
        """Wait a moment until its end is written."""


class Starter(Protocol):
    """Begin trees."""

    def start(self, title: str, options: StartOptions) -> Work:
        """Begin work, without waiting for anything."""

    def is_in_shared(self) -> bool:
        """Tell whether the current node belongs to a shared tree."""


_starter: Starter | None = None


def connect_starter(starter: Starter | None) -> None:
    """Say what begins trees from now on; None for nothing."""
    global _starter  # noqa: PLW0603 - one for the process, as there is one Django
    _starter = starter


def connected_starter() -> Starter | None:
    """Return what begins trees; None before Django is set up."""
    return _starter


def need_starter(title: str) -> Starter:
    """Return what begins trees; raises NotConnected before Django is set up."""
    if _starter is None:
        raise NotConnected(
            "Task trees can be started once Django is set up, with `tasks` among its INSTALLED_APPS.", title=title
        )
    return _starter
