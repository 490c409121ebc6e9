"""The fold in JavaScript and the fold in Python promise the same tree for the same updates."""

import pytest
from playwright.sync_api import Page

from tasks.domain.tree import Tree
from tasks.errors import InvalidUpdate
from tests.static.conftest import BROWSER

pytestmark = BROWSER

TASK = "0197f000-0000-7000-8000-000000000000"
Update = dict[str, object]

FOLD = """async ([updates, from]) => {
  const { Tree, InvalidUpdate, percent } = await import("/static/tasks/tree.js");
  const tree = new Tree();
  const all = (node, share) =>
    ({ [node.id]: share(node), ...Object.assign({}, ...node.children.map((child) => all(child, share))) });
  try {
    if (from) tree.apply(from);
    for (const update of updates) {
      tree.apply(update);
      tree.percent(tree.root);  // remembered: what comes next has to forget it
    }
  } catch (error) {
    if (error instanceof InvalidUpdate) return { refused: tree.seq };
    throw error;
  }
  const remembered = all(tree.root, (node) => tree.percent(node));
  return { snapshot: tree.snapshot(), finished: tree.finished, shares: all(tree.root, percent), remembered };
}"""


def log(*updates: Update, after: int = 0) -> list[Update]:
    """Number the updates of one log."""
    return [
        {"v": 1, "seq": seq, "taskId": TASK, "timestamp": "2026-11-20T12:00:00.000Z", **update}
        for seq, update in enumerate(updates, start=after + 1)
    ]


def of(name: str, parent: str | None = None, **more: object) -> Update:
    reference = {"id": name, "type": "action", "title": name.title(), **more}
    return {"node": reference | ({"parentId": parent} if parent else {})}


def start(name: str, parent: str | None = None, **fields: object) -> Update:
    return {"type": "nodeStart", **of(name, parent), **fields}


def progress(name: str, **fields: object) -> Update:
    return {"type": "nodeProgress", **of(name), **fields}


BEGIN: Update = {"type": "taskStart", "title": "Import"}
RUN: Update = {"type": "taskStatus", "status": "running"}

CASES = {
    "only begun": [BEGIN],
    "with steps": [{**BEGIN, "steps": [{"name": "read", "title": "Read"}]}],
    "steps still to come": [
        {**BEGIN, "steps": [{"name": name, "title": name} for name in "abcd"]},
        start("a", total=4),
        progress("a", current=2),
    ],
    "an indicator that begins anew": [
        {**BEGIN, "steps": [{"name": name, "title": name} for name in "abcd"]},
        {"type": "nodeProgress", **of(TASK), "current": 1, "total": 3, "message": "one"},
        {"type": "nodeStart", **of(TASK), "steps": [{"name": "e", "title": "e"}]},
        start("e", total=4),
        progress("e", current=2),
    ],
    "running": [BEGIN, RUN],
    "waiting and running again": [BEGIN, RUN, {"type": "taskStatus", "status": "waiting"}, RUN],
    "nodes below the root": [BEGIN, RUN, start("a"), start("b")],
    "nodes in nodes": [BEGIN, start("a"), start("b", "a"), start("c", "b"), start("d", "a")],
    "a parent that is the task": [BEGIN, start("a", TASK)],
    "an alias": [BEGIN, {"type": "nodeStart", **of("a", alias="first")}],
    "progress, set part by part": [
        BEGIN,
        start("a", total=10),
        progress("a", current=4),
        progress("a", message="four"),
        progress("a", current=5, total=20),
    ],
    "progress beyond the total": [BEGIN, start("a", total=10), progress("a", current=14)],
    "progress of the root": [BEGIN, {"type": "nodeProgress", **of(TASK), "current": 1, "total": 3, "message": "one"}],
    "a mean over children of which some say nothing": [
        BEGIN,
        start("a"),
        start("b", "a", total=4),
        progress("b", current=1),
        start("c", "a"),
        start("d", "a"),
        {"type": "nodeEnd", **of("d"), "status": "completed"},
    ],
    "output": [
        BEGIN,
        start("a"),
        {"type": "nodeOutput", **of("a"), "text": "one\n"},
        {"type": "nodeOutput", **of("a"), "text": "two\n"},
    ],
    "output longer than what is kept": [
        BEGIN,
        start("a"),
        *({"type": "nodeOutput", **of("a"), "text": f"{line:05d} {'x' * 90}\n" * 20} for line in range(50)),
    ],
    "output without a line break, longer than what is kept": [
        BEGIN,
        start("a"),
        *({"type": "nodeOutput", **of("a"), "text": str(part) * 16_000} for part in range(6)),
    ],
    "meta, replaced": [
        BEGIN,
        {"type": "nodeMeta", **of(TASK), "meta": {"file": "a.csv"}},
        {"type": "nodeMeta", **of(TASK), "meta": {"redirect": "/p/x/"}},
    ],
    "data isn't shown": [BEGIN, start("a"), {"type": "nodeUpdate", **of("a"), "data": {"accepted": 3}}],
    "an error and an end": [
        BEGIN,
        start("a"),
        {"type": "nodeError", **of("a"), "error": "no"},
        {"type": "nodeEnd", **of("a"), "status": "failed"},
    ],
    "deferred": [BEGIN, start("a"), {"type": "nodeDefer", **of("a"), "reason": "again at noon"}],
    "deferred without a reason": [BEGIN, start("a"), progress("a", message="m"), {"type": "nodeDefer", **of("a")}],
    "a node that runs again": [
        BEGIN,
        start("a", total=10),
        start("b", "a"),
        progress("a", current=3, message="three"),
        {"type": "nodeError", **of("a"), "error": "no"},
        {"type": "nodeEnd", **of("a"), "status": "failed"},
        start("a", total=5),
    ],
    "completed, with a job": [
        BEGIN,
        RUN,
        {"type": "taskStatus", "status": "completed"},
        {"type": "taskEnd", "result": 3},
    ],
    "completed, without a job": [BEGIN, {"type": "taskEnd"}],
    "failed": [BEGIN, RUN, {"type": "taskStatus", "status": "dead_letter"}, {"type": "taskError", "reason": "no"}],
    "cancelled": [BEGIN, RUN, {"type": "taskAborted", "reason": "cancelled by its owner"}],
    "a cancellation is asked for": [BEGIN, RUN, {"type": "taskStatus", "status": "cancel_requested"}],
}

REFUSED = {
    "a gap": [*log(BEGIN), *log(RUN, after=2)],
    "a repeat": [*log(BEGIN), *log(BEGIN)],
    "no beginning": log(RUN),
    "an unknown node": log(BEGIN, progress("a", current=1)),
    "an unknown parent": log(BEGIN, start("a", "b")),
    "something after the end": log(BEGIN, {"type": "taskEnd"}, RUN),
}


def folded(updates: list[Update]) -> Tree:
    tree = Tree()
    for update in updates:
        tree.apply(update)
    return tree


def shares(tree: Tree) -> dict[str, float | None]:
    assert tree.root is not None
    return {node.id: node.percent for node in tree.root.walk()}


@pytest.mark.parametrize("updates", CASES.values(), ids=CASES)
def test_both_languages_fold_the_same_tree(functions: Page, updates: list[Update]) -> None:
    tree = folded(log(*updates))

    result = functions.evaluate(FOLD, [log(*updates), None])

    assert result["snapshot"] == tree.snapshot()
    assert result["finished"] == tree.finished
    assert result["shares"] == pytest.approx(shares(tree))
    assert result["remembered"] == result["shares"]


@pytest.mark.parametrize("updates", CASES.values(), ids=CASES)
def test_a_snapshot_half_way_changes_nothing(functions: Page, updates: list[Update]) -> None:
    half = (len(updates) + 1) // 2
    snapshot = folded(log(*updates[:half])).snapshot()

    result = functions.evaluate(FOLD, [log(*updates[half:], after=half), snapshot])

    assert result["snapshot"] == folded(log(*updates)).snapshot()


@pytest.mark.parametrize("updates", REFUSED.values(), ids=REFUSED)
def test_both_languages_refuse_the_same_updates(functions: Page, updates: list[Update]) -> None:
    with pytest.raises(InvalidUpdate):
        folded(updates)

    assert "refused" in functions.evaluate(FOLD, [updates, None])
