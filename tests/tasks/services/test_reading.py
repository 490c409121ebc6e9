"""What clients are fed from is of one moment, however busily it is written meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from tasks.domain.statuses import NodeStatus
from tasks.models import Node, TaskRoot
from tasks.services.reading import FREE_TRIES, read_snapshot

pytestmark = pytest.mark.django_db(transaction=True)


class Busy:
    """A tree that changes whenever its nodes are read: before that, and behind it."""

    #: Writes after which it is written no more, so that whoever waits for that is found out.
    MOST = 40

    def __init__(self, writer: ThreadPoolExecutor) -> None:
        self.root = TaskRoot.objects.create(title="Import")
        self.node = Node.objects.create(
            root=self.root, ordinal=1, type="action", title="Validate", status=NodeStatus.RUNNING, current=0
        )
        self.readings = 0
        self._writer = writer
        self._writings: list[Future[None]] = []

    def __call__(self, execute: Callable[..., Any], statement: str, *args: Any) -> Any:
        if f'FROM "{Node._meta.db_table}"' not in statement:
            return execute(statement, *args)
        self.readings += 1
        self._write()
        result = execute(statement, *args)
        self._write()
        return result

    def _write(self) -> None:
        if len(self._writings) < self.MOST:
            self._writings.append(self._writer.submit(self._change))
            # Whoever reads may hold it up.
            wait(self._writings, timeout=0.2)

    def _change(self) -> None:
        with transaction.atomic():
            Node.objects.filter(pk=self.node.pk).update(current=F("current") + 1)
            TaskRoot.objects.filter(pk=self.root.pk).update(last_seq=F("last_seq") + 1)


@pytest.fixture
def busy() -> Iterator[Busy]:
    with ThreadPoolExecutor(1) as writer:
        busy = Busy(writer)
        with connection.execute_wrapper(busy):
            yield busy
        writer.submit(connections.close_all)


def test_a_tree_that_is_written_without_a_pause_can_be_read(busy):
    snapshot = read_snapshot(busy.root.pk)

    assert busy.readings == FREE_TRIES + 1
    assert snapshot.tree.children[0].current == snapshot.seq > 0


def test_what_a_request_s_transaction_reads_is_of_one_moment_too(busy):
    with transaction.atomic():
        snapshot = read_snapshot(busy.root.pk)

    assert snapshot.tree.children[0].current == snapshot.seq


def test_whoever_was_held_up_goes_on(busy):
    read_snapshot(busy.root.pk)

    assert read_snapshot(busy.root.pk).seq > 2 * FREE_TRIES
