"""A tree is the fold of its log, and a log that breaks the feed's promises is refused."""

import json

import pytest

from tasks.domain.tree import Tree
from tasks.domain.updates import Draft, UpdateType, draft, encode, encode_node
from tasks.errors import InvalidUpdate

TASK = "01900000-0000-7000-8000-000000000001"
A = encode_node(node_id="a", type="action", title="Read", parent_id=TASK, alias="read")
B = encode_node(node_id="b", type="task", title="Part", parent_id="a")


def fold(*drafts: Draft) -> Tree:
    tree = Tree()
    for number, item in enumerate(drafts, start=1):
        tree.apply(json.loads(encode(item, seq=number, task_id=TASK, timestamp="2026-11-20T12:00:00.000Z")))
    return tree


START = draft(UpdateType.TASK_START, title="Import")
START_A = draft(UpdateType.NODE_START, node=A)


def test_nodes_hang_below_their_parents_in_order_of_creation() -> None:
    other = encode_node(node_id="c", type="action", title="Check", parent_id=TASK)
    tree = fold(START, START_A, draft(UpdateType.NODE_START, node=B), draft(UpdateType.NODE_START, node=other))
    assert tree.root is not None
    assert [child.title for child in tree.root.children] == ["Read", "Check"]
    assert [child.title for child in tree.root.children[0].children] == ["Part"]


def test_progress_changes_only_what_it_names() -> None:
    tree = fold(
        START,
        START_A,
        draft(UpdateType.NODE_PROGRESS, node=A, current=1, total=4, message="one"),
        draft(UpdateType.NODE_PROGRESS, node=A, current=3),
    )
    node = tree.root.children[0]  # type: ignore[union-attr]
    assert (node.current, node.total, node.message, node.percent) == (3, 4, "one", 75)


def test_output_is_gathered() -> None:
    tree = fold(
        START,
        START_A,
        draft(UpdateType.NODE_OUTPUT, node=A, text="a\n"),
        draft(UpdateType.NODE_OUTPUT, node=A, text="b\n"),
    )
    assert tree.root.children[0].output == "a\nb\n"  # type: ignore[union-attr]


def test_a_node_that_starts_again_forgets_what_it_had_reported() -> None:
    tree = fold(
        START,
        START_A,
        draft(UpdateType.NODE_PROGRESS, node=A, current=3, total=4, message="nearly"),
        draft(UpdateType.NODE_ERROR, node=A, error="broken"),
        START_A,
    )
    node = tree.root.children[0]  # type: ignore[union-attr]
    assert (node.status, node.error, node.current, node.message) == ("running", None, None, None)


@pytest.mark.parametrize(
    ("closing", "status", "reason"),
    [
        (draft(UpdateType.TASK_END, result={"rows": 2}), "completed", None),
        (draft(UpdateType.TASK_ERROR, reason="no file"), "failed", "no file"),
        (draft(UpdateType.TASK_ABORTED, reason="by you"), "cancelled", "by you"),
    ],
)
def test_the_terminal_update_ends_the_tree(closing: Draft, status: str, reason: str | None) -> None:
    tree = fold(START, closing)
    assert tree.finished
    assert tree.snapshot()["status"] == status
    assert tree.reason == reason


def test_a_job_status_outranks_the_root_status() -> None:
    tree = fold(
        START, draft(UpdateType.TASK_STATUS, status="dead_letter"), draft(UpdateType.TASK_ERROR, reason="gave up")
    )
    assert tree.snapshot()["status"] == "dead_letter"


@pytest.mark.parametrize(
    "drafts",
    [
        [START_A],
        [START, draft(UpdateType.NODE_PROGRESS, node=A, current=1)],
        [START, draft(UpdateType.NODE_START, node=B)],
        [START, draft(UpdateType.TASK_END), START_A],
    ],
    ids=["begins without taskStart", "unknown node", "unknown parent", "after the end"],
)
def test_a_log_out_of_order_is_refused(drafts: list[Draft]) -> None:
    with pytest.raises(InvalidUpdate):
        fold(*drafts)


def test_a_gap_is_refused() -> None:
    tree = fold(START)
    with pytest.raises(InvalidUpdate):
        tree.apply({"v": 1, "type": "taskStatus", "status": "running", "seq": 3, "taskId": TASK})


def test_a_snapshot_replaces_the_state_and_goes_on_from_there() -> None:
    source = fold(START, START_A, draft(UpdateType.NODE_PROGRESS, node=A, current=2, total=4))
    tree = Tree()
    tree.apply(json.loads(json.dumps(source.snapshot())))
    assert tree.snapshot() == source.snapshot()
    done = encode(draft(UpdateType.NODE_END, node=A, status="completed"), seq=4, task_id=TASK, timestamp="t")
    tree.apply(json.loads(done))
    assert tree.root.children[0].percent == 100  # type: ignore[union-attr]


def test_absent_values_are_omitted_from_updates_and_snapshots() -> None:
    text = encode(draft(UpdateType.NODE_PROGRESS, node=A, current=1, total=None), seq=1, task_id=TASK, timestamp="t")
    assert "null" not in text
    assert "null" not in json.dumps(fold(START, START_A).snapshot())


def test_keys_are_camel_case() -> None:
    text = encode(
        draft(UpdateType.TASK_STATUS, status="waiting", waiting_for={"code": "timer"}),
        seq=1,
        task_id=TASK,
        timestamp="t",
    )
    assert '"waitingFor":{"code":"timer"}' in text
