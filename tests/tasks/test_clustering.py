"""The log and the checkpoints lie in the index of their primary key, on SQLite."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from processes.models import Checkpoint
from tasks.models import Node, Update
from tasks.models.root import new_id
from tasks.services.roots import Owner, create_root

pytestmark = pytest.mark.usefixtures("on_sqlite")


@pytest.fixture
def on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no such tables.")


def is_clustered(model: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", [model._meta.db_table])
        return str(cursor.fetchone()[0]).endswith("WITHOUT ROWID")


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Update, Node, Checkpoint])
def test_so_they_are_after_all_migrations(model: Any) -> None:
    # Django forgets it where a later migration changes a column: that one is to be followed by `ClusterByPrimaryKey`.
    assert is_clustered(model)


@pytest.mark.django_db(transaction=True)
def test_rows_survive_the_way_there_and_back() -> None:
    roots = [create_root(title=f"root {number}", owner=Owner()) for number in range(3)]
    for root in roots:
        above = Node.objects.create(id=new_id(), root=root, ordinal=1, type="a", title="Above", meta={"of": root.title})
        Node.objects.create(id=new_id(), root=root, ordinal=2, type="a", title="Below", parent_id=above.id, current=1.5)
    rows = told()
    assert [len(of_model) for of_model in rows] == [len(roots), 2 * len(roots)]
    try:
        call_command("migrate", "tasks", "0009", verbosity=0)
        assert not is_clustered(Update)
        assert not is_clustered(Node)
        assert told(Update) == rows[:1]
    finally:
        call_command("migrate", verbosity=0)
    assert all(map(is_clustered, [Update, Node, Checkpoint]))
    assert told() == rows


def told(*models: Any) -> list[list[Any]]:
    columns = {Update: ("root_id", "seq", "attempt", "body"), Node: [field.attname for field in Node._meta.fields][1:]}
    return [sorted(model.objects.values_list(*columns[model]), key=str) for model in models or columns]
