"""From a definition to its plan and back: the effective document, which gives the same plan again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.bindings import Binding, parse_bindings, replace_references, restore_references
from processes.domain.definition import Definition, parse_definition
from processes.domain.derivation import derive
from processes.domain.json_values import JSON, pointer
from processes.domain.merge import Layer
from processes.domain.plan import Plan
from processes.domain.targets import ProcessTarget
from tests.processes.domain.support import build_registry

REGISTRY = build_registry()
BINDINGS: dict[str, JSON] = {
    "text": {"value": "%{now} ${sub}"}, "deep": {"value": {"a": ["${text}", None]}}, "sub": {"process": "sub"},
    "inline": {"process": [{"name": "s", "script": None}]}, "work": {"script": "act"}, "box": {"credential": "smtp"},
    "null": {"value": None}, "a/b~c": {"value": 1}, "act": {"script": "noop"}, "@end": {"script": "noop"},
}  # fmt: skip


def processes(reference: JSON) -> ProcessTarget:
    name = reference if isinstance(reference, str) else "inline"
    return ProcessTarget(name=name, plan_hash=f"hash of {name}", reference=reference)


def plan_of(*layers: Layer) -> Plan:
    plan = derive(layers, name="main", catalogue=REGISTRY, processes=processes).plan
    assert plan is not None
    return plan


def layer(document: JSON, bindings: JSON = None, name: str = "main") -> Layer:
    """Read a layer as one of several: what it names may be declared by another."""
    return Layer(
        name=name, definition=parse_definition(document, abstract=True), bindings=parse_bindings(bindings or {})
    )


# Documents in the shortest form: they come back as they are.
DOCUMENTS: list[list[dict[str, Any]]] = [
    [],
    [{"name": "noop"}],
    [{"name": "a", "script": None}],
    [{"name": "a", "script": "act", "caption": "A", "comment": "why", "next": False, "config": ["t"]}],
    [{"name": "a", "script": "act", "next": {"x": "b", "*": False, "y": True}}, {"name": "b", "script": None}],
    [{"name": "a", "script": None, "next": {}}],
    [{"name": "@start", "script": "noop", "next": "a"}, {"name": "a", "script": "act"}, {"name": "@end"}],
    [{"name": "a", "script": "work", "config": {"value": "%{data:n}", "list": ["in %{now}", "${text}", "in ${text}"]}}],
    [{"name": "a", "script": "sub", "config": {"action": "s?"}}, {"name": "inline"}, {"name": "act"}],
    [{"name": "a", "script": "act", "config": "${deep}"}, {"name": "b", "script": "act", "config": "${null}"}],
    [{"name": "a", "script": "act", "config": {"k/~": {"${text}": "${a/b~c}"}, "": ["${box}", "${work}"]}}],
    [{"name": "a", "script": None, "timeout_seconds": 1.5, "compensate": "a", "safe": True, "entry": False}],
    [
        {
            "name": "a",
            "script": None,
            "retry": {
                "attempts": 2, "backoff": "fixed", "delay_seconds": 1.0, "cap_seconds": 2.0, "jitter": 0.0,
                "errors": ["e"],
            },
        }
    ],
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_plan_gives_its_definition_and_bindings_back(document: list[dict[str, Any]]) -> None:
    plan = plan_of(layer(document, BINDINGS))
    assert plan.to_definition() == document
    assert plan.to_bindings() == BINDINGS
    stored = Plan.from_json(json.loads(json.dumps(plan.to_json())), plan_hash=plan.hash)
    assert (stored.to_definition(), stored.to_bindings()) == (document, BINDINGS)


LONGER: list[tuple[JSON, list[dict[str, Any]]]] = [
    # (a document, its shortest form)
    ({"format": 1, "actions": [{"name": "noop", "script": "noop", "next": True}]}, [{"name": "noop"}]),
    ([{"script": None, "safe": False, "entry": True, "config": None, "comment": None, "name": "a"}],
     [{"name": "a", "script": None}]),
    ([{"name": "a", "script": None, "retry": 2}],
     [{"name": "a", "script": None, "retry": {"attempts": 2, "backoff": "exponential", "delay_seconds": 1.0,
                                              "cap_seconds": 300.0, "jitter": 0.0}}]),
]  # fmt: skip


@pytest.mark.parametrize(("document", "shortest"), LONGER)
def test_defaults_are_left_out(document: JSON, shortest: list[dict[str, Any]]) -> None:
    assert plan_of(layer(document)).to_definition() == shortest


def test_layers_give_the_document_that_they_come_to() -> None:
    base = layer([{"name": "a", "script": "act", "config": "${v}"}, {"name": "b", "script": None}], {"v": {"value": 1}},
                 "base")  # fmt: skip
    own = layer([{"name": "c", "script": None}, {"name": "b", "script": "act"}], {"v": {"value": 2}})
    plan = plan_of(base, own)
    assert plan.to_definition() == [
        {"name": "a", "script": "act", "config": "${v}"}, {"name": "b", "script": "act"}, {"name": "c", "script": None},
    ]  # fmt: skip
    assert plan_of(layer(plan.to_definition(), plan.to_bindings())) == plan


texts = st.sampled_from(["t", "${text}", "${deep}", "${a/b~c}", "in ${text}", "%{now}", "%{data:a}", "in %{param:x}"])
configs = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "/", "~1", "0", ""]), inner),
    max_leaves=8,
)
names = ["a", "b", "c", "@start", "@end", "@default", "@unknown", "@error"]
targets = st.booleans() | st.sampled_from(["a", "b", "c"])
written_actions = st.fixed_dictionaries(
    {"script": st.sampled_from(["act", "noop", "work", None])},
    optional={
        "next": targets | st.dictionaries(st.sampled_from(["x", "*", ""]), targets),
        "config": configs,
        "caption": st.text(alphabet="ab é", max_size=5),
        "comment": st.text(alphabet="ab é", max_size=5),
        "timeout_seconds": st.sampled_from([1, 2.5]),
        "safe": st.booleans(),
        "entry": st.booleans(),
        "compensate": st.sampled_from(["a", "b", "c"]),
        "retry": st.integers(1, 5) | st.fixed_dictionaries({"attempts": st.integers(1, 5)}),
    },
)
documents = st.dictionaries(st.sampled_from(names), written_actions).map(
    lambda actions: [{"name": name, **action} for name, action in actions.items()]
)


@given(st.lists(documents, min_size=1, max_size=3))
def test_compiling_what_was_decompiled_gives_the_same_plan(layers: list[list[dict[str, Any]]]) -> None:
    floor = layer([{"name": name, "script": None} for name in "abc"], BINDINGS, "floor")
    plan = plan_of(floor, *(layer(document, name=f"l{number}") for number, document in enumerate(layers)))
    again = plan_of(layer(plan.to_definition(), plan.to_bindings()))
    assert (again, again.hash) == (plan, plan.hash)
    assert again.to_definition() == plan.to_definition()


@given(documents)
def test_a_document_comes_back_up_to_its_defaults(document: list[dict[str, Any]]) -> None:
    """What is read from the document and from what comes back is the same, action by action."""
    declared = [
        *document,
        *({"name": name, "script": None} for name in "abc" if name not in {a["name"] for a in document}),
    ]
    back = plan_of(layer(declared, BINDINGS)).to_definition()
    assert meanings(parse_definition(back)) == meanings(parse_definition(declared))


def meanings(definition: Definition) -> list[object]:
    """Give what actions say, without how it is written."""
    return [
        (
            a.name,
            a.reference,
            a.caption,
            a.comment,
            a.next,
            a.config,
            a.retry,
            a.timeout_seconds,
            a.compensate,
            a.safe,
            a.entry,
        )
        for a in definition.actions
    ]


@given(configs)
def test_references_are_put_back_where_they_were(config: JSON) -> None:
    bindings = {reference: Binding("value", target) for reference, target in BINDINGS.items()}
    replaced: dict[Any, str] = {}
    result, _ = replace_references(config, lambda name: bindings[name].in_config(), lambda *_: None, replaced)
    places = {pointer(*path): reference for path, reference in replaced.items()}
    assert restore_references(result, places) == config
