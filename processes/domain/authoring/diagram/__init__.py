"""Lay out a process as a flow diagram: actions from top to bottom, jumps as arcs beside them.

The result is plain geometry in whole pixels; whoever draws it adds elements and style. What follows goes straight down.
Forward jumps arc on the right, backward ones on the left, each in a lane of its own, short ones inside; jumps to the
same action share their arc. An exit is a short line to a ring. `@start`, `@default` and `@end` stand where they run,
`@unknown` and `@error` below everything.
"""

from urllib.parse import quote

from processes.domain.authoring.diagram.geometry import Diagram, Edge, Label, Node, NodeKind, Point
from processes.domain.authoring.diagram.layout import lay_out, lay_out_links
from processes.domain.authoring.diagram.plan import DiagramAction, EdgeKind, Link

__all__ = [
    "Diagram",
    "DiagramAction",
    "Edge",
    "EdgeKind",
    "Label",
    "Link",
    "Node",
    "NodeKind",
    "Point",
    "anchor_of",
    "lay_out",
    "lay_out_links",
]


def anchor_of(name: str) -> str:
    """Give the fragment (an element's id, too) of an action on a page: different for different names."""
    return f"action-{quote(name, safe='@')}"
