"""Lay out the statuses of a process as a diagram: nodes from top to bottom, each move labelled by what makes it.

A move leads from a status at which an action is offered to those that the action can set.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from processes.domain.authoring.diagram import Diagram, DiagramAction, Link, lay_out_links
from processes.domain.status_rules import NO_STATUS, Moves, OptionGroup, StatusRules

__all__ = ["StatusDiagram", "StatusMove", "lay_out_statuses", "moves_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMove:
    """Lead from one status to another by actions; `target` None is a status that nobody knows before.

    A move is `exceptional` where all of its actions are offered as such.
    """

    source: str
    target: str | None
    actions: tuple[str, ...]
    exceptional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDiagram:
    """Hold the drawing, with the status of each of its nodes by index, and in words what it shows.

    The start has no status; None is the node of those that nobody knows before.
    """

    diagram: Diagram
    statuses: Mapping[int, str | None] = field(default_factory=dict)
    moves: tuple[StatusMove, ...] = ()


def moves_of(
    rules: StatusRules,
    statuses: Iterable[str],
    *,
    leads: Callable[[str, str], Moves],
    captions: Mapping[str, str] | None = None,
) -> tuple[StatusMove, ...]:
    """Give the moves that rules offer at each status; `leads` says what an action can set at a status.

    `captions` are shown in the place of actions' names. What an action sets is where it leads, also if that is the
    status at which it is offered.
    """
    found: dict[tuple[str, str | None], dict[str, bool]] = {}
    for status in statuses:
        for rule in rules.rules:
            if not rule.statuses.matches(status):
                continue
            for offered in rule.actions:
                if not offered.action:
                    continue
                moves = leads(offered.action, status)
                targets: list[str | None] = [*sorted(moves.statuses), *([None] if moves.is_open else [])]
                for target in targets:
                    shown = (captions or {}).get(offered.action, offered.action)
                    names = found.setdefault((status, target), {})
                    names[shown] = names.get(shown, True) and offered.group is OptionGroup.EXCEPTIONAL
    return tuple(
        StatusMove(source=source, target=target, actions=tuple(names), exceptional=all(names.values()))
        for (source, target), names in found.items()
    )


def lay_out_statuses(
    moves: Sequence[StatusMove],
    *,
    statuses: Collection[str],
    initial: Collection[str],
    no_status: str = "no status",
    any_status: str = "another status",
) -> StatusDiagram:
    """Give the diagram of statuses and moves; the start leads to the `initial` ones.

    From there on it goes by the moves, nearest first, along exceptional ones last of all; then come statuses that
    nothing leads to. `no_status` and `any_status` are written where there is no name.
    """
    order = _in_order(moves, statuses, initial)
    listed: list[DiagramAction | None] = [None, *(_node(status, no_status, any_status) for status in order)]
    places = {status: index + 1 for index, status in enumerate(order)}
    links = [_link(0, places[status], "") for status in dict.fromkeys(initial)]
    links += [_link(places[move.source], places[move.target], ", ".join(move.actions)) for move in moves]
    return StatusDiagram(
        diagram=lay_out_links(listed, links),
        statuses={index: status for status, index in places.items()},
        moves=tuple(moves),
    )


def _in_order(moves: Sequence[StatusMove], statuses: Collection[str], initial: Collection[str]) -> list[str | None]:
    """Give the statuses from the initial ones on, breadth first; then what isn't reached, as it is listed."""
    found: dict[str | None, None] = dict.fromkeys(initial)
    _follow([move for move in moves if not move.exceptional], found, list(found))
    _follow(moves, found, list(found))
    for start in (*statuses, *(move.source for move in moves)):
        if start not in found:
            found[start] = None
            _follow(moves, found, [start])
    known = [status for status in found if status is not None]
    return [*known, *([None] if None in found else [])]


def _follow(moves: Iterable[StatusMove], found: dict[str | None, None], todo: list[str | None]) -> None:
    """Add to `found` what the moves lead to from some statuses on, the nearest first."""
    leads: dict[str | None, list[str | None]] = {}
    for move in moves:
        leads.setdefault(move.source, []).append(move.target)
    for status in todo:
        for target in leads.get(status, ()):
            if target not in found:
                found[target] = None
                todo.append(target)


def _node(status: str | None, no_status: str, any_status: str) -> DiagramAction:
    if status is None:
        return DiagramAction(name=any_status, kind="unknown")
    return DiagramAction(
        name=no_status if status == NO_STATUS else status, kind="nothing" if status == NO_STATUS else "script"
    )


def _link(source: int, target: int, text: str) -> Link:
    return Link(kind="follows" if target == source + 1 else "jump", source=source, target=target, text=text)
