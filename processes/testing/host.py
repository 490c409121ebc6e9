"""Serve a test's run: in memory, at the time of its clock, with users that no database knows."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.scripts import ScriptSpec
from processes.errors import RunCancelled
from processes.services.access import Caller
from processes.services.documents import Runnable
from processes.services.running import LocalHost, local_caller
from processes.testing.answers import Answers
from processes.testing.clock import FakeClock
from processes.testing.reports import Reported
from processes.testing.users import FakeUser
from tasks.tracking import current_node, subtask, tracking

__all__ = ["KitHost"]


class KitHost(LocalHost):
    """Serve one run; what its scripts report goes to `reported`.

    `told` are the times that each step is told, by ordinal; after them, and without them, it is what the clock shows.
    """

    def __init__(
        self,
        *,
        runnable: Runnable,
        caller: Caller | None = None,
        clock: FakeClock,
        answers: Answers,
        durable: bool = False,
        told: Mapping[int, list[datetime]] | None = None,
        cancel_when: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(
            plan=runnable.plan,
            plans=runnable.plans,
            named=runnable.named,
            caller=caller or local_caller(name=runnable.name),
            clock=clock,
            outside=answers,
        )
        self.clock, self.reported = clock, Reported(runnable.name)
        self._is_durable, self._cancel_when = durable, cancel_when
        self._told = {ordinal: deque(moments) for ordinal, moments in (told or {}).items()}
        #: The ordinal of the action whose script reports now.
        self._reporting = 0

    @property
    def durable(self) -> bool:
        """Tell whether the test wants a run that may wait."""
        return self._is_durable

    def tell_time(self, ordinal: int) -> datetime:
        """Return what this step was told then, and else what the clock shows."""
        moments = self._told.get(ordinal)
        return moments.popleft() if moments else self.now()

    def check_cancelled(self) -> None:
        """Raise RunCancelled once the test says so."""
        if self._cancel_when is not None and self._cancel_when():
            raise RunCancelled("The run was cancelled.")

    def script(self, name: str) -> ScriptSpec:
        """Return a script whose reports are kept under the action's name; raises UnknownScriptError."""
        spec = super().script(name)
        function = spec.function

        def tracked(app: Application) -> object:
            if self._reporting == app.ordinal:
                # A script that another one calls reports to the same action.
                return function(app)
            self._reporting = app.ordinal
            around = current_node()
            inside = isinstance(around, Reported) and around.root is self.reported
            title = name if app.action is None else app.action.name
            with tracking(around if inside else self.reported), subtask(title, type="action"):
                return function(app)

        return replace(spec, function=tracked)

    def describe_user(self, user: object) -> dict[str, JSON]:
        """Return what conditions may know of a user."""
        return user.describe() if isinstance(user, FakeUser) else super().describe_user(user)
