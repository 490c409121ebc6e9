"""Whatever the JSON: it is refused with every problem at its place, or it runs to an end that has a name."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processes.domain.application import Application
from processes.domain.bindings import Binding, parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.directives import Failed, Finished, Suspended
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON, json_problems
from processes.domain.merge import Layer
from processes.domain.request import Request
from processes.domain.targets import ProcessTarget
from processes.errors import DefinitionError, NotFoundError
from processes.registry import scripts
from processes.scripts import flow
from tests.processes.domain.support import FakeHost, build_registry

REGISTRY = build_registry()
for spec in scripts:
    if spec.function.__module__ == flow.__name__ and REGISTRY.find(spec.name) is None:
        REGISTRY.register(spec)

_good_texts = st.sampled_from(
    ["a", "b", "sub", "act", "x", "", "?", "a?", "*", "true", "@end", "@start", "@error", "@default", "${v}",
     "%{data:n}", "%{param:q}", "%{attr:user.username}", "%{now}", "%{data:gone.0}", "é", "n"]
)  # fmt: skip
_texts = _good_texts | st.sampled_from(["${gone}", "%{dat:x}", "data.n == 1", "data.", "\0", "\ud800", "name"])


def _nested(scalars: st.SearchStrategy[Any], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
    )


_json = _nested(st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | _texts, _texts)
_good_json = _nested(st.none() | st.booleans() | st.integers(-3, 2**70) | _good_texts, _good_texts)

_keys = st.sampled_from(
    ["name", "script", "comment", "next", "config", "retry", "timeout_seconds", "compensate", "safe", "entry", "nmae"]
)
_odd_actions = st.dictionaries(_keys, _json, max_size=4)
_odd_definitions = st.lists(_odd_actions | _json, max_size=5) | st.fixed_dictionaries({"actions": _json}) | _json
_odd_bindings = st.dictionaries(_texts, st.just("act") | st.fixed_dictionaries({"value": _json}) | _json) | _json

_conditions = st.sampled_from(
    ["data.n == 1", "has(data.n) && data.n > 1", "error != null", "user.username == 'ada'", "data.n", "data.gone",
     "size(data.n) > 0", "now > timestamp(data.n)", "data.n.exists(x, x == 1)", "true"]
)  # fmt: skip
_states = st.booleans() | st.integers(0, 2) | _good_texts
#: Configs that derivation accepts; what placeholders bring in needn't fit.
_configs: dict[str | None, st.SearchStrategy[Any]] = {
    "set_state": st.fixed_dictionaries({"state": _states}),
    "fail": st.fixed_dictionaries({}, optional={"code": st.just("e"), "message": _good_texts,
                                                "fields": st.dictionaries(_good_texts, _good_json)}),
    "reset_error": st.fixed_dictionaries({}, optional={"state": _states}),
    "choose": st.fixed_dictionaries(
        {"cases": st.lists(st.fixed_dictionaries({"if": _conditions, "state": _states}), max_size=2)},
        optional={"else": _states},
    ),
    "call_process": st.fixed_dictionaries({"process": _good_texts}, optional={"action": _good_texts}),
    "sub": st.none() | st.fixed_dictionaries({"action": _good_texts}),
    "act": st.fixed_dictionaries({}, optional={
        "data": st.dictionaries(_good_texts, _good_json), "count": _good_texts, "reset": st.just(True),
        "fail": _good_texts, "set_error": _good_texts, "crash": _good_texts, "invoke": _good_texts,
        "value": _good_json, "state": _good_json,
    }),
}  # fmt: skip
_other_scripts = ["see", "park", "background", "again", "durable", "once", None]
_destinations = st.booleans() | st.sampled_from(["a", "b", "@end", "@default", "@unknown"])
_clauses = _destinations | st.dictionaries(_good_texts, _destinations, max_size=3)


@st.composite
def _definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a definition that can be derived, whose scripts meet whatever the data and the request hold."""
    more = st.lists(st.sampled_from(["c", "@start", "@default", "@unknown", "@error", "é"]), unique=True)
    names = draw(st.permutations(["a", "b", "@end", *draw(more)]))
    actions = []
    for name in names:
        script = draw(st.sampled_from([*_configs, *_other_scripts]))
        config = draw(_configs.get(script, _good_json))
        actions.append({"name": name, "script": script, "config": config, "entry": draw(st.booleans())})
        clause = draw(_clauses)
        named = {clause} if isinstance(clause, str) else set(clause.values()) if isinstance(clause, dict) else set()
        if all(target in names or isinstance(target, bool) for target in named):
            actions[-1]["next"] = clause
    return actions


@st.composite
def _nearly_right(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a definition that only one value keeps from being derived: each check is reached by itself."""
    definition = draw(_definitions())
    draw(st.sampled_from(definition))[draw(_keys)] = draw(_json)
    return definition


def processes(reference: JSON) -> ProcessTarget:
    if reference != "sub":
        raise NotFoundError("There is no such process")
    return ProcessTarget(name="sub", reference="sub")


def check_refusal(error: DefinitionError, *, place: str = "") -> None:
    """Check that a refusal can be stored, and that each of its problems says what is wrong and where."""
    assert error.problems
    assert not json_problems(error.to_json())
    for problem in error.problems:
        assert problem.message
        assert problem.path == "" or problem.path.startswith("/")
        assert place in problem.path


@settings(max_examples=max(100, settings.default.max_examples))
@given(definition=_odd_definitions | _nearly_right() | _definitions(), bindings=_odd_bindings, abstract=st.booleans())
def test_any_json_is_derived_or_refused(definition: object, bindings: object, abstract: bool) -> None:
    try:
        own = Layer(
            name="own", definition=parse_definition(definition, abstract=True), bindings=parse_bindings(bindings)
        )
        derived = derive([own], name="own", catalogue=REGISTRY, processes=processes, abstract=abstract)
    except DefinitionError as error:
        check_refusal(error)
    else:
        assert (derived.plan is None) is abstract


@given(definition=_definitions(), value=_json, entry=st.sampled_from(["a", "é", None]) | _json,
       data=st.fixed_dictionaries({}, optional={"n": _json}), durable=st.booleans())  # fmt: skip
def test_whatever_it_meets_a_run_comes_to_an_end(
    definition: list[Any], value: Any, entry: object, data: Any, durable: bool
) -> None:
    own = Layer(
        name="own",
        definition=parse_definition(definition),
        bindings={"sub": Binding("process", "sub"), "v": Binding("value", value)},
    )
    try:
        plan = derive([own], name="own", catalogue=REGISTRY, processes=processes).plan
    except DefinitionError as error:
        # The value that is bound may not be what a script takes.
        check_refusal(error, place="/config")
        return
    assert plan is not None
    host = FakeHost(registry=REGISTRY, durable=durable, plans={"sub": plan, "a": plan})
    app = Application(data=data, request=Request(parameters={"q": value}), user="ada")
    outcome = Interpreter.start(plan, app=app, host=host, entry=entry).run(limit=30)
    assert isinstance(outcome, Finished | Failed | Suspended)
    if isinstance(outcome, Failed):
        # An error can be stored, whatever went into it.
        assert not json_problems(outcome.error.to_json())
