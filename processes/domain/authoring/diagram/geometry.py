"""Hold the geometry of a flow diagram, in whole pixels, and write its lines as SVG path data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from processes.domain.authoring.diagram.plan import EdgeKind

__all__ = ["RING_RADIUS", "Diagram", "Edge", "Label", "Node", "NodeKind", "Point", "Side"]

NodeKind: TypeAlias = Literal["start", "end", "script", "process", "nothing", "unknown"]
Point: TypeAlias = tuple[int, int]
Side: TypeAlias = Literal["left", "right"]

#: Of the ring that ends an exit.
RING_RADIUS = 5
_CORNER_RADIUS = 6
_ARROW = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Hold a text and the box that it fits into; `full` is what was cut short, or the same text."""

    text: str
    full: str
    x: int
    y: int
    width: int
    height: int = 13

    @property
    def baseline(self) -> int:
        """Give where the letters stand."""
        return self.y + self.height - 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Hold an action, or where a run starts and ends (both without a name), as a box.

    `detail` is what runs it, `caption` says when a lifecycle action runs; `entry` and `safe` as in a definition.
    """

    index: int
    kind: NodeKind
    name: str | None = None
    title: Label | None = None
    detail: Label | None = None
    caption: Label | None = None
    lifecycle: bool = False
    entry: bool = False
    safe: bool = False
    x: int
    y: int
    width: int
    height: int

    @property
    def center(self) -> Point:
        """Give the middle of the box."""
        return self.x + self.width // 2, self.y + self.height // 2

    @property
    def mark(self) -> str:
        """Give, as SVG path data, the small triangle of what may be entered from outside."""
        x, y = self.x + 9, self.center[1]
        return f"M{x} {y - 5}L{x + 8} {y}L{x} {y + 5}Z"

    @property
    def bars(self) -> str:
        """Give, as SVG path data, the lines inside both ends of a box that stands for a sub process."""
        left, right, bottom = self.x + 4, self.x + self.width - 4, self.y + self.height
        return f"M{left} {self.y}V{bottom}M{right} {self.y}V{bottom}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Hold a line from one node on, as points; `target` is None where it ends beside its source.

    `leads_to` names the action that it leads to, also where it isn't drawn up to there (too many lanes, or `missing`).
    `lane` counts from the nodes outward, None for what has none.
    """

    kind: EdgeKind
    source: int
    target: int | None
    states: tuple[str, ...] = ()
    otherwise: bool = False
    leads_to: str | None = None
    points: tuple[Point, ...]
    side: Side | None = None
    lane: int | None = None
    label: Label | None = None

    @property
    def path(self) -> str:
        """Give the line as SVG path data, with rounded corners."""
        return _rounded(self.points)

    @property
    def arrow(self) -> str:
        """Give the arrowhead as SVG path data; empty where the line ends in a ring."""
        return "" if self.kind == "exit" else _arrowhead(self.points[-2], self.points[-1])

    @property
    def ring(self) -> Point | None:
        """Give the middle of the ring that ends an exit."""
        return (self.points[-1][0] + RING_RADIUS, self.points[-1][1]) if self.kind == "exit" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """Hold the whole drawing, its size in pixels."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def _rounded(points: Sequence[Point]) -> str:
    parts = [f"M{points[0][0]} {points[0][1]}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        # Half of a short stretch is left to the corner at its other end.
        near = _towards(corner, before, min(_CORNER_RADIUS, _distance(corner, before) // 2))
        far = _towards(corner, after, min(_CORNER_RADIUS, _distance(corner, after) // 2))
        parts.append(f"L{near[0]} {near[1]}Q{corner[0]} {corner[1]} {far[0]} {far[1]}")
    parts.append(f"L{points[-1][0]} {points[-1][1]}")
    return "".join(parts)


def _arrowhead(before: Point, tip: Point) -> str:
    back = _towards(tip, before, _ARROW)
    across = (_ARROW // 2 + 1, 0) if before[0] == tip[0] else (0, _ARROW // 2 + 1)
    one, other = (back[0] + across[0], back[1] + across[1]), (back[0] - across[0], back[1] - across[1])
    return f"M{tip[0]} {tip[1]}L{one[0]} {one[1]}L{other[0]} {other[1]}Z"


def _distance(one: Point, other: Point) -> int:
    """Give how far apart two points are that lie on one horizontal or vertical line."""
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, goal: Point, length: int) -> Point:
    if start[0] == goal[0]:
        return start[0], start[1] + (length if goal[1] > start[1] else -length)
    return start[0] + (length if goal[0] > start[0] else -length), start[1]
