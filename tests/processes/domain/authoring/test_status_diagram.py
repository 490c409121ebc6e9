"""The diagram of statuses: every move is drawn, labelled by its actions, the nearest statuses first."""

from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.status_diagram import StatusMove, lay_out_statuses, moves_of
from processes.domain.status_rules import Moves, parse_status_rules


def test_moves_lead_from_where_an_action_is_offered_to_what_it_sets() -> None:
    rules = parse_status_rules(
        [
            {"action": ["approve", "reject"], "status": "open"},
            {"action": "accept", "status": ["open", "held"]},
            {"action": [{"url": "/help/", "caption": "Help"}, "look"]},
            {"action": "change", "status": "held"},
        ]
    )
    leads = {
        "approve": Moves(statuses=frozenset({"done"})),
        "accept": Moves(statuses=frozenset({"done"})),
        "reject": Moves(statuses=frozenset({"open", "gone"})),
        "change": Moves(is_open=True),
        "look": Moves(),
    }
    found = moves_of(rules, ["open", "held"], leads=lambda name, status: leads[name], captions={"approve": "OK"})
    assert [(move.source, move.target, move.actions) for move in found] == [
        ("open", "done", ("OK", "accept")),
        ("open", "gone", ("reject",)),
        ("open", "open", ("reject",)),
        ("held", "done", ("accept",)),
        ("held", None, ("change",)),
    ]


def test_statuses_stand_in_the_order_of_the_moves_from_the_first_one_on() -> None:
    moves = [
        StatusMove(source="z", target="b", actions=("x",)),
        StatusMove(source="z", target="c", actions=("y",)),
        StatusMove(source="b", target="a", actions=("x",)),
        StatusMove(source="lost", target=None, actions=("x",)),
    ]
    drawn = lay_out_statuses(moves, statuses=["a", "b", "lost", ""], initial=["z"])
    assert list(drawn.statuses.values()) == ["z", "b", "c", "a", "lost", "", None]
    names = [node.name for node in drawn.diagram.nodes]
    assert names == [None, "z", "b", "c", "a", "lost", "no status", "another status"]


def test_what_is_only_reached_by_exceptional_moves_comes_behind_what_is_usual() -> None:
    rules = parse_status_rules(
        [
            {"action": {"action": "cancel", "group": "exceptional"}, "status": ["new", "open"]},
            {"action": "begin", "status": "new"},
            {"action": "end", "status": "open"},
        ]
    )
    leads = {"cancel": "cancelled", "begin": "open", "end": "done"}
    found = moves_of(rules, ["new", "open"], leads=lambda name, status: Moves(statuses=frozenset({leads[name]})))
    drawn = lay_out_statuses(found, statuses=[], initial=["new"])
    assert list(drawn.statuses.values()) == ["new", "open", "done", "cancelled"]


statuses = st.sampled_from(["", "a", "b", "c", "a status with a rather long name for a box"])
moves = st.builds(
    StatusMove,
    source=statuses,
    target=statuses | st.none(),
    actions=st.lists(st.sampled_from(["go", "an action with a long name"]), min_size=1, max_size=3).map(tuple),
)


@given(st.lists(moves, unique_by=lambda move: (move.source, move.target)), st.lists(statuses), st.lists(statuses))
def test_every_move_is_drawn_from_its_status_to_its_target(
    found: list[StatusMove], listed: list[str], initial: list[str]
) -> None:
    drawn = lay_out_statuses(found, statuses=listed, initial=initial)
    edges = [
        (drawn.statuses.get(edge.source), drawn.statuses.get(edge.target or 0), edge.source)
        for edge in drawn.diagram.edges
    ]
    lines = [(source, target) for source, target, index in edges if index]
    assert sorted(lines, key=repr) == sorted(((move.source, move.target) for move in found), key=repr)
    assert [target for _, target, index in edges if not index] == list(dict.fromkeys(initial))
    assert set(drawn.statuses.values()) >= {*listed, *initial}
