"""The tree where there is no terminal: a line for each thing that happens, for logs and pipes."""

from collections.abc import Callable
from typing import Self

from tasks.client.follow.rows import TROUBLE, row_of, safe
from tasks.client.updates import Update, fold
from tasks.domain.tree import Tree, TreeNode

__all__ = ["TreeLines"]

#: Progress is told each time that so much more is done.
STEP_PERCENT = 10
_ENDS = {"completed": "done", "failed": "failed", "cancelled": "cancelled"}


class TreeLines:
    """Tell of a tree line by line."""

    def __init__(self, write: Callable[[str], object], complain: Callable[[str], object]) -> None:
        self._write = write
        self._complain = complain
        self._waits = False
        self._tree = Tree()
        self._reached: dict[str, int] = {}
        self._notes: dict[str, str] = {}
        #: What has been told of a node's text since its last line break.
        self._begun: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End; all is told already."""

    def wait(self, why: str) -> None:
        """Say, once, that the site can't be reached."""
        if not self._waits:
            self._complain(f"{TROUBLE} ({why})")
        self._waits = True

    def tell(self, update: Update) -> None:
        """Take an update."""
        self._waits = False
        fold(self._tree, update)
        if self._tree.root is None:
            return
        kind, node = update["type"], self._node(update)
        if kind in ("taskStart", "snapshot"):
            for each in self._tree.root.walk():
                self._line(each)
        elif kind == "nodeOutput":
            self._output(node, update["text"])
        elif kind in ("nodeStart", "nodeEnd", "nodeDefer"):
            self._line(node)
        elif kind == "nodeProgress":
            self._progress(node)
        elif kind == "taskStatus" and update["status"] in ("waiting", "retry", "cancel_requested"):
            self._write(f"{row_of(self._tree.root).title}: {safe(update['status'])}")
        if self._tree.finished:
            self._finish()

    def _node(self, update: Update) -> TreeNode:
        assert self._tree.root is not None
        node_id = update["node"]["id"] if "node" in update else self._tree.root.id
        return next(node for node in self._tree.root.walk() if node.id == node_id)

    def _line(self, node: TreeNode) -> None:
        row = row_of(node)
        percent = "" if row.percent is None or row.status in _ENDS else f" {row.percent:.0f}%"
        note = f" ({row.note})" if row.note else ""
        self._write(f"{row.title}: {_ENDS.get(row.status, row.status)}{percent}{note}")

    def _progress(self, node: TreeNode) -> None:
        row = row_of(node)
        reached = int(row.percent or 0) // STEP_PERCENT
        if reached != self._reached.get(node.id, 0) or row.note != self._notes.get(node.id, ""):
            self._reached[node.id], self._notes[node.id] = reached, row.note
            self._line(node)

    def _output(self, node: TreeNode, text: str) -> None:
        *whole, self._begun[node.id] = (self._begun.get(node.id, "") + text).split("\n")
        for line in whole:
            self._write(f"| {safe(line)}")

    def _finish(self) -> None:
        for rest in filter(None, self._begun.values()):
            self._write(f"| {safe(rest)}")
        assert self._tree.root is not None
        self._line(self._tree.root)
