"""Deleting what has expired: temporary data nodes, files that no longer belong to anything, and grants."""

from dataclasses import dataclass

from django.db.models.functions import Now

from processes.models import DataNode, Grant, StoredFile
from processes.services.files import delete_file

#: Rows of one batch: a long purge holds no lock for long.
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Say how much was deleted."""

    data_nodes: int
    files: int
    grants: int


def purge_expired() -> Purged:
    """Delete what has expired, in batches, each a transaction of its own."""
    return Purged(data_nodes=_purge_data_nodes(), files=_purge_files(), grants=_purge_grants())


def _purge_data_nodes() -> int:
    deleted = 0
    expired = DataNode.objects.filter(expires_at__lt=Now()).order_by("expires_at").values_list("pk", flat=True)
    while batch := list(expired[:BATCH]):
        # Asked again in the DELETE: a node that was prolonged meanwhile stays.
        deleted += DataNode.objects.filter(pk__in=batch, expires_at__lt=Now()).delete()[0]
    return deleted


def _purge_files() -> int:
    deleted = 0
    expired = StoredFile.objects.filter(expires_at__lt=Now()).order_by("expires_at").values_list("pk", flat=True)
    while batch := list(expired[:BATCH]):
        for file_id in batch:
            delete_file(file_id)
        deleted += len(batch)
    return deleted


def _purge_grants() -> int:
    deleted = 0
    # What was lent to whom stays in the audit log.
    expired = Grant.objects.filter(expires_at__lt=Now()).order_by("expires_at").values_list("pk", flat=True)
    while batch := list(expired[:BATCH]):
        deleted += Grant.objects.filter(pk__in=batch).delete()[0]
    return deleted
