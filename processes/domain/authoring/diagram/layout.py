"""Place what a flow diagram shows: rows at the sides of nodes, nodes below each other, lanes beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from processes.domain.authoring.diagram.geometry import RING_RADIUS, Diagram, Edge, Label, Node, NodeKind, Point, Side
from processes.domain.authoring.diagram.plan import CAPTIONS, DiagramAction, EdgeKind, Link, links_of, standing
from processes.domain.authoring.lanes import Stretch, allot_lanes
from processes.domain.authoring.language import ENGLISH, Language
from processes.domain.authoring.text_width import shorten_to_width, text_width

__all__ = ["lay_out", "lay_out_links"]

#: Names are drawn at 13 pixels, everything else at 11.
_NAME_PIXELS, _SMALL_PIXELS = 7.4, 6.2
_NODE_WIDTHS = (140, 236)
_NODE_HEIGHT, _CAPTION_HEIGHT, _TERMINAL = 46, 16, 18
_PADDING = 12
#: Between nodes, where the straight arrows run; more where the sequence is over.
_GAP, _WIDE_GAP = 34, 52
#: Lines that begin or end at the same side of a node are a row apart, so that a label fits between them.
_ROW = 22
_LABEL_WIDTH = 112
_BARE_WIDTH = 18
_LANE, _LANE_MARGIN = 13, 8
_MOST_LANES = 24
_MARGIN = 14


def lay_out(actions: Iterable[DiagramAction], *, language: Language = ENGLISH) -> Diagram:
    """Give the diagram of a process; the same actions always give the same one."""
    listed = standing(actions)
    return lay_out_links(listed, links_of(listed, language=language), language=language)


def lay_out_links(
    listed: Sequence[DiagramAction | None], links: Iterable[Link], *, language: Language = ENGLISH
) -> Diagram:
    """Give the diagram of nodes, from top to bottom, and what links them.

    None is a start where it comes first, and an end elsewhere. A link that `follows` leads to the next node, at most
    one from each; labels of several links between two nodes are one link's.
    """
    boxes = [_Box(action, links=[]) for action in listed]
    for link in links:
        boxes[link.source].links.append(link)
    width = _node_width(listed, language)
    _claim_rows(boxes)
    _stack(boxes)
    lanes = _allot(boxes)
    sides: dict[Side, _Measures] = {side: _measure(boxes, lanes, side) for side in ("left", "right")}
    left = _MARGIN + sides["left"].width
    nodes = tuple(_node(index, box, left, width, language) for index, box in enumerate(boxes))
    edges: list[Edge] = []
    for box in boxes:
        edges.extend(_edge(link, boxes, nodes, lanes, sides) for link in box.links)
    full = left + width + sides["right"].width + _MARGIN
    return Diagram(width=full, height=boxes[-1].bottom + _MARGIN, nodes=nodes, edges=tuple(edges))


#: Jumps to the same node, on the same side and of the same kind, share a lane and where they arrive.
_Bundle: TypeAlias = tuple[Side, int, EdgeKind]


@dataclass(slots=True)
class _Box:
    """Hold a node while it is being placed; `rows` number the lines that begin or end at a side, from the top."""

    action: DiagramAction | None
    links: list[Link]
    rows: dict[Side, dict[Link | _Bundle, int]] = field(default_factory=dict)
    top: int = 0
    height: int = 0

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def row(self, side: Side, what: Link | _Bundle) -> int:
        """Give the height of a row within the drawing."""
        rows = self.rows[side]
        return self.top + self.height // 2 + (2 * rows[what] - len(rows) + 1) * (_ROW // 2)


def _claim_rows(boxes: list[_Box]) -> None:
    """Give each line that begins or ends at a node's side a row there, so that few of them cross."""
    arriving: dict[tuple[int, Side], dict[_Bundle, None]] = {}
    for box in boxes:
        for link in box.links:
            if (bundle := _bundle(link)) is not None:
                arriving.setdefault((bundle[1], bundle[0]), {})[bundle] = None
    for index, box in enumerate(boxes):
        beside = [link for link in box.links if not link.is_straight]
        for side in ("left", "right"):
            incoming = list(arriving.get((index, side), ()))
            own = [link for link in beside if _side(link) == side]
            short = [link for link in own if link.target is None]
            # The outer lane's line starts on the outer row: above the others where it goes down, below where up.
            long = [link for link in own if link.target is not None]
            far = sorted(long, key=lambda link: link.target or 0, reverse=True)
            rows: list[Link | _Bundle] = [*short, *far, *incoming] if side == "left" else [*incoming, *short, *far]
            box.rows[side] = {what: number for number, what in enumerate(rows)}


def _stack(boxes: list[_Box]) -> None:
    top = _MARGIN
    for index, box in enumerate(boxes):
        rows = max(len(box.rows["left"]), len(box.rows["right"]))
        if box.action is None:
            box.height = _TERMINAL
        else:
            caption = _CAPTION_HEIGHT if box.action.is_lifecycle else 0
            box.height = max(_NODE_HEIGHT + caption, rows * _ROW)
        if index:
            straight = any(link.is_straight for link in boxes[index - 1].links)
            top += _GAP if straight else _WIDE_GAP if box.action and box.action.is_lifecycle else _GAP
        box.top = top
        top += box.height


def _allot(boxes: list[_Box]) -> dict[_Bundle, int]:
    """Give each bundle of jumps its lane; one that gets none isn't in the answer."""
    spans: dict[_Bundle, tuple[int, int]] = {}
    for box in boxes:
        for link in box.links:
            if (bundle := _bundle(link)) is None:
                continue
            start, end = box.row(bundle[0], link), boxes[bundle[1]].row(bundle[0], bundle)
            top, bottom = spans.get(bundle, (end, end))
            spans[bundle] = (min(top, start), max(bottom, start))
    lanes: dict[_Bundle, int] = {}
    for side in ("left", "right"):
        bundles = [bundle for bundle in spans if bundle[0] == side]
        found = allot_lanes([Stretch(*spans[bundle]) for bundle in bundles], limit=_MOST_LANES, margin=_LANE_MARGIN)
        lanes.update((bundle, lane) for bundle, lane in zip(bundles, found, strict=True) if lane is not None)
    return lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measures:
    """Say how much room a side takes: labels next to the nodes, then exits' rings, then lanes."""

    labels: int
    rings: int
    lanes: int

    @property
    def width(self) -> int:
        return self.labels + self.rings + (self.lanes * _LANE + 4 if self.lanes else 0)

    def lane(self, number: int) -> int:
        return self.labels + self.rings + 4 + number * _LANE


def _measure(boxes: list[_Box], lanes: dict[_Bundle, int], side: Side) -> _Measures:
    own = [link for box in boxes for link in box.links if not link.is_straight and _side(link) == side]
    used = [lane for bundle, lane in lanes.items() if bundle[0] == side]
    texts = [_label_text(link, drawn=_bundle(link) in lanes) for link in own]
    widest = max((text_width(text, character_pixels=_SMALL_PIXELS) for text in texts if text), default=0)
    labels = max(min(widest, _LABEL_WIDTH) + 12 if widest else 0, _BARE_WIDTH if own or used else 0)
    ends = any(link.target is None or _bundle(link) not in lanes for link in own)
    return _Measures(labels=labels, rings=2 * RING_RADIUS + 4 if ends else 0, lanes=max(used, default=-1) + 1)


def _node_width(listed: Sequence[DiagramAction | None], language: Language) -> int:
    widest = _NODE_WIDTHS[0]
    for action in listed:
        if action is not None:
            name = text_width(action.name, character_pixels=_NAME_PIXELS)
            small = [action.detail, _caption(action, language) or ""]
            widest = max(widest, name, *(text_width(text, character_pixels=_SMALL_PIXELS) for text in small))
            if widest >= _NODE_WIDTHS[1]:
                break
    # Even, so that the middle is a whole pixel; room for the mark of an entry at both sides.
    return min(widest + 4 * _PADDING, _NODE_WIDTHS[1]) // 2 * 2


def _caption(action: DiagramAction, language: Language) -> str | None:
    caption = CAPTIONS.get(action.name)
    return None if caption is None else language.gettext(caption)


def _node(index: int, box: _Box, left: int, width: int, language: Language) -> Node:
    action = box.action
    if action is None:
        kind: NodeKind = "end" if index else "start"
        x = left + (width - _TERMINAL) // 2
        return Node(index=index, kind=kind, x=x, y=box.top, width=_TERMINAL, height=box.height)
    lines = 2 + action.is_lifecycle
    y = box.top + (box.height - lines * 16) // 2
    x, room = left + 2 * _PADDING, width - 4 * _PADDING
    caption = _caption(action, language)
    return Node(
        index=index,
        kind=action.kind,
        name=action.name,
        title=_text(action.name, x=x, y=y, room=room, pixels=_NAME_PIXELS, height=16),
        detail=_text(action.detail, x=x, y=y + 17, room=room, pixels=_SMALL_PIXELS),
        caption=None if caption is None else _text(caption, x=x, y=y + 33, room=room, pixels=_SMALL_PIXELS),
        lifecycle=action.is_lifecycle,
        entry=action.entry and not action.is_lifecycle,
        safe=action.safe and action.entry and not action.is_lifecycle,
        x=left,
        y=box.top,
        width=width,
        height=box.height,
    )


def _edge(
    link: Link, boxes: list[_Box], nodes: Sequence[Node], lanes: dict[_Bundle, int], sides: dict[Side, _Measures]
) -> Edge:
    node = nodes[link.source]
    if link.is_straight and link.target is not None:
        x, y, end = node.center[0], node.y + node.height, nodes[link.target].y
        text, label = _label_text(link, drawn=True), None
        if text:
            label = _text(text, x=x + 8, y=(y + end) // 2 - 8, room=node.width // 2 - 10, pixels=_SMALL_PIXELS)
        return _made(link, target=link.target, points=((x, y), (x, end)), label=label)
    bundle, side = _bundle(link), _side(link)
    lane = None if bundle is None else lanes.get(bundle)
    measures, outward = sides[side], 1 if side == "right" else -1
    border = node.x + node.width if side == "right" else node.x
    y = boxes[link.source].row(side, link)
    text, label = _label_text(link, drawn=lane is not None), None
    if text:
        room = min(measures.labels - 12, _LABEL_WIDTH)
        shown = text_width(text, character_pixels=_SMALL_PIXELS)
        x = border + 6 if side == "right" else border - 6 - min(shown, room)
        label = _text(text, x=x, y=y - 15, room=room, pixels=_SMALL_PIXELS)
    if lane is None or bundle is None or link.target is None:
        length = measures.labels if text else _BARE_WIDTH
        points: tuple[Point, ...] = ((border, y), (border + outward * length, y))
        return _made(link, target=None, points=points, side=side, label=label)
    x, end = border + outward * measures.lane(lane), boxes[link.target].row(side, bundle)
    points = ((border, y), (x, y), (x, end), (border, end))
    return _made(link, target=link.target, points=points, side=side, lane=lane, label=label)


def _made(
    link: Link,
    *,
    target: int | None,
    points: tuple[Point, ...],
    side: Side | None = None,
    lane: int | None = None,
    label: Label | None = None,
) -> Edge:
    return Edge(
        kind=link.kind, source=link.source, target=target, states=link.states, otherwise=link.otherwise,
        leads_to=link.leads_to, points=points, side=side, lane=lane, label=label,
    )  # fmt: skip


def _text(text: str, *, x: int, y: int, room: int, pixels: float, height: int = 13) -> Label:
    shown = shorten_to_width(text, character_pixels=pixels, pixels=room)
    width = min(text_width(shown, character_pixels=pixels), room)
    return Label(text=shown, full=text, x=x, y=y, width=width, height=height)


def _label_text(link: Link, *, drawn: bool) -> str:
    """Give what is written beside a line; where it isn't drawn up to its target, it names that."""
    if drawn or link.leads_to is None:
        return link.text
    return f"{link.text} → {link.leads_to}".lstrip()


def _side(link: Link) -> Side:
    return "left" if link.target is not None and link.target <= link.source else "right"


def _bundle(link: Link) -> _Bundle | None:
    return None if link.target is None or link.is_straight else (_side(link), link.target, link.kind)
