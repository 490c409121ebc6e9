"""The log, the nodes and the checkpoints lie in the index of a key, on SQLite."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.models import Checkpoint
from tasks.domain.statuses import NodeStatus
from tasks.models import Node, Update
from tasks.services.overview import read_percentages
from tasks.services.reading import read_snapshot
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root, end_root, report_node

pytestmark = pytest.mark.usefixtures("on_sqlite")


@pytest.fixture
def on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no such tables.")


def is_clustered(model: Any) -> bool:
    return definitions(model)[0].endswith("WITHOUT ROWID")


def definitions(model: Any) -> list[str]:
    """Give the statement of the table, and then those of its indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL ORDER BY type <> 'table', name",
            [model._meta.db_table],
        )
        return [sql for (sql,) in cursor.fetchall()]


def stored() -> list[list[Any]]:
    return [sorted(model.objects.values_list(), key=str) for model in (Update, Node)]


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Update, Node, Checkpoint])
def test_so_they_are_after_all_migrations(model: Any) -> None:
    # Django forgets it where a later migration changes a column: cluster it once more behind that one.
    assert is_clustered(model)


@pytest.mark.django_db(transaction=True)
def test_rows_survive_the_way_there_and_back() -> None:
    recorder = Recorder(root_id=create_root(title="root", owner=Owner()).pk, title="root", fence=None)
    for number in range(3):
        recorder.root.child(f"node {number}", type="action").complete()
    recorder.flush()
    rows, tables = stored(), [definitions(model) for model in (Update, Node, Checkpoint)]
    assert [len(of_model) for of_model in rows] == [4, 3]
    try:
        call_command("migrate", "tasks", "0009", verbosity=0)
        assert [is_clustered(model) for model in (Update, Node)] == [False, False]
        assert stored() == rows
        table, *indexes = definitions(Node)
        assert '("id" char(32) NOT NULL PRIMARY KEY, "parent_id"' in table
        assert [index for index in indexes if '"tasks_node_root"' in index]
    finally:
        call_command("migrate", verbosity=0)
    assert [definitions(model) for model in (Update, Node, Checkpoint)] == tables
    assert stored() == rows


@pytest.mark.django_db
def test_no_statement_of_a_tree_looks_through_the_nodes_of_all_others() -> None:
    root = create_root(title="root", owner=Owner())
    recorder = Recorder(root_id=root.pk, title="root", fence=None)
    outer = recorder.root.child("outer", type="action")
    outer.child("inner", type="action")
    recorder.flush()
    with CaptureQueriesContext(connection) as asked:
        Recorder(root_id=root.pk, title="root", fence=None).adopt()
        read_snapshot(root.pk)
        read_percentages([root])
        report_node(root_id=root.pk, node_id=outer.id, current=1, total=2)
        end_root(root_id=root.pk, status=NodeStatus.FAILED)
        root.delete()
    about_nodes = [query["sql"] for query in asked if Node._meta.db_table in query["sql"]]
    assert len(about_nodes) > 5
    with connection.cursor() as cursor:
        for sql in about_nodes:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%", "%%"), ())
            assert not [line for *_, line in cursor.fetchall() if line.startswith(f"SCAN {Node._meta.db_table}")], sql
