"""Errors: one root, stable codes, whole after pickling and after JSON."""

import json
import pickle

import pytest

from processes import errors
from processes.domain.json_values import json_problems
from processes.errors import DefinitionError, PermanentError, Problem, ProcessError, RunCancelled, ScriptError

EXAMPLES = [
    ProcessError("plain"),
    ProcessError("full", code="own", action="a", process="p", path="/x", fields={"n": 1, "list": [1, {"a": None}]}),
    PermanentError("chained", code="second", cause=ProcessError("first", cause=ProcessError("zeroth"))),
    ScriptError.of(ValueError("boom")),
    DefinitionError([Problem("/0/next", "wrong", "nxt", 'Did you mean "next"?', "base"), Problem("", "more")]),
    errors.NotFoundError("gone"),
    errors.DurableInCallError("no"),
]  # fmt: skip


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__ + error.code)
def test_an_error_survives_pickling_and_json(error: ProcessError) -> None:
    stored = json.loads(json.dumps(error.to_json()))
    for restored in (pickle.loads(pickle.dumps(error)), ProcessError.from_json(stored)):
        assert type(restored) is type(error)
        assert restored.to_json() == error.to_json()
        assert str(restored) == str(error)


CODES = {
    "ActionLimitError": "action_limit",
    "ActionTimeoutError": "timeout",
    "CallbackConflictError": "callback_conflict",
    "ConditionError": "condition",
    "ConfigError": "config",
    "ContentError": "content",
    "CursorError": "bad_cursor",
    "DefinitionError": "definition",
    "DurableInCallError": "durable_in_call",
    "FailedError": "failed",
    "NotFoundError": "not_found",
    "NotJsonError": "not_json",
    "OutcomeUnknownError": "outcome_unknown",
    "PermanentError": "permanent",
    "PlaceholderError": "placeholder",
    "ProcessError": "process_error",
    "RegistrationError": "registration",
    "ScriptError": "script_error",
    "TopicError": "topic",
    "UnknownScriptError": "unknown_script",
}


def test_codes_are_stable() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    classes = [kind for kind in kinds if isinstance(kind, type)]
    declared = {kind.__name__: kind.code for kind in classes if issubclass(kind, ProcessError)}
    assert declared == CODES


def test_only_errors_that_a_retry_may_cure_are_not_permanent() -> None:
    passing = {name for name in CODES if not getattr(errors, name).permanent}
    assert passing == {"ActionTimeoutError", "ProcessError", "ScriptError"}


def test_interruptions_are_no_process_errors() -> None:
    assert not issubclass(RunCancelled, ProcessError)
    assert issubclass(RunCancelled, errors.RunInterrupted)


def test_an_unknown_kind_gives_the_root_class_with_the_same_code() -> None:
    restored = ProcessError.from_json({"code": "x", "message": "m", "kind": "of a newer release"})
    assert type(restored) is ProcessError
    assert (restored.code, restored.message) == ("x", "m")


def test_an_error_is_always_json() -> None:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    error = ProcessError("m", fields={"object": object(), "set": {1}, "nan": float("nan"), 5: deep})  # type: ignore[dict-item]
    json.dumps(error.to_json(), allow_nan=False)


def test_an_exception_that_cannot_be_shown_is_still_an_error() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert ScriptError.of(Rude()).message == "Rude"


def test_a_chain_never_loops() -> None:
    first, second = ProcessError("1"), ProcessError("2")
    second.chain(first)
    first.chain(second)
    second.chain(second)
    assert (second.cause, first.cause) == (first, None)


def test_chaining_keeps_the_causes_that_are_there() -> None:
    inner = ProcessError("inner")
    error = ProcessError("outer", cause=inner)
    error.chain(ProcessError("before"))
    assert inner.cause is not None
    assert inner.cause.message == "before"


def test_the_innermost_place_is_kept() -> None:
    error = ProcessError("m").located(action="in", process="sub").located(action="out", process="main")
    assert (error.action, error.process) == ("in", "sub")


def test_a_definition_error_moves_into_a_larger_document() -> None:
    moved = DefinitionError([Problem("/0", "a"), Problem("", "b")]).under("/definition")
    assert [problem.path for problem in moved.problems] == ["/definition/0", "/definition"]


def test_a_problem_shows_a_long_value_shortened() -> None:
    assert len(Problem("", "m", "x" * 10_000).to_json()["value"]) == 200
    assert len(Problem("", "m", ["x"] * 10_000).to_json()["value"]) == 400


@pytest.mark.parametrize("odd", ["\0", "\ud800", "é\udfff"])
def test_what_no_database_can_hold_is_replaced(odd: str) -> None:
    error = ProcessError(f"bad {odd}", code=odd, action=odd, path=odd, fields={odd: [odd, 10**2000, float("nan")]})
    error.chain(ProcessError(odd))
    assert json_problems(error.to_json()) == []
    assert error.to_json()["message"].endswith("\N{REPLACEMENT CHARACTER}")
