"""The log and the checkpoints lie in the index of their primary key, on SQLite."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from processes.models import Checkpoint
from tasks.models import Update
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
@pytest.mark.parametrize("model", [Update, Checkpoint])
def test_so_they_are_after_all_migrations(model: Any) -> None:
    # Django forgets it where a later migration changes a column: that one is to be followed by `ClusterByPrimaryKey`.
    assert is_clustered(model)


@pytest.mark.django_db(transaction=True)
def test_rows_survive_the_way_there_and_back() -> None:
    roots = [create_root(title=f"root {number}", owner=Owner()) for number in range(3)]
    rows = [(row.root_id, row.seq, row.attempt, json.loads(row.body)["title"]) for row in Update.objects.all()]
    assert len(rows) == len(roots)

    def told() -> list[Any]:
        return [(row.root_id, row.seq, row.attempt, json.loads(row.body)["title"]) for row in Update.objects.all()]

    try:
        call_command("migrate", "tasks", "0009", verbosity=0)
        assert not is_clustered(Update)
        assert sorted(told()) == sorted(rows)
    finally:
        call_command("migrate", verbosity=0)
    assert is_clustered(Update)
    assert is_clustered(Checkpoint)
    assert sorted(told()) == sorted(rows)
