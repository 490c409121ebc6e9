"""The verbs that write an import: each of them may run again after a crash, and comes to the same end."""

import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from examples.csv_import.models import ImportBatch, ImportedRow
from processes.domain.tables import CheckedRow
from processes.errors import PermanentError


def open_batch(*, batch_id: uuid.UUID, title: str, user_id: int | str | None) -> ImportBatch:
    """Create the batch of a run, or find the one that the run made before it was interrupted."""
    batch, _ = ImportBatch.objects.get_or_create(id=batch_id, defaults={"title": title[:255], "created_by_id": user_id})
    return batch


def write_rows(*, batch: ImportBatch, rows: Sequence[CheckedRow]) -> None:
    """Write accepted rows; those that are there already, from an interrupted attempt, stay."""
    ImportedRow.all_objects.bulk_create(
        [ImportedRow(batch=batch, line=row.line, values=row.values) for row in rows], ignore_conflicts=True
    )


def complete_batch(*, batch_id: uuid.UUID, accepted: int, rejected: int) -> None:
    """Count the rows and let them be seen, in one transaction; raise PermanentError where the counts disagree."""
    with transaction.atomic():
        batch = ImportBatch.objects.select_for_update().get(id=batch_id)
        found = ImportedRow.all_objects.filter(batch=batch).count()
        if found != accepted:
            raise PermanentError(
                f"{found:,} rows are in the database, but {accepted:,} were accepted; nothing is imported.",
                code="counts_differ",
                fields={"found": found, "accepted": accepted},
            )
        if batch.completed_at is None:
            batch.accepted, batch.rejected, batch.completed_at = accepted, rejected, timezone.now()
            batch.save(update_fields=["accepted", "rejected", "completed_at"])


def discard_batch(*, batch_id: uuid.UUID) -> int:
    """Delete a batch that isn't completed, with its rows; return how many rows there were."""
    with transaction.atomic():
        batches = ImportBatch.objects.select_for_update().filter(id=batch_id, completed_at__isnull=True)
        _, deleted = batches.delete()
    return deleted.get(ImportedRow._meta.label, 0)


def in_groups(rows: Iterable[CheckedRow], *, size: int) -> Iterable[list[CheckedRow]]:
    """Gather rows into lists of at most `size`."""
    group: list[CheckedRow] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
