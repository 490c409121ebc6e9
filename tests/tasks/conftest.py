"""Trees for the tests: what was written of them, and threads that end with the test."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from tasks.domain.tree import Tree
from tasks.registry import functions, jobs
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.reading import read_snapshot, read_updates


class Trees:
    """Read what was written of trees."""

    def updates(self, root_id: uuid.UUID) -> list[dict[str, object]]:
        assert process_flusher().drain(10)
        return [json.loads(body) for _, body in read_updates(root_id, after=0, limit=10_000)]

    def types(self, root_id: uuid.UUID) -> list[str]:
        return [str(update["type"]) for update in self.updates(root_id)]

    def read(self, root_id: uuid.UUID) -> Tree:
        """Return the fold of the log, having looked that the rows say the same."""
        tree = Tree()
        for update in self.updates(root_id):
            tree.apply(update)
        assert tree.root is not None
        shown = read_snapshot(root_id)
        assert shown.tree.to_json() == tree.root.to_json()
        assert shown.status == tree.status
        return tree

    def shape(self, root_id: uuid.UUID) -> dict[str, tuple[str, str | None]]:
        """Return status and error of each node by its title."""
        root = self.read(root_id).root
        assert root is not None
        return {node.title: (node.status.value, node.error) for node in root.walk()}


@pytest.fixture
def own_declarations() -> Iterator[None]:
    """Forget, at its end, the functions and jobs that a test has declared."""
    known, known_jobs = set(functions.declared()), set(jobs.names())
    yield
    for name in set(functions.declared()) - known:
        functions.remove(name)
    for name in set(jobs.names()) - known_jobs:
        jobs.remove(name)


@pytest.fixture
def trees(transactional_db: None) -> Iterator[Trees]:
    yield Trees()
    # Their threads have connections to the test's database.
    stop_flusher()
    stop_heart()
    # So has the one in which Django reads the database for coroutines.
    asyncio.run(sync_to_async(connections.close_all)())
