"""Draw a task tree as progress bars: redrawn in place on a terminal, as plain lines elsewhere."""

import shutil
import sys
import time
from collections.abc import Iterator
from typing import Final, TextIO

from tasks.domain.tree import Tree, TreeNode

_BAR_CHARS: Final = 24
_REDRAW_SECONDS: Final = 0.05
_PLAIN_STEP_PERCENT: Final = 25
_MARKS: Final = {"completed": "✓", "failed": "✗", "cancelled": "–"}


class Bars:
    """Show the tree as it is now, whenever asked; `close` shows its last state."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._lines = 0
        self._drawn_at = 0.0
        self._told: dict[str, tuple[str, int]] = {}

    def show(self, tree: Tree) -> None:
        """Draw the tree; on a terminal at most twenty times a second."""
        if not self._terminal:
            self._tell(tree)
        elif time.monotonic() - self._drawn_at >= _REDRAW_SECONDS:
            self._redraw(tree)

    def close(self, tree: Tree) -> None:
        """Draw the last state."""
        if self._terminal:
            self._redraw(tree)
        else:
            self._tell(tree)

    def _redraw(self, tree: Tree) -> None:
        width = shutil.get_terminal_size().columns
        lines = [line_of(node, depth)[: width - 1] for depth, node in _walk(tree)]
        up = f"\x1b[{self._lines}F" if self._lines else ""
        self._stream.write(up + "".join(f"{line}\x1b[K\n" for line in lines))
        self._stream.flush()
        self._lines = len(lines)
        self._drawn_at = time.monotonic()

    def _tell(self, tree: Tree) -> None:
        for depth, node in _walk(tree):
            reached = int(node.percent or 0) // _PLAIN_STEP_PERCENT * _PLAIN_STEP_PERCENT
            state = (str(node.status), reached)
            if self._told.get(node.id) != state:
                self._told[node.id] = state
                self._stream.write(line_of(node, depth) + "\n")
                self._stream.flush()


def line_of(node: TreeNode, depth: int) -> str:
    """Draw one node: mark, title, bar, percentage, message."""
    percent = node.percent
    title = f"{'  ' * depth}{_MARKS.get(str(node.status), '·')} {node.title}"
    if percent is None:
        bar, figure = " " * _BAR_CHARS, "    "
    else:
        full = round(_BAR_CHARS * min(percent, 100) / 100)
        bar, figure = "█" * full + "░" * (_BAR_CHARS - full), f"{percent:3.0f}%"
    return f"{title:<36.36} {bar} {figure}  {node.error or node.message or ''}".rstrip()


def _walk(tree: Tree) -> Iterator[tuple[int, TreeNode]]:
    """Give the nodes with their depth, parents first."""
    stack = [(0, tree.root)] if tree.root else []
    while stack:
        depth, node = stack.pop()
        yield depth, node
        stack.extend((depth + 1, child) for child in reversed(node.children))
