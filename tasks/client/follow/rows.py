"""What of a tree is shown on so many lines, as rows of plain text; decided without a terminal."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree, TreeNode

__all__ = ["TROUBLE", "Row", "last_lines", "row_of", "rows_of", "safe", "step_titles"]

#: What is said while there is no connection.
TROUBLE = "connection lost, trying again"

#: Whoever names a task mustn't move the cursor of whoever follows it, or turn round what stands beside it.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_OPEN = frozenset({NodeStatus.CREATED, NodeStatus.RUNNING, NodeStatus.WAITING})


@dataclass(frozen=True, slots=True)
class Row:
    """Show one node."""

    depth: int
    title: str
    status: str
    percent: float | None
    #: What went wrong, or what is going on.
    note: str


def safe(text: str) -> str:
    """Return text as a terminal may show it: without control characters, tabs and line breaks apart."""
    return _UNSAFE.sub("\ufffd", text)


def rows_of(tree: Tree, *, most: int) -> tuple[list[Row], int]:
    """Return at most `most` rows, parents first, and how many nodes are left out.

    What is at work comes first, then what has failed, then the rest, the newest first; each with what it is part of.
    """
    nodes = list(_walk(tree))
    chosen: set[int] = set()
    for index in _by_urgency(nodes):
        path = _path(nodes, index)
        if len(chosen | path) <= most:
            chosen |= path
    return [_row(*nodes[index]) for index in sorted(chosen)], len(nodes) - len(chosen)


def step_titles(tree: Tree) -> list[str]:
    """Return the titles of the steps that are still to come, as far as they are known."""
    begun = {node.alias for _, node in _walk(tree)}
    steps = tree.steps if isinstance(tree.steps, list) else []
    return [safe(str(step.get("title") or step.get("name"))) for step in steps if step.get("name") not in begun]


def last_lines(tree: Tree, *, most: int) -> list[str]:
    """Return the last lines of text of the newest node that is at work, else of the newest one that has any."""
    speaking = [node for _, node in _walk(tree) if node.output.strip()]
    newest = [node for node in speaking if node.status in _OPEN] or speaking
    return safe(newest[-1].output).rstrip("\n").split("\n")[-most:] if newest and most > 0 else []


def row_of(node: TreeNode, *, depth: int = 0) -> Row:
    """Return the row of a node."""
    return _row(depth, node)


def _row(depth: int, node: TreeNode) -> Row:
    note = safe(node.error or node.message or "").replace("\n", " ")
    return Row(depth, safe(node.title).replace("\n", " "), node.status.value, node.percent, note)


def _walk(tree: Tree) -> Iterator[tuple[int, TreeNode]]:
    stack = [(0, tree.root)] if tree.root is not None else []
    while stack:
        depth, node = stack.pop()
        yield depth, node
        stack.extend((depth + 1, child) for child in reversed(node.children))


def _by_urgency(nodes: list[tuple[int, TreeNode]]) -> Iterable[int]:
    def urgency(index: int) -> tuple[int, int]:
        status = nodes[index][1].status
        return (0 if status in _OPEN else 1 if status is NodeStatus.FAILED else 2, -index)

    return sorted(range(len(nodes)), key=urgency)


def _path(nodes: list[tuple[int, TreeNode]], index: int) -> set[int]:
    """Return the places of a node and of those above it."""
    path, depth = {index}, nodes[index][0]
    for above in range(index - 1, -1, -1):
        if nodes[above][0] < depth:
            path.add(above)
            depth = nodes[above][0]
    return path
