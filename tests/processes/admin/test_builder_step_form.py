"""The fields of a step: sent as they are shown they change nothing, whatever the step holds."""

import json
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from processes.admin.tabs.builder.step_form import StepForm, script_value
from processes.domain.authoring.rows import Step
from processes.services.catalogue import catalogue
from tests.processes.domain.authoring.test_config_form import values
from tests.processes.domain.authoring.test_rows import targets

SCRIPTS = ["read_table", "http_request", "set_state", "show_form", "noop", "gone"]
keys = ["file", "format", "limit", "columns", "url", "method", "headers", "state", "action", "fields", "odd"]
configs = values | st.dictionaries(st.sampled_from(keys), values)
texts = st.sampled_from(["", "one", "two\nlines", "two\r\nlines", "\n", " "])
steps = st.fixed_dictionaries(
    {"name": st.just("a")},
    optional={
        "script": st.none() | st.sampled_from(SCRIPTS),
        "caption": st.none() | texts,
        "comment": st.none() | texts,
        "next": targets | st.dictionaries(st.sampled_from(["x", " ", "*", "", '""', '"x', "y"]), targets),
        "config": configs,
        "retry": values,
        "safe": st.booleans(),
        "entry": st.booleans(),
        "odd": values,
    },
).map(Step)


def sent(form: StepForm, script: str) -> QueryDict:
    """Send what a page shows of a step, as a browser does."""
    shown: list[tuple[str, str]] = [
        ("schema", script if form.fields else ""), ("script", script_value(form.step)), ("caption", form.step.caption),
        ("comment", form.step.comment), ("further", form.further), ("config", form.whole), ("more", form.more),
        *((f"c:{field.key}", form.text_of(field)) for field in form.fields),
    ]  # fmt: skip
    for number, (state, to) in enumerate([*form.rules(), ("", "")]):
        shown += [("rule", str(number)), (f"r{number}-state", state), (f"r{number}-to", to)]
    data = QueryDict(mutable=True)
    for name, value in shown:
        data.appendlist(f"s0-{name}", value.replace("\r\n", "\n").replace("\n", "\r\n"))
    return data


@given(steps)
def test_what_is_sent_as_it_is_shown_changes_nothing(step: Step) -> None:
    spec = catalogue().find(str(step.reference))
    form = StepForm("0", step, spec)
    read, found = StepForm("0", step).read(sent(form, "" if spec is None else spec.name))
    assert json.dumps(read.written) == json.dumps(step.written)
    assert found == []


RULES: list[tuple[list[tuple[str, str]], Any]] = [
    # (states and destinations as they are sent, the next clause)
    ([("", "next")], True),
    ([("", "exit")], False),
    ([("", "to:b")], "b"),
    ([("ok", "to:b"), ("", "exit")], {"ok": "b", "*": False}),
    ([("*", "exit")], {"*": False}),
    ([('""', "exit")], {"": False}),
    ([(" ", "exit")], False),
    ([('" "', "exit")], {" ": False}),
    ([('"x', "exit")], {'"x': False}),
    ([("ok", "")], None),
    ([], None),
]


@pytest.mark.parametrize(("rules", "expected"), RULES)
def test_rules_are_read_as_a_next_clause(rules: list[tuple[str, str]], expected: Any) -> None:
    data = QueryDict(mutable=True)
    for number, (state, to) in enumerate(rules):
        data.appendlist("s0-rule", str(number))
        data.update({f"s0-r{number}-state": state, f"s0-r{number}-to": to})
    step, _ = StepForm("0", Step({"name": "a", "next": {"old": "x"}})).read(data)
    assert step.written.get("next") == expected


SCRIPT_CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("=", {"name": "a"}),
    ("-", {"name": "a", "script": None}),
    ("r:other", {"name": "a", "script": "other"}),
]


@pytest.mark.parametrize(("value", "expected"), SCRIPT_CHOICES)
def test_a_script_is_chosen(value: str, expected: dict[str, Any]) -> None:
    data = QueryDict(mutable=True)
    data["s0-script"] = value
    step, _ = StepForm("0", Step({"name": "a", "script": "before"})).read(data)
    assert step.written == expected


UNREADABLE: list[tuple[str, str, str]] = [
    # (the field, what is typed, the message)
    ("more", "[1]", "Enter an object of JSON, as in {…}."),
    ("more", "{", "Not valid JSON"),
    ("more", '{"config": 1}', "“config” has a field of its own."),
    ("config", "{", "Not valid JSON"),
]


@pytest.mark.parametrize(("field", "typed", "message"), UNREADABLE)
def test_what_cant_be_read_is_told_and_leaves_the_step(field: str, typed: str, message: str) -> None:
    step = Step({"name": "a", "config": 1, "safe": True})
    data = QueryDict(mutable=True)
    data[f"s0-{field}"] = typed
    read, ((at, told, again),) = StepForm("0", step).read(data)
    assert read == step
    assert (at, again) == (field, typed)
    assert told.startswith(message)


def test_a_config_may_be_one_reference() -> None:
    data = QueryDict(mutable=True)
    data["s0-config"] = " ${settings} "
    step, _ = StepForm("0", Step({"name": "a"})).read(data)
    assert step.config == "${settings}"


def test_a_placeholder_takes_the_place_of_a_choice() -> None:
    data = QueryDict(mutable=True)
    data.update({"s0-schema": "read_table", "s0-c:output": "file", "s0-p:output": "%{data:how}"})
    step, _ = StepForm("0", Step({"name": "a", "script": "read_table"})).read(data)
    assert step.config == {"output": "%{data:how}"}
