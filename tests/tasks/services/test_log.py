"""A root's numbers have no gap, no repeat and the order of the commits, whoever writes and whatever fails."""

import json
import threading
import uuid

import pytest
from django.db import connection, connections, transaction

from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.domain.updates import UpdateType, draft, encode_node
from tasks.errors import StaleFence
from tasks.models import TaskRoot, Update
from tasks.services.log import append_updates
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.roots import Owner, create_root, end_root

pytestmark = pytest.mark.django_db(transaction=True)


def output_of(root_id: uuid.UUID, text: str) -> list[object]:
    node = encode_node(node_id=str(root_id), type="task", title="t")
    return [draft(UpdateType.NODE_OUTPUT, node=node, text=text)]


def numbers(root_id: uuid.UUID) -> list[int]:
    return list(Update.objects.filter(root_id=root_id).order_by("seq").values_list("seq", flat=True))


def test_eight_concurrent_committers_leave_no_gap_and_no_disorder() -> None:
    root = create_root(title="busy", owner=Owner())
    committers, rounds = 8, 12
    begin = threading.Barrier(committers)
    seen: list[tuple[int, int]] = []
    failures: list[BaseException] = []

    def commit(number: int) -> None:
        try:
            begin.wait()
            for turn in range(rounds):
                with transaction.atomic():
                    last = append_updates(
                        root_id=root.pk, drafts=output_of(root.pk, f"{number}:{turn}") * (1 + turn % 3)
                    )
                    # What is visible now is everything up to the number just taken: nobody else can be ahead.
                    visible = numbers(root.pk)
                    assert visible == list(range(1, last + 1))
                seen.append((number, last))
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(committers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failures
    assert len(seen) == committers * rounds
    assert len({last for _, last in seen}) == committers * rounds
    expected = 1 + committers * sum(1 + turn % 3 for turn in range(rounds))
    assert numbers(root.pk) == list(range(1, expected + 1))
    # Each committer's own texts are in the order in which it wrote them.
    texts = [json.loads(body)["text"] for _, body in read_updates(root.pk, after=1, limit=10_000)]
    for number in range(committers):
        own = [int(text.partition(":")[2]) for text in texts if text.startswith(f"{number}:")]
        assert own == sorted(own)


def test_a_rolled_back_transaction_leaves_no_gap() -> None:
    root = create_root(title="t", owner=Owner())
    with transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "lost") * 3)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert append_updates(root_id=root.pk, drafts=output_of(root.pk, "kept")) == 2
    assert numbers(root.pk) == [1, 2]


def test_nothing_is_announced_before_the_commit_or_after_a_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "tasks.services.log.publish", lambda root_id, *, first, last, bodies: announced.append((first, last))
    )
    root = create_root(title="t", owner=Owner())
    announced.clear()
    with transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "a"))
        assert announced == []
    assert announced == [(2, 2)]
    with transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "b"))
        transaction.set_rollback(True)
    assert announced == [(2, 2)]


def test_a_stale_fence_changes_nothing() -> None:
    root = create_root(title="t", owner=Owner())
    TaskRoot.objects.filter(pk=root.pk).update(fence=2)
    with pytest.raises(StaleFence), transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "late"), columns={"message": "late"}, fence=1)
    root.refresh_from_db()
    assert (root.last_seq, root.message, numbers(root.pk)) == (1, "", [1])


def test_nothing_follows_the_terminal_update() -> None:
    root = create_root(title="t", owner=Owner())
    end_root(root_id=root.pk, status=NodeStatus.COMPLETED, result={"rows": 3})
    with pytest.raises(StaleFence), transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "late"))
    with pytest.raises(StaleFence):
        end_root(root_id=root.pk, status=NodeStatus.FAILED, reason="too late")
    assert json.loads(read_updates(root.pk, after=0)[-1][1])["type"] == "taskEnd"


def test_appending_outside_a_transaction_is_refused() -> None:
    root = create_root(title="t", owner=Owner())
    assert not connection.in_atomic_block
    with pytest.raises(transaction.TransactionManagementError):
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "x"))


def test_a_long_batch_is_numbered_like_a_short_one() -> None:
    root = create_root(title="t", owner=Owner())
    with transaction.atomic():
        append_updates(root_id=root.pk, drafts=output_of(root.pk, "x") * 1_000)
    assert numbers(root.pk) == list(range(1, 1_002))


def test_the_snapshot_is_the_fold_of_the_log() -> None:
    root = create_root(title="t", owner=Owner(), meta={"file": "a.csv"}, steps=[{"name": "read", "title": "Read"}])
    end_root(root_id=root.pk, status=NodeStatus.FAILED, reason="no")
    tree = Tree()
    for _, body in read_updates(root.pk, after=0):
        tree.apply(json.loads(body))
    assert read_snapshot(root.pk).to_json() == tree.snapshot()
