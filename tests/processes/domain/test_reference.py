"""Random processes, run by the interpreter and by a second one that was written from the rules: both must agree."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.domain.directives import Failed, Finished
from processes.errors import ProcessError
from tests.processes.domain.reference_interpreter import LIFECYCLE, Failure, LimitReached, Reference
from tests.processes.domain.support import FakeHost, Ran, action, begin, build_registry

REGISTRY = build_registry()
NAMES = ["a", "b", "c"]
LIMIT = 25

_states = st.sampled_from(["x", "y", True, "*", ""])
_codes = st.sampled_from(["e1", "e2"])
_destinations = st.booleans() | st.sampled_from([*NAMES, "@end", "@default", "@unknown"])
_clauses = st.just(True) | _destinations | st.dictionaries(st.sampled_from(["x", "true", "*", ""]), _destinations)
_entries = st.sampled_from([None, "", "a", "b", "b?", "x", "x?", "@start", "@end?", "@default"])
#: What `act` does, in the order of the keys; errors are rare enough for processes to get somewhere.
_deeds = st.one_of(
    st.tuples(st.just("state"), _states),
    st.tuples(st.just("state"), _states),
    st.tuples(st.just("value"), st.integers(0, 3)),
    st.tuples(st.just("reset"), st.just(True)),
    st.tuples(st.sampled_from(["fail", "set_error", "return_error", "crash"]), _codes),
    st.tuples(st.just("invoke"), st.sampled_from([*NAMES, "x", "x?", "@end", "b?"])),
)


@st.composite
def processes(draw: st.DrawFn, scripts: list[str]) -> list[dict[str, Any]]:
    """Draw a definition in which any lifecycle actions stand anywhere, and `next` leads to whatever is declared."""
    lifecycle = draw(st.lists(st.sampled_from(LIFECYCLE), unique=True))
    names = draw(st.permutations([*NAMES, *lifecycle]))
    result = []
    for name in names:
        script = draw(st.sampled_from(scripts))
        config: dict[str, Any] = dict(draw(st.lists(_deeds, max_size=3)))
        if script != "act":
            config = {"action": entry} if (entry := draw(_entries)) is not None else {}
        written = {"name": name, "script": script, "config": config, "next": _declared(draw(_clauses), names)}
        result.append(written)
    return result


def _declared(clause: Any, names: list[str]) -> Any:
    if isinstance(clause, dict):
        return {state: _declared(to, names) for state, to in clause.items()}
    return clause if isinstance(clause, bool) or clause in names else True


def chain_of(error: ProcessError | None) -> list[str]:
    codes = []
    while error is not None:
        codes.append(error.code)
        error = error.cause
    return codes


def real(written: dict[str, list[dict[str, Any]]], entry: str | None) -> tuple[Ran, object]:
    host = FakeHost(registry=REGISTRY)
    bindings = {name: {"process": name} for name in written if name != "main"}
    for name, definition in written.items():
        if name != "main":
            host.add(name, definition, {inner: {"process": inner} for inner in host.plans})
    ran = begin(written["main"], entry=entry, host=host, bindings=bindings)
    outcome = ran.interpreter.run(limit=LIMIT)
    if isinstance(outcome, Failed):
        chain = chain_of(outcome.error)
        return ran, "limit" if chain[0] == "action_limit" else ("failed", chain)
    assert isinstance(outcome, Finished)
    return ran, ("finished", outcome.state, outcome.value)


def by_the_rules(written: dict[str, list[dict[str, Any]]], entry: str | None) -> tuple[list[str], object]:
    reference = Reference(written, LIMIT)
    try:
        return reference.log, ("finished", *reference.run("main", entry))
    except Failure as failure:
        return reference.log, ("failed", failure.chain)
    except LimitReached:
        return reference.log, "limit"


def check_invariants(ran: Ran) -> None:
    """Check what holds in every run, whatever the reference says."""
    assert ran.interpreter.pending is None
    error = ran.app.error
    assert error is (ran.outcome.error if isinstance(ran.outcome, Failed) else None)
    assert ran.app.state == (ran.outcome.state if isinstance(ran.outcome, Finished) else None)
    own = [entry.action for entry in sorted(ran.trace, key=lambda entry: entry.ordinal) if entry.process is None]
    if "@error" in own:
        assert "@end" not in own[own.index("@error") :]
    assert own.count("@start") <= 1
    assert own.count("@end") <= 1
    assert [entry.ordinal for entry in sorted(ran.trace, key=lambda entry: entry.ordinal)] == list(
        range(1, len(ran.trace) + 1)
    )


@settings(max_examples=50, deadline=None)
@given(main=processes(["act", "act", "act", "sub"]), sub=processes(["act", "act", "act", "leaf"]),
       leaf=processes(["act"]), entry=_entries)  # fmt: skip
def test_both_interpreters_agree(main: list[Any], sub: list[Any], leaf: list[Any], entry: str | None) -> None:
    written = {"leaf": leaf, "sub": sub, "main": main}
    ran, outcome = real(written, entry)
    log, expected = by_the_rules(written, entry)
    assert (outcome, ran.names) == (expected, [name.removeprefix("main.") for name in log])
    check_invariants(ran)


#: What random search rarely meets.
RARE: list[tuple[dict[str, list[dict[str, Any]]], object, str]] = [
    (
        {"main": [action("a", fail="e1"), action("@error", script="sub")], "sub": [action("a", reset=True, fail="e2")]},
        ("failed", ["e2", "e1"]),
        "a @error sub.a",
    ),
    (
        {
            "main": [action("a", fail="e1"), action("@error", script="sub"), action("@end")],
            "sub": [action("a", reset=True), action("b", fail="e2"), action("@error", reset=True), action("@end")],
        },
        ("finished", None, None),
        "a @error sub.a sub.b sub.@error",
    ),
    (
        {"main": [action("@start", script="sub", next=False), action("a")], "sub": [action("a", state="s", value=1)]},
        ("finished", "s", None),
        "@start sub.a",
    ),
    (
        {
            "main": [action("a", script="sub", next=False), action("@error", set_error="e3")],
            "sub": [action("a", fail="e1"), action("@error", fail="e2"), action("@end")],
        },
        ("failed", ["e3", "e2", "e1"]),
        "a sub.a sub.@error @error",
    ),
    ({"main": [action("a", invoke="a")]}, "limit", " ".join(["a"] * LIMIT)),
]


@pytest.mark.parametrize(("written", "expected", "names"), RARE)
def test_both_interpreters_agree_on_rare_cases(
    written: dict[str, list[dict[str, Any]]], expected: object, names: str
) -> None:
    ran, outcome = real(dict(sorted(written.items(), reverse=True)), None)
    log, by_rules = by_the_rules(written, None)
    assert outcome == by_rules == expected
    assert ran.names == [name.removeprefix("main.") for name in log] == names.split()
    check_invariants(ran)
