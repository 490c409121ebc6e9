"""Say where each action of a process leads, branch by branch: what diagrams draw and prose tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol, TypeAlias

from processes.domain.definition import JUMPABLE, LIFECYCLE
from processes.domain.next_clause import ANY_STATE, Destination, NextClause

__all__ = ["Branch", "FlowAction", "Leads", "Order", "branches_of", "order_of"]

#: How a branch goes on: with the `following` action of the sequence, by a `jump` to a named one, to the action at
#: which the process was `entry`-ed (from `@start`), to the `end` of its phase, or to a name that is `missing`.
Leads: TypeAlias = Literal["following", "jump", "entry", "end", "missing"]


class FlowAction(Protocol):
    """Be an action as far as its way on is concerned: one of a definition, or of a plan."""

    @property
    def name(self) -> str:
        """Give its name."""
        ...

    @property
    def next(self) -> NextClause:
        """Give its next clause."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Hold one way on from an action.

    It is taken under `states`; with `otherwise` also under every state that has no branch of its own, and under none.
    `target` names the action it leads to, None at the end of a phase and where only a run knows (`entry`).
    """

    states: tuple[str, ...] = ()
    otherwise: bool = False
    leads: Leads
    target: str | None = None

    @property
    def is_only(self) -> bool:
        """Tell whether the branch is taken whatever the state."""
        return self.otherwise and not self.states


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold the names of a process's actions: all of them, and for each the one that follows it in the sequence."""

    declared: frozenset[str]
    ordinary: tuple[str, ...]
    following: dict[str, str]


def order_of(names: Iterable[str]) -> Order:
    """Give the order of a process whose actions have these names; lifecycle actions aren't part of it."""
    declared = list(dict.fromkeys(names))
    ordinary = tuple(name for name in declared if name not in LIFECYCLE)
    following = dict(pairwise(ordinary))
    return Order(declared=frozenset(declared), ordinary=ordinary, following=following)


def branches_of(action: FlowAction, order: Order) -> tuple[Branch, ...]:
    """Give the ways on from an action, those with states first, in the order of its lookup.

    States that lead to the same place share a branch. There is exactly one branch with `otherwise`, and it is last,
    unless it shares its place with an earlier state.
    """
    states = dict(action.next.states or {})
    states.pop(ANY_STATE, None)
    gathered: dict[tuple[Leads, str | None], list[str]] = {}
    for state, destination in states.items():
        gathered.setdefault(_place(action.name, destination, order), []).append(state)
    default = _place(action.name, action.next.default, order)
    gathered.setdefault(default, [])
    if len(gathered) == 1:
        # Every state leads there: which one it is makes no difference.
        gathered[default] = []
    return tuple(
        Branch(states=tuple(found), otherwise=place == default, leads=place[0], target=place[1])
        for place, found in gathered.items()
    )


def _place(name: str, destination: Destination, order: Order) -> tuple[Leads, str | None]:
    if destination is False or destination == "@end":
        return "end", None
    if destination is True:
        if name == "@start":
            return "entry", None
        following = order.following.get(name)
        return ("end", None) if following is None else ("following", following)
    if destination not in order.declared or (destination in LIFECYCLE and destination not in JUMPABLE):
        return "missing", destination
    if order.following.get(name) == destination:
        return "following", destination
    return "jump", destination
