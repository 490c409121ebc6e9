"""Extending: layers in their order, and the order of layers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.bindings import Binding
from processes.domain.definition import Definition, parse_definition
from processes.domain.extends import MAX_EXTENDS_DEPTH, linearise
from processes.domain.merge import Layer, merge
from processes.errors import DefinitionError


def layer(name: str, actions: dict[str, str], bindings: dict[str, str] | None = None) -> Layer:
    """Write a layer whose actions (and bindings) are told apart by a comment (or a script)."""
    document = [{"name": action, "comment": comment} for action, comment in actions.items()]
    return Layer(
        name=name,
        definition=parse_definition(document) if document else Definition(actions=()),
        bindings={reference: Binding("script", script) for reference, script in (bindings or {}).items()},
    )


def comments(*layers: Layer) -> list[tuple[str, str | None]]:
    return [(merged.action.name, merged.action.comment) for merged in merge(layers).actions]


def test_a_later_layer_overrides_in_place_and_appends() -> None:
    base = layer("base", {"a": "1", "b": "1", "c": "1"})
    own = layer("own", {"d": "2", "b": "2"})
    assert comments(base, own) == [("a", "1"), ("b", "2"), ("c", "1"), ("d", "2")]


def test_each_part_remembers_where_it_comes_from() -> None:
    merged = merge([
        layer("one", {"a": "1", "b": "1"}, {"x": "1"}),
        layer("two", {"a": "2"}, {"x": "2", "y": "2"}),
        layer("own", {"a": "3"}, {"y": "3"}),
    ])  # fmt: skip
    assert [(m.action.name, m.layer.name, m.overrides) for m in merged.actions] == [
        ("a", "own", ("one", "two")),
        ("b", "one", ()),
    ]
    assert {ref: (m.binding.target, m.layer.name, m.overrides) for ref, m in merged.bindings.items()} == {
        "x": ("2", "two", ("one",)),
        "y": ("3", "own", ("two",)),
    }


def test_a_layer_that_applies_twice_does_not_override_itself() -> None:
    base = layer("base", {"a": "1"})
    assert merge([base, base]).actions[0].overrides == ()


small_layers = st.lists(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 99).map(str), max_size=5), min_size=1, max_size=5
)


@given(small_layers)
def test_the_last_layer_that_declares_an_action_wins_and_the_first_places_it(written: list[dict[str, str]]) -> None:
    result = comments(*(layer(f"l{n}", actions) for n, actions in enumerate(written)))
    expected: dict[str, str] = {}
    for actions in written:
        expected.update(actions)
    assert result == list(expected.items())


@given(small_layers, st.integers(0, 5))
def test_merging_is_associative(written: list[dict[str, str]], cut: int) -> None:
    """What a base gives when it was merged by itself is what it gives layer by layer."""
    layers = [layer(f"l{n}", actions) for n, actions in enumerate(written)]
    first = {m.action.name: m.action for m in merge(layers[:cut]).actions}
    together = layer("base", {})
    joined = Layer(name=together.name, definition=Definition(actions=tuple(first.values())))
    assert comments(joined, *layers[cut:]) == comments(*layers)


ORDERS = [
    # (who extends whom, the layers of "t" in order)
    ({"t": []}, "t"),
    ({"t": ["a", "b"], "a": [], "b": []}, "a b t"),
    ({"t": ["b", "a"], "a": [], "b": []}, "b a t"),
    ({"t": ["a"], "a": ["b"], "b": ["c"], "c": []}, "c b a t"),
    # A base that is reached twice applies twice: each extended template counts as the whole it is.
    ({"t": ["a", "b"], "a": ["d"], "b": ["d"], "d": []}, "d a d b t"),
    ({"t": ["a", "a"], "a": []}, "a a t"),
    ({"t": ["a", "b", "c"], "a": ["d"], "b": ["d"], "c": ["d"], "d": []}, "d a b d c t"),
]


@pytest.mark.parametrize(("graph", "order"), ORDERS)
def test_layers_apply_in_this_order(graph: dict[str, list[str]], order: str) -> None:
    assert linearise(graph, "t") == order.split()


@given(st.data())
def test_the_order_gives_what_merging_whole_templates_gives(data: st.DataObject) -> None:
    names = ["a", "b", "c", "d", "t"]
    graph = {
        name: data.draw(st.lists(st.sampled_from(names[:index]), max_size=3) if index else st.just([]))
        for index, name in enumerate(names)
    }
    own = {name: data.draw(st.sets(st.sampled_from("xyz"))) for name in names}
    bound = {name: data.draw(st.sets(st.sampled_from("pqr"))) for name in names}

    def whole(name: str, parts: dict[str, set[str]]) -> dict[str, str]:
        result: dict[str, str] = {}
        for base in graph[name]:
            result.update(whole(base, parts))
        result.update(dict.fromkeys(sorted(parts[name]), name))
        return result

    layers = [
        layer(name, dict.fromkeys(sorted(own[name]), name), dict.fromkeys(sorted(bound[name]), name))
        for name in linearise(graph, "t")
    ]
    assert comments(*layers) == list(whole("t", own).items())
    merged = merge(layers)
    assert {name: found.binding.target for name, found in merged.bindings.items()} == whole("t", bound)
    # Who declared what is remembered, too.
    assert all(found.layer.name == found.binding.target for found in merged.bindings.values())


REFUSED = [
    ({"t": ["t"]}, "t → t"),
    ({"t": ["a"], "a": ["b"], "b": ["a"]}, "a → b → a"),
    ({"t": ["a"], "a": ["b"], "b": ["t"]}, "t → a → b → t"),
    ({"t": ["gone"]}, 'no template "gone" (extended by "t")'),
    ({}, 'no template "t"'),
    ({"t": ["0"], **{str(n): [str(n + 1)] for n in range(MAX_EXTENDS_DEPTH + 5)}}, "levels"),
]


@pytest.mark.parametrize(("graph", "message"), REFUSED)
def test_a_circle_or_a_gap_is_refused_with_its_path(graph: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        linearise(graph, "t")
    (problem,) = caught.value.problems
    assert problem.path == "/extends"
    assert message in problem.message


def test_many_diamonds_cost_little() -> None:
    graph = {"d0": []} | {f"d{n + 1}": [f"d{n}", f"d{n}"] for n in range(45)}
    assert len(linearise(graph, "d45")) <= 2 * len(graph)
