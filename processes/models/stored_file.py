"""Files that processes received or made."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.deletion import CASCADE, Collector
from django.utils import timezone
from uuid_utils.compat import uuid7

from processes.models.data_node import DataNode
from processes.models.instance import ProcessInstance
from processes.models.run import Run


def new_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


def storage_path(stored: "StoredFile", name: str) -> str:
    """Return where a file is stored: by day and id, never by the name that its sender gave it."""
    return f"processes/{timezone.now():%Y/%m/%d}/{stored.id.hex}"


def unless_needed(
    collector: Collector, field: "models.ForeignKey[Any, Any]", sub_objs: "Iterable[StoredFile]", using: str
) -> None:
    """Delete the files of an owner that is deleted, but for those that something else still needs until they expire."""
    now = timezone.now()
    needed: list[models.Model] = []
    rest: list[models.Model] = []
    for stored in sub_objs:
        is_needed = stored.is_complete and stored.expires_at is not None and stored.expires_at > now
        (needed if is_needed else rest).append(stored)
    collector.add_field_update(field, None, needed)
    CASCADE(collector, field, rest, using)  # type: ignore[arg-type]  # lists do, too


class StoredFile(models.Model):
    """Hold what a file info points to; the content is in Django's default storage.

    It lives as long as what it belongs to: at most one of `node`, `run` and `instance`; without any, until it expires.
    The row comes before the content, so that nothing is ever stored that no row knows of.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.FileField(upload_to=storage_path, max_length=255)
    name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    content_type = models.CharField(max_length=127)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    session_key = models.CharField(max_length=40, blank=True, default="")
    node = models.ForeignKey(DataNode, null=True, blank=True, on_delete=unless_needed, related_name="files")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=unless_needed, related_name="files")
    instance = models.ForeignKey(ProcessInstance, null=True, blank=True, on_delete=unless_needed, related_name="files")
    #: Whether all of the content has arrived; until then nobody can read it.
    is_complete = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    #: Where it belongs to something: until when it is needed at least, though its owner may go; null for no longer.
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    def __str__(self) -> str:
        return self.name
