"""The rows of an import: all of them or none, however often it is interrupted."""

import uuid

import pytest

from examples.csv_import.batches import complete_batch, discard_batch, in_groups, open_batch, write_rows
from examples.csv_import.models import ImportBatch, ImportedRow
from processes.domain.tables import CheckedRow
from processes.errors import PermanentError

pytestmark = pytest.mark.django_db

BATCH = uuid.UUID(int=7)


def rows(*lines: int) -> list[CheckedRow]:
    return [CheckedRow(line=line, values={"n": line}, problems=()) for line in lines]


def test_rows_are_seen_only_once_the_batch_is_complete() -> None:
    batch = open_batch(batch_id=BATCH, title="a.csv", user_id=None)
    write_rows(batch=batch, rows=rows(2, 3))

    assert not ImportedRow.objects.exists()
    assert not batch.rows.exists()
    assert not ImportBatch.objects.completed().exists()

    complete_batch(batch_id=BATCH, accepted=2, rejected=1)

    assert list(ImportedRow.objects.values_list("line", "values")) == [(2, {"n": 2}), (3, {"n": 3})]
    completed = ImportBatch.objects.completed().get()
    assert (completed.accepted, completed.rejected) == (2, 1)


def test_an_interrupted_import_goes_on_without_doubling_a_row() -> None:
    write_rows(batch=open_batch(batch_id=BATCH, title="a.csv", user_id=None), rows=rows(2, 3))
    write_rows(batch=open_batch(batch_id=BATCH, title="a.csv", user_id=None), rows=rows(2, 3, 4))
    complete_batch(batch_id=BATCH, accepted=3, rejected=0)
    first = ImportBatch.objects.get().completed_at
    complete_batch(batch_id=BATCH, accepted=3, rejected=0)

    assert ImportedRow.objects.count() == 3
    assert ImportBatch.objects.get().completed_at == first


def test_counts_that_disagree_leave_the_batch_unseen() -> None:
    write_rows(batch=open_batch(batch_id=BATCH, title="a.csv", user_id=None), rows=rows(2))

    with pytest.raises(PermanentError) as caught:
        complete_batch(batch_id=BATCH, accepted=2, rejected=0)

    assert caught.value.code == "counts_differ"
    assert caught.value.fields == {"found": 1, "accepted": 2}
    assert not ImportedRow.objects.exists()


def test_discarding_takes_back_an_unfinished_batch_and_never_a_finished_one() -> None:
    write_rows(batch=open_batch(batch_id=BATCH, title="a.csv", user_id=None), rows=rows(2, 3))
    assert discard_batch(batch_id=BATCH) == 2
    assert discard_batch(batch_id=BATCH) == 0
    assert not ImportedRow.all_objects.exists()

    write_rows(batch=open_batch(batch_id=BATCH, title="a.csv", user_id=None), rows=rows(2))
    complete_batch(batch_id=BATCH, accepted=1, rejected=0)
    assert discard_batch(batch_id=BATCH) == 0
    assert ImportedRow.objects.count() == 1


def test_rows_are_gathered_in_groups() -> None:
    groups = in_groups(rows(2, 3, 4, 5, 6), size=2)

    assert [[row.line for row in group] for group in groups] == [[2, 3], [4, 5], [6]]
