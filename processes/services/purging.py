"""Deleting what has expired: temporary data nodes, files that belong to nothing, grants, and sessions.

And settling what a process that was killed has left: rows of files whose content never came, contents without a row.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now

from processes.models import DataNode, Grant, StoredFile
from processes.services.file_contents import settle_contents

#: Rows of one batch: a long purge holds no lock for long.
BATCH = 500
#: What belongs to something goes with that; only what never became complete goes anyway.
_OVER = Q(is_complete=False) | Q(node=None, run=None, instance=None)


Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Say how much was deleted. Files that went with their data nodes aren't counted; `contents` had no row any more.

    Sessions are counted where the database keeps them.
    """

    data_nodes: int = 0
    files: int = 0
    contents: int = 0
    grants: int = 0
    sessions: int = 0


def purge_expired() -> Purged:
    """Delete what has expired, in batches, each a transaction of its own."""
    return Purged(
        data_nodes=_purge(DataNode.objects.filter(expires_at__lt=Now()), by="expires_at"),
        files=_purge(StoredFile.objects.filter(_OVER, expires_at__lt=Now()), by="expires_at"),
        contents=settle_contents(),
        # What was lent to whom stays in the audit log.
        grants=_purge(Grant.objects.filter(expires_at__lt=Now()), by="expires_at"),
        sessions=_purge_sessions(),
    )


def _purge_sessions() -> int:
    """Forget sessions that are over: every visitor who isn't signed in leaves one behind."""
    engine = import_module(settings.SESSION_ENGINE).SessionStore
    if issubclass(engine, DatabaseSessions):
        return _purge(engine.get_model_class()._default_manager.filter(expire_date__lt=Now()), by="expire_date")
    # Caches forget by themselves, files are deleted one by one; an engine of a team's own needn't know how.
    try:
        engine.clear_expired()
    except NotImplementedError:
        return 0
    return 0


def _purge(rows: QuerySet[Row], *, by: str) -> int:
    deleted = 0
    keys = rows.order_by(by).values_list("pk", flat=True)
    while batch := list(keys[:BATCH]):
        # Asked again in the DELETE: what was prolonged meanwhile stays.
        deleted += rows.filter(pk__in=batch).delete()[1].get(rows.model._meta.label, 0)
    return deleted
