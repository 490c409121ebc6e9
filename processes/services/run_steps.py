"""The nodes of a run's steps in its tree.

A step is (execution, ordinal), and so is its node's id: the same in every attempt.
"""

import uuid
from collections.abc import Iterable

from django.utils.translation import gettext as _
from uuid_utils.compat import uuid5

from processes.domain.interpreter import RETRY, Pending, TraceEntry
from processes.domain.json_values import JSON
from processes.errors import ProcessError
from processes.services.indicators import spoken, told_reason
from tasks.domain.statuses import NodeStatus
from tasks.services.recorder import Recorder, TaskNode

__all__ = ["RunSteps", "step_id"]


def step_id(run_id: uuid.UUID, ordinal: int) -> uuid.UUID:
    """Return the id of a step's node."""
    return uuid5(run_id, str(ordinal))


class RunSteps:
    """Hold the nodes of the steps that have begun and not ended, by ordinal."""

    def __init__(self, *, run_id: uuid.UUID, recorder: Recorder, continues: bool) -> None:
        self._run_id = run_id
        self._recorder = recorder
        #: What earlier claims have left open, read before anything is started.
        self._left = recorder.adopt() if continues else {}
        #: A sub process's actions hang below their caller's.
        self._open: dict[int, TaskNode] = {}
        #: How the action at work has failed, if it has.
        self.last_error: ProcessError | None = None
        #: The node of the item that a child run is at, where it works off several.
        self._item: TaskNode | None = None
        self._undone: list[int] = []
        #: The step that has ended last.
        self.last_ended: TraceEntry | None = None

    def take_up(self, pending: Pending | None, *, ordinals: Iterable[int], waits: bool) -> None:
        """Take up the nodes of actions whose sub process is under way, or that wait: those with these `ordinals`.

        What is `pending` begins again where the run doesn't wait there.
        """
        if pending is None or not self._left:
            return
        by_id = {step_id(self._run_id, ordinal): ordinal for ordinal in ordinals}
        steps = {by_id[node_id]: node for node_id, node in self._left.items() if node_id in by_id}
        self._open = {
            ordinal: node
            for ordinal, node in sorted(steps.items())
            if ordinal != pending.ordinal or (waits and node.status is NodeStatus.WAITING)
        }

    def start(self, pending: Pending) -> TaskNode:
        """Start the node of an action, or take up the one that an interrupted attempt has left."""
        known = step_id(self._run_id, pending.ordinal)
        present = self._left.pop(known, None)
        if present is not None:
            for node in [node for node in self._left.values() if _hangs_below(node, present)]:
                self._recorder.give_up(node, reason=_("interrupted; it runs again"))
                self._left.pop(node.id, None)
            self._recorder.restart(present)
            node = present
        else:
            callers = [node for node in self._open.values() if node.is_open]
            node = self._recorder.start(
                spoken(pending.name),
                parent=callers[-1] if pending.depth and callers else self._item,
                type="process" if pending.is_process else "action",
                alias=pending.name,
                id=known,
            )
        self._open[pending.ordinal] = node
        return node

    def begin_item(self, number: int, name: str) -> None:
        """Start the node of an item, or take up the one that an interrupted attempt has left."""
        known = uuid.uuid5(self._run_id, f"item {number}")
        if self._item is None or self._item.id != known:
            # A run that undoes may have gone back to an item that has ended, which isn't written yet.
            present = self._left.pop(known, None) or self._recorder.touched_node(known)
            self._item = present or self._recorder.start(name, type="item", id=known)

    def end_item(self, error: ProcessError | None) -> None:
        """End the node of the present item."""
        if self._item is not None and error is None:
            self._item.complete()
        elif self._item is not None and error is not None:
            self._item.fail(told_reason(error))
        self._item = None

    def ended(self, entry: TraceEntry) -> None:
        """End the node of an action that has ended; the interpreter calls it."""
        self.last_ended = entry
        if entry.error is not None:
            self.last_error = entry.error
        if entry.undoes:
            self._undone.append(entry.undoes)
            self._recorder.mark_compensated(step_id(self._run_id, entry.undoes))
        node = self._open.pop(entry.ordinal, None)
        if node is None:
            return
        if entry.error is None:
            node.complete()
        else:
            node.fail(told_reason(entry.error))

    def take_undone(self) -> list[int]:
        """Give, once, the steps that were undone."""
        undone, self._undone = self._undone, []
        return undone

    def defer(self, ordinal: int, *, reason: str, until: str | None) -> None:
        """Tell that an action waits; `reason` is the code, which the run's status tells, and no word for people."""
        node = self._open.get(ordinal)
        if node is not None and node.status is NodeStatus.RUNNING:
            told = _("It has failed, and is tried again by itself.") if reason == RETRY else ""
            self._recorder.defer(node, reason=told, until=until)

    def cancel_open(self, reason: str) -> None:
        """End the nodes of everything that is under way; what a script has begun below an action ends with it."""
        for node in list(self._open.values()):
            node.cancel(reason)
        self._open.clear()
        for node in list(self._left.values()):
            node.cancel(reason)
        self._left.clear()


def tell(node: TaskNode | None, data: dict[str, JSON]) -> None:
    """Tell those who follow the run which data an action has changed."""
    if node is not None and data:
        node.update(data)


def _hangs_below(node: TaskNode, ancestor: TaskNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False
