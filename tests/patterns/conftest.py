"""Carrying patterns out: what they do is noted, and what they wait for happens when the test says so."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet

from processes.domain.application import Application
from processes.domain.callbacks import REPORTS
from processes.errors import CallbackConflictError
from processes.models import Callback, FanOutItem, Run
from processes.services.callbacks import report_callback
from tasks.services.jobs import wake_due
from tests.patterns.catalogue import Pattern, read_patterns
from tests.processes.scripts.test_wait_script import make_due
from tests.processes.services.conftest import RunKit, kit

__all__ = ["kit"]


class Carried:
    """A pattern's definition as a durable run, whose `work` is noted, and to whose callbacks the test reports."""

    def __init__(self, kit: RunKit, pattern: Pattern) -> None:
        self.kit = kit
        self.run_id = uuid.UUID(int=0)
        #: The work that was done, in its order.
        self.done: list[str] = []
        #: What else an action does when it works: sets a state, or finds something out.
        self.does: dict[str, Callable[[Application], None]] = {}
        self._earlier: list[uuid.UUID] = []
        bindings = {**pattern.bindings, "work": kit.script(self._work)}
        self._template = kit.template(*pattern.definition, bindings=bindings)

    def begin(self, **data: Any) -> None:
        """Start a run with these data, and let it work until it waits or ends."""
        self.done.clear()
        self._earlier = list(Callback.objects.values_list("pk", flat=True))
        self.run_id = self.kit.start(template=self._template, data=data)
        self.kit.work()

    @property
    def status(self) -> str:
        """How the run stands."""
        return str(self.kit.run(self.run_id).status)

    @property
    def awaited(self) -> list[str]:
        """The anchors that wait for a report now, in whichever run, those of items with their item."""
        return sorted(_name(callback) for callback in self._callbacks().filter(ended_at=None))

    def happen(self, *names: str, report: str = "complete") -> None:
        """Report to anchors, of each name to the one that has waited longest; then all works that can."""
        for name in names:
            waiting = self._callbacks().filter(ended_at=None)
            self._report(next(callback for callback in waiting if _name(callback) == name), report)
        self.kit.work()

    def happen_too_late(self, name: str, *, report: str = "complete") -> None:
        """Report to an anchor that has waited once, and doesn't any more: that is refused."""
        assert name not in self.awaited
        *_, latest = (callback for callback in self._callbacks() if _name(callback) == name)
        with pytest.raises(CallbackConflictError):
            self._report(latest, report)
        self.kit.work()

    def pass_time(self, name: str) -> None:
        """Let the time be over that the branch of this name waits for."""
        make_due(self._branch(name).pk)
        wake_due()
        self.kit.work()

    def statuses(self, *names: str) -> list[str]:
        """Return how the runs of branches stand that have these names."""
        return [self._branch(name).status for name in names]

    def _branch(self, name: str) -> Run:
        return Run.objects.get(fan_out__run_id=self.run_id, root__title=name)

    def _callbacks(self) -> QuerySet[Callback]:
        return Callback.objects.exclude(pk__in=self._earlier).select_related("run").order_by("created_at")

    @staticmethod
    def _report(callback: Callback, report: str) -> None:
        # Data of its own, so that it isn't taken for the same report once more.
        report_callback(callback.pk, report=REPORTS[report], data=uuid.uuid4().hex)

    def _work(self, app: Application) -> None:
        assert app.action is not None
        name = f"{app.action.name}: {app.data['item']}" if "item" in app.data else app.action.name
        self.done.append(name)
        if (act := self.does.get(name)) is not None:
            act(app)


def _name(callback: Callback) -> str:
    """Return the anchor's name, with the item that its run works off."""
    items = FanOutItem.objects.filter(fan_out_id=callback.run.fan_out_id, index=callback.run.first_index)
    item = items.exclude(fan_out__item_key="").values_list("item", flat=True).first()
    return callback.action if item is None else f"{callback.action}: {json.loads(item)}"


def states(*given: str | None) -> Callable[[Application], None]:
    """Return what sets one state after the other, time by time."""
    remaining = iter(given)

    def act(app: Application) -> None:
        app.state = next(remaining)

    return act


@pytest.fixture
def carried(request: pytest.FixtureRequest, kit: RunKit) -> Carried:
    """Return the pattern that names the test as its own."""
    [pattern] = [known for known in read_patterns() if known.test == request.node.name]
    return Carried(kit, pattern)
