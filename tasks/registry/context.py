"""What a job's function can ask and tell while it works."""

import uuid
from typing import Protocol

from tasks.domain.jsonvalue import JSON, JSONObject


class JobContext(Protocol):
    """Say what a job's function can ask and tell while it works."""

    @property
    def id(self) -> uuid.UUID:
        """The id of the job and of its root."""

    @property
    def arguments(self) -> JSONObject:
        """What the job was enqueued with, as it is stored."""

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""

    @property
    def is_retry(self) -> bool:
        """Whether an earlier attempt has failed."""

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job is tried no more if this attempt fails."""

    @property
    def must_yield(self) -> bool:
        """Whether the claim has lasted long enough: end it at the next checkpoint."""

    @property
    def saved(self) -> JSON:
        """What this or an earlier attempt has saved last; None where nothing was."""

    def save(self, state: JSON) -> None:
        """Store `state` at once, for the attempt that follows this one, whatever becomes of it.

        Raises StaleFence where the work was taken over, ValueError where `state` isn't JSON or is too long.
        """

    async def asave(self, state: JSON) -> None:
        """Do what `save` does, in a coroutine."""

    def progress(self, percent: float, message: str | None = None) -> None:
        """Report a percentage, clamped to 0 to 100, and a message."""

    def check_cancelled(self) -> None:
        """Raise where the work is to stop.

        TaskCancelled once cancellation was asked for, JobTimeout once the time is over, StaleFence once the work was
        taken over.
        """
