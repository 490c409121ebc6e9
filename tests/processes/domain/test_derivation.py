"""Deriving plans: bindings resolved, configs checked, every problem at its place."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import Derivation, derive
from processes.domain.entrances import Entrance
from processes.domain.json_values import JSON
from processes.domain.merge import Layer
from processes.domain.plan import EXIT, ONWARD
from processes.domain.targets import ProcessTarget, ScriptTarget
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.registry import ScriptRegistry


class Case(BaseModel):
    model_config = ConfigDict(extra="forbid")
    state: str


class MailConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    recipient: str = Field(min_length=3)
    copies: int = 0
    cases: list[Case] = []
    mode: Literal["now", "later"] | None = None

    @model_validator(mode="after")
    def check(self) -> "MailConfig":
        if self.copies > 5 and self.recipient.startswith("all"):
            raise ValueError("Not so many to all")
        return self


class Rude(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def check(cls, value: Any) -> Any:
        raise KeyError("rude")


def parts_of(config: Mapping[str, Any]) -> Iterator[Entrance]:
    for place, name in enumerate(config["parts"]):
        yield Entrance(path=("parts", place), action=name)


registry = ScriptRegistry()
for script_name, options in {
    "noop": {},
    "mail": {"config": MailConfig, "aliases": ["sendMail"], "effect": "once", "version": 3},
    "rude": {"config": Rude},
    "start_progress": {"requires": {"renderProgress": "render_progress"}},
    "render_progress": {},
    "spread": {"parts": parts_of},
}.items():
    registry.task_script(script_name, **options)(lambda app: None)  # type: ignore[arg-type]


def processes(reference: JSON) -> ProcessTarget:
    if reference == "broken":
        raise DefinitionError([Problem("/0/next", "bad inside", source="broken")])
    if isinstance(reference, list):
        raise DefinitionError([Problem("/0/next", "bad inline")])
    if reference != "sub":
        raise NotFoundError(f'There is no process "{reference}"', fields={"suggestion": 'Did you mean "sub"?'})
    return ProcessTarget(name="sub", plan_hash="hash", reference="sub")


def layer(definition: object, bindings: dict[str, Any] | None = None, name: str = "own", **places: str) -> Layer:
    return Layer(
        name=name,
        definition=parse_definition(definition, abstract=True),
        bindings=parse_bindings(bindings or {}),
        **places,
    )


def derived(*layers: Layer, abstract: bool = False) -> Derivation:
    return derive(layers, name="own", catalogue=registry, processes=processes, abstract=abstract)


def plan_of(definition: object, bindings: dict[str, Any] | None = None) -> Any:
    return derived(layer(definition, bindings)).plan


def problems_of(*layers: Layer, abstract: bool = False) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as caught:
        derived(*layers, abstract=abstract)
    return caught.value.problems


MAIL = ScriptTarget(name="mail", version=3, effect="once", schema_hash=registry.get("mail").schema_hash)
CONFIG = {"recipient": "you@x"}

TARGETS: list[tuple[dict[str, Any], dict[str, Any], object]] = [
    # (action, bindings, target)
    ({"name": "noop"}, {}, ScriptTarget(name="noop")),
    ({"name": "a", "script": "noop"}, {}, ScriptTarget(name="noop")),
    ({"name": "a", "script": None}, {}, None),
    ({"name": "a", "script": "sendMail", "config": CONFIG}, {}, MAIL),
    ({"name": "a", "config": CONFIG}, {"a": "sendMail"}, MAIL),
    ({"name": "noop", "config": CONFIG}, {"noop": {"script": "mail"}}, MAIL),
    ({"name": "a"}, {"a": {"process": "sub"}}, ProcessTarget(name="sub", plan_hash="hash", reference="sub")),
]


@pytest.mark.parametrize(("action", "bindings", "target"), TARGETS)
def test_a_script_is_looked_up_in_the_bindings_and_then_among_the_scripts(
    action: dict[str, Any], bindings: dict[str, Any], target: object
) -> None:
    assert plan_of([action], bindings).actions[0].target == target


def test_next_clauses_become_indexes() -> None:
    plan = plan_of([
        {"name": "@start", "script": None},
        {"name": "a", "script": None, "next": {"x": "c", "y": False, "z": True, "e": "@end"}},
        {"name": "@end", "script": None, "next": "a"},
        {"name": "b", "script": None, "next": False},
        {"name": "c", "script": None},
    ])  # fmt: skip
    assert [(action.after, action.routes) for action in plan.actions] == [
        (ONWARD, None),
        (3, {"x": 4, "y": EXIT, "z": 3, "e": EXIT}),
        (1, None),
        (EXIT, None),
        (EXIT, None),
    ]
    assert (plan.first.name, list(plan.lifecycle), list(plan.ordinary)) == ("a", ["@start", "@end"], ["a", "b", "c"])


def test_references_are_replaced_and_placeholders_are_noted() -> None:
    bindings = {
        "text": {"value": "%{now}"},
        "sub": {"process": "sub"},
        "work": "sendMail",
        "box": {"credential": "smtp"},
    }
    config = {"a": "${text}", "b": ["${sub}", "${work}", "${box}"], "c": "%{param:x}"}
    action = plan_of([{"name": "noop", "config": config}], bindings).actions[0]
    assert action.config == {
        "a": "%{now}",
        "b": [
            {"$ref": "process", "name": "sub", "plan_hash": "hash", "reference": "sub"},
            {"$ref": "script", "name": "mail"},
            {"$ref": "credential", "name": "smtp"},
        ],
        "c": "%{param:x}",
    }
    # What a reference has put in isn't expanded again, even where it looks like a placeholder.
    assert [filler.pointer for filler in action.fillers] == ["/c"]


def test_an_extending_template_rebinds_a_reference_of_its_base() -> None:
    base = layer([{"name": "noop", "config": {"to": "${to}"}}], {"to": {"value": "base"}}, name="base")
    own = layer([], {"to": {"value": "own"}})
    plan = derived(base, own).plan
    assert plan is not None
    assert plan.actions[0].config == {"to": "own"}


MISTAKES: list[tuple[list[Any], dict[str, Any], str, str, str | None]] = [
    # (definition, bindings, JSON Pointer, part of the message, suggestion)
    ([{"name": "nop"}], {}, "/0/name", 'is called "nop"', 'Did you mean "noop"?'),
    ([{"name": "a", "script": "nop"}], {}, "/0/script", 'is called "nop"', 'Did you mean "noop"?'),
    ([{"name": "a", "script": "malier"}], {"mailer": "noop"}, "/0/script", "is called", 'Did you mean "mailer"?'),
    ([], {"r/1": "nop"}, "/bindings/r~11", 'No script "nop"', 'Did you mean "noop"?'),
    ([{"name": "r"}], {"r": "nop"}, "/bindings/r", 'No script "nop"', 'Did you mean "noop"?'),
    ([], {"r": {"process": "sbu"}}, "/bindings/r", "no process", 'Did you mean "sub"?'),
    ([], {"r": {"process": [1]}}, "/bindings/r/process/0/next", "bad inline", None),
    ([{"name": "r"}], {"r": {"value": 1}}, "/0/name", "is bound to a value, which can't run", None),
    ([{"name": "r"}], {"r": {"credential": "x"}}, "/0/name", "bound to a credential", None),
    ([{"name": "noop", "config": {"a": ["${tex}"]}}], {"text": {"value": 1}}, "/0/config/a/0", 'bound to "tex"',
     'Did you mean "text"?'),
    # What is meant as a placeholder isn't told besides that it is no list.
    ([{"name": "mail", "config": {"recipient": "ada", "cases": "%{dat:x}"}}], {}, "/0/config/cases",
     "isn't a placeholder", "Write it like %{data:x}"),
    ([{"name": "noop", "config": "%{dat:x}"}], {}, "/0/config", "isn't a placeholder", "Write it like %{data:x}"),
    ([{"name": "noop", "next": "nop"}], {}, "/0/next", 'No action "nop"', 'Did you mean "noop"?'),
    ([{"name": "mail"}], {}, "/0/config", 'key "recipient" is required', None),
    ([{"name": "mail", "config": {"recipient": 5}}], {}, "/0/config/recipient", "be a text", None),
    ([{"name": "mail", "config": [1]}], {}, "/0/config", "be an object", None),
    ([{"name": "mail", "config": {**CONFIG, "copeis": 1}}], {}, "/0/config/copeis", "Unknown key",
     'Did you mean "copies"?'),
    ([{"name": "mail", "config": {**CONFIG, "cases": [{"stat": 1, "state": "x"}]}}], {}, "/0/config/cases/0/stat",
     "Unknown key", None),
    ([{"name": "mail", "config": {**CONFIG, "cases": [{}]}}], {}, "/0/config/cases/0", '"state" is required', None),
    ([{"name": "mail", "config": {"recipient": "all of you", "copies": 9}}], {}, "/0/config", "Not so many", None),
    ([{"name": "mail", "config": {"recipient": "%{data:x}", "copies": "x"}}], {}, "/0/config/copies", "whole", None),
    ([{"name": "mail", "config": {"copies": "%{data:x}"}}], {}, "/0/config", '"recipient" is required', None),
    ([{"name": "mail", "config": {"recipient": "%{now}", "x": 1}}], {}, "/0/config/x", "Unknown key", None),
    ([{"name": "rude", "config": {}}], {}, "/0/config", "can't be checked: KeyError", None),
    ([{"name": "s", "config": {"action": 5}}], {"s": {"process": "sub"}}, "/0/config/action", "Must be the name", None),
    ([{"name": "s", "config": [1]}], {"s": {"process": "sub"}}, "/0/config", "must be an object", None),
    ([{"name": "start_progress"}], {}, "/0/name", 'needs an action "renderProgress"',
     'Add {"name":"renderProgress","script":"render_progress"}'),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "bindings", "path", "message", "suggestion"), MISTAKES)
def test_a_mistake_is_named_with_its_place(
    definition: list[Any], bindings: dict[str, Any], path: str, message: str, suggestion: str | None
) -> None:
    (problem,) = problems_of(layer(definition, bindings))
    assert problem.path == path
    assert message in problem.message
    assert problem.source is None
    if suggestion is not None:
        assert problem.suggestion == suggestion


ACCEPTED: list[Any] = [
    {"recipient": "%{param:x}"},
    {"recipient": "x%{now}", "copies": "%{data:n}"},
    {"recipient": "you", "cases": "%{data:cases}"},
    {"recipient": "you", "cases": ["%{data:case}", {"state": "%{data:s}"}]},
    {"recipient": "you", "mode": "%{data:mode}"},
    {"recipient": "all%{data:x}", "copies": 9},
    "%{data:config}",
]


@pytest.mark.parametrize("config", ACCEPTED)
def test_a_placeholder_satisfies_any_type(config: object) -> None:
    assert plan_of([{"name": "mail", "config": config}]).actions[0].fillers


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"parts": ["spread", "there"]}, None),
        ({"parts": ["there", "ther"]}, ("/0/config/parts/1", 'No action "ther" is declared', 'Did you mean "there"?')),
        ({"parts": ["%{data:which}"]}, None),
        ({"parts": ["${bound}"]}, None),
        ({"parts": "${all}"}, None),
        ({}, ("/0/config", "At which actions \"spread\" lets its parts begin can't be told: KeyError: 'parts'", None)),
    ],
)
def test_an_action_at_which_a_part_begins_is_declared(config: Any, found: tuple[str, str, str | None] | None) -> None:
    definition = [{"name": "spread", "config": config}, {"name": "there", "script": "noop"}]
    own = layer(definition, {"bound": {"value": "elsewhere"}, "all": {"value": ["elsewhere"]}})
    if found is None:
        assert derived(own).plan is not None
    else:
        assert [(one.path, one.message, one.suggestion) for one in problems_of(own)] == [found]


def test_in_an_abstract_template_a_part_may_begin_at_what_its_descendants_declare() -> None:
    base = layer([{"name": "spread", "config": {"parts": ["later"]}}], name="base")
    assert derived(base, abstract=True).plan is None
    assert [(one.path, one.source) for one in problems_of(base, layer([]))] == [("/0/config/parts/0", "base")]
    assert derived(base, layer([{"name": "later", "script": "noop"}])).plan is not None


def test_all_mistakes_are_found_at_once_with_the_layer_they_are_in() -> None:
    base = layer([{"name": "a", "script": "nop"}, {"name": "b", "script": "nop"}], {"r": "nop"}, name="base",
                 definition_path="/definition")  # fmt: skip
    own = layer([{"name": "b", "script": None, "next": "x"}, {"name": "mail"}], {"q": {"process": "broken"}})
    assert [(p.source, p.path) for p in problems_of(base, own)] == [
        ("base", "/bindings/r"),
        ("broken", "/0/next"),
        ("base", "/definition/0/script"),
        (None, "/1/config"),
        (None, "/0/next"),
    ]


def test_an_abstract_template_may_leave_actions_and_bindings_to_its_descendants() -> None:
    definition = [{"name": "importer", "next": "later", "config": {"a": "${later}"}}, {"name": "start_progress"}]
    assert derived(layer(definition), abstract=True).plan is None
    child = layer([{"name": "later", "script": None}, {"name": "renderProgress", "script": None}],
                  {"importer": "noop", "later": {"value": 1}}, name="child")  # fmt: skip
    plan = derive([layer(definition), child], name="child", catalogue=registry).plan
    assert plan is not None
    assert plan.actions[0].config == {"a": 1}


ABSTRACT_MISTAKES: list[tuple[list[Any], dict[str, Any], str]] = [
    # (definition, bindings, JSON Pointer): what no descendant could mend
    ([{"name": "importer"}, {"name": "mail", "config": {"recipient": 5}}], {}, "/1/config/recipient"),
    ([{"name": "mail", "config": {"recipient": "you", "x": 1}}], {}, "/0/config/x"),
    ([{"name": "a", "next": "@start"}], {}, "/0/next"),
    ([{"name": "a", "next": {"x": "@error"}}], {}, "/0/next/x"),
    ([{"name": "a", "next": "later?"}], {}, "/0/next"),
    ([{"name": "noop", "config": ["%{parm:x}"]}], {}, "/0/config/0"),
    ([], {"r": "nop"}, "/bindings/r"),
    ([], {"r": {"process": "sbu"}}, "/bindings/r"),
    ([{"name": "r"}], {"r": {"value": 1}}, "/0/name"),
]


@pytest.mark.parametrize(("definition", "bindings", "path"), ABSTRACT_MISTAKES)
def test_an_abstract_template_is_checked_in_all_else(
    definition: list[Any], bindings: dict[str, Any], path: str
) -> None:
    assert [problem.path for problem in problems_of(layer(definition, bindings), abstract=True)] == [path]


def test_bindings_are_overridden_at_each_of_several_levels() -> None:
    """A base of two bases, extended, instantiated: each level rebinds something that a lower one uses."""
    first = layer(
        [{"name": "work"}, {"name": "noop", "config": ["${a}", "${b}", "${c}", "${d}", "${e}"]}],
        {"work": "noop", **{name: {"value": "first"} for name in "abcde"}},
        name="first",
    )
    second = layer([{"name": "extra", "script": None}], {name: {"value": "second"} for name in "bcde"}, name="second")
    middle = layer([{"name": "work", "script": None}], {name: {"value": "middle"} for name in "cde"}, name="middle")
    own = layer([], {name: {"value": "own"} for name in "de"})
    instance = layer([], {"e": {"value": "instance"}, "work": {"process": "sub"}}, name="instance")
    derivation = derive([first, second, middle, own, instance], name="x", catalogue=registry, processes=processes)
    assert derivation.plan is not None
    assert [action.name for action in derivation.plan.actions] == ["work", "noop", "extra"]
    assert derivation.plan.actions[1].config == ["first", "second", "middle", "own", "instance"]
    # The action that `middle` put in the place of "work" runs nothing, whatever "work" is bound to.
    assert derivation.plan.actions[0].target is None
    assert derivation.merged.bindings["e"].overrides == ("first", "second", "middle", "own")


def test_rebinding_a_script_checks_the_config_of_the_base_against_the_new_one() -> None:
    base = layer([{"name": "a", "script": "work", "config": {"n": 1}}], {"work": "noop"}, name="base")
    (problem, *_) = problems_of(base, layer([], {"work": "mail"}))
    assert (problem.source, problem.path) == ("base", "/0/config")


def test_an_instance_overrides_bindings_with_a_layer_of_its_own() -> None:
    own = layer([{"name": "a"}], {"a": "noop"})
    instance = Layer(
        name="instance 7", definition=parse_definition([]), bindings=parse_bindings({"a": {"process": "sub"}})
    )
    assert derived(own, instance).plan.actions[0].script == "sub"  # type: ignore[union-attr]


def test_without_a_resolver_there_are_no_processes() -> None:
    with pytest.raises(DefinitionError, match="no process"):
        derive([layer([], {"s": {"process": "sub"}})], name="own", catalogue=registry)


def test_a_plan_shares_nothing_with_the_documents_it_comes_from() -> None:
    document: list[dict[str, Any]] = [{"name": "noop", "config": {"list": [1]}}]
    plan = plan_of(document)
    document[0]["config"]["list"].append(2)
    assert plan.actions[0].config == {"list": [1]}
