"""Decide what a flow diagram shows, before anything is placed: its nodes from top to bottom, and what links them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from processes.domain.authoring.flow import Branch, Order, branches_of, order_of
from processes.domain.authoring.language import ENGLISH, Language, gettext_noop
from processes.domain.definition import LIFECYCLE
from processes.domain.next_clause import DEFAULT_NEXT, NextClause

__all__ = ["CAPTIONS", "DiagramAction", "EdgeKind", "Link", "links_of", "standing"]

#: `follows` and `jump` go by the next clause; `exit` ends the process; `missing` names an action that isn't declared;
#: `later` is where a form or a redirect leads; at a `part` a run of its own begins, for a branch or an item; `undo` is
#: the compensating action.
EdgeKind: TypeAlias = Literal["follows", "jump", "exit", "missing", "later", "part", "undo"]

#: When each lifecycle action runs.
CAPTIONS: Final = {
    "@start": gettext_noop("before everything else"),
    "@default": gettext_noop("when no action is asked for"),
    "@end": gettext_noop("at the end, if all went well"),
    "@unknown": gettext_noop("on an unknown action"),
    "@error": gettext_noop("on an error"),
}

#: What is written beside a line that isn't one of a next clause.
_ASIDES: Final[Mapping[EdgeKind, str]] = {
    "later": gettext_noop("later"),
    "part": gettext_noop("part"),
    "undo": gettext_noop("undo"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagramAction:
    """Hold what a diagram tells of an action.

    `detail` says in a word what runs it, `kind` what that is; `later` names the action where its form or redirect
    leads, `parts` those at which its branches or items begin; the rest is as in a definition.
    """

    name: str
    next: NextClause = DEFAULT_NEXT
    kind: Literal["script", "process", "nothing", "unknown"] = "script"
    detail: str = ""
    safe: bool = False
    entry: bool = True
    compensate: str | None = None
    later: str | None = None
    parts: tuple[str, ...] = ()

    @property
    def is_lifecycle(self) -> bool:
        """Tell whether the action stands outside the sequence."""
        return self.name in LIFECYCLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Lead from one node on, by index; `target` is None for an exit and where there is nothing to lead to."""

    kind: EdgeKind
    source: int
    target: int | None = None
    states: tuple[str, ...] = ()
    otherwise: bool = False
    leads_to: str | None = None
    #: What is written beside it.
    text: str = ""

    @property
    def is_straight(self) -> bool:
        """Tell whether it goes down to the next node, without an arc."""
        return self.kind == "follows"


def standing(actions: Iterable[DiagramAction]) -> list[DiagramAction | None]:
    """Give the nodes from top to bottom; None is where a run starts (the first) and where it ends.

    Of actions with the same name the last counts. The end is left out where nothing leads straight to it.
    """
    by_name = {action.name: action for action in actions}
    ordinary = [action for action in by_name.values() if not action.is_lifecycle]
    before = [by_name[name] for name in ("@start", "@default") if name in by_name]
    after = [by_name[name] for name in ("@unknown", "@error") if name in by_name]
    end = by_name.get("@end")
    last = ordinary[-1] if ordinary else None
    ends = last is None or end is not None or _ends(last, order_of(by_name))
    return [None, *before, *ordinary, *([end] if end else []), *([None] if ends else []), *after]


def links_of(listed: Sequence[DiagramAction | None], *, language: Language = ENGLISH) -> list[Link]:
    """Give what leads from each of the nodes that `standing` has listed; at most one link goes straight down."""
    places = {action.name: index for index, action in enumerate(listed) if action is not None}
    order = order_of(places)
    first = places[order.ordinary[0]] if order.ordinary else None
    end = places.get("@end", listed.index(None, 1) if None in listed[1:] else None)
    entry = places.get("@default", end if first is None else first)
    links = [Link(kind="follows", source=0, target=places.get("@start", entry))]
    for index, action in enumerate(listed):
        if action is not None:
            ways = [_way(branch, index, places, entry) for branch in branches_of(action, order)]
            # What ends goes straight down where the end is what stands below.
            below = index + 1 if action.name == "@end" or index + 1 == end else None
            links.extend(_links(ways, index, below, language))
            links.extend(_asides(action, index, places, language))
    return links


#: A branch, how its line is drawn, and the node where it arrives.
_Way: TypeAlias = tuple[Branch, EdgeKind, int | None]


def _ends(action: DiagramAction, order: Order) -> bool:
    return any(branch.leads == "end" for branch in branches_of(action, order))


def _way(branch: Branch, index: int, places: Mapping[str, int], entry: int | None) -> _Way:
    if branch.leads == "end":
        return branch, "exit", None
    if branch.leads == "entry":
        return branch, "follows", entry
    if branch.target is None or branch.leads == "missing":
        return branch, "missing", None
    target = places[branch.target]
    return branch, "follows" if target == index + 1 else "jump", target


def _links(ways: Sequence[_Way], index: int, end: int | None, language: Language) -> Iterator[Link]:
    """Give the links of a next clause; `end` is what an exit goes straight down to, None where it gets a ring."""
    gathered: dict[tuple[EdgeKind, int | None, str | None], list[Branch]] = {}
    for branch, kind, target in ways:
        if kind == "exit" and end is not None:
            kind, target = "follows", end
        # From `@start`, a jump to the first action and going on there are one way down.
        leads_to = None if kind == "follows" else branch.target
        gathered.setdefault((kind, target, leads_to), []).append(branch)
    for (kind, target, _), branches in gathered.items():
        states = tuple(state for branch in branches for state in branch.states)
        otherwise = any(branch.otherwise for branch in branches)
        words = [state or '""' for state in states] + ([language.gettext("otherwise")] if otherwise else [])
        yield Link(
            kind=kind, source=index, target=target, states=states, otherwise=otherwise, leads_to=branches[0].target,
            text=", ".join(words) if len(gathered) > 1 else "",
        )  # fmt: skip


def _asides(action: DiagramAction, index: int, places: Mapping[str, int], language: Language) -> Iterator[Link]:
    asides: list[tuple[EdgeKind, str | None]] = [("later", action.later)]
    asides += [("part", name) for name in action.parts]
    asides.append(("undo", action.compensate))
    for kind, name in asides:
        if name is not None:
            target = places.get(name)
            leads = "missing" if target is None else kind
            yield Link(kind=leads, source=index, target=target, leads_to=name, text=language.gettext(_ASIDES[kind]))
