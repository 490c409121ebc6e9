"""The context: input, result so far, data and errors by alias, as of each update."""

import json

import pytest

from tasks.domain.context import Context
from tasks.domain.tree import Tree
from tasks.domain.updates import Draft, UpdateType, draft, encode, encode_node

TASK = "01900000-0000-7000-8000-000000000001"
READ = encode_node(node_id="a", type="action", title="Read", parent_id=TASK, alias="read")
CHECK = encode_node(node_id="b", type="action", title="Check", parent_id=TASK, alias="check")
NAMELESS = encode_node(node_id="c", type="task", title="Part", parent_id="a")
START = draft(UpdateType.TASK_START, title="Import", input={"file": "a.csv"})
STARTED = [START, *(draft(UpdateType.NODE_START, node=node) for node in (READ, CHECK, NAMELESS))]


def contexts(*drafts: Draft) -> list[Context]:
    """Return the context after each update."""
    tree = Tree()
    found = []
    for number, item in enumerate(drafts, start=1):
        tree.apply(json.loads(encode(item, seq=number, task_id=TASK, timestamp="t")))
        found.append(tree.context)
    return found


def data(node: str, value: object) -> Draft:
    return draft(UpdateType.NODE_UPDATE, node=node, data=value)


def test_input_and_id_are_known_from_the_first_update_on() -> None:
    (first,) = contexts(START)
    assert (first.task_id, first.input, first.result) == (TASK, {"file": "a.csv"}, {})


def test_until_the_end_the_result_is_the_last_data_by_alias() -> None:
    context = contexts(*STARTED, data(READ, 1), data(CHECK, {"ok": True}), data(READ, 2), data(NAMELESS, 3))[-1]
    assert context.result == {"read": 2, "check": {"ok": True}}
    assert context.get_node_data("read") == 2
    assert context.get_node_data("nobody") is None


@pytest.mark.parametrize("result", [{"rows": 2}, 0, None], ids=repr)
def test_at_the_end_the_result_is_what_the_task_returned(result: object) -> None:
    context = contexts(*STARTED, data(READ, 1), draft(UpdateType.TASK_END, result=result))[-1]
    assert context.result == result
    assert context.get_node_data("read") == 1


@pytest.mark.parametrize("kind", [UpdateType.TASK_ERROR, UpdateType.TASK_ABORTED])
def test_what_failed_keeps_what_it_had(kind: UpdateType) -> None:
    assert contexts(*STARTED, data(READ, 1), draft(kind, reason="no"))[-1].result == {"read": 1}


def test_errors_are_known_by_alias_until_the_node_runs_again() -> None:
    failed, again = contexts(
        *STARTED,
        draft(UpdateType.NODE_ERROR, node=READ, error="no file"),
        draft(UpdateType.NODE_START, node=READ),
    )[-2:]
    assert (failed.get_node_error("read"), failed.get_node_error("check")) == ("no file", None)
    assert again.get_node_error("read") is None


def test_a_context_is_of_its_update_and_stays_so() -> None:
    found = contexts(*STARTED, data(READ, 1), data(READ, 2))
    assert [context.get_node_data("read") for context in found] == [None, None, None, None, 1, 2]


def test_an_update_that_changes_nothing_of_it_costs_nothing() -> None:
    before, after = contexts(*STARTED, draft(UpdateType.NODE_PROGRESS, node=READ, current=1))[-2:]
    assert after is before


def test_a_snapshot_tells_of_errors_and_of_the_result() -> None:
    tree = Tree()
    for number, item in enumerate(
        [*STARTED, draft(UpdateType.NODE_ERROR, node=READ, error="late"), draft(UpdateType.TASK_END, result=7)], start=1
    ):
        tree.apply(json.loads(encode(item, seq=number, task_id=TASK, timestamp="t")))
    late = Tree()
    late.apply(json.loads(json.dumps(tree.snapshot())))
    assert (late.context.task_id, late.context.result, late.context.get_node_error("read")) == (TASK, 7, "late")
