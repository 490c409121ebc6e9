"""Deleting what has expired: data nodes, files that belong to nothing, callbacks, grants, sessions, firings, messages.

And settling what a process that was killed has left: rows of files whose content never came, contents without a row.

What can't be deleted stands in nobody's way: it is logged and passed over, until the next time.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import connections, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from processes.domain.run_status import RUN_TERMINAL
from processes.models import Callback, DataNode, Delivery, Grant, InboxItem, Message, StoredFile, TriggerFiring
from processes.services.callback_ends import expire_overdue
from processes.services.file_contents import settle_contents
from tasks.domain.bounds import MESSAGE_CHARS, shorten

__all__ = ["BATCH", "OLDER_PURGE_JOBS", "PURGE_JOB", "Purged", "purge_expired"]

logger = logging.getLogger(__name__)

#: The job that does it (processes.jobs registers it). An older release would delete files that are still needed, so it
#: must not claim the jobs of this one: workers claim only jobs that they know.
PURGE_JOB = "processes.purge.2"
#: What it was called: jobs that an older beat has enqueued.
OLDER_PURGE_JOBS = ("processes.purge",)

#: How long is remembered what triggers did: so long a delivery that comes again is recognised.
FIRINGS_KEPT = timedelta(days=30)
#: How long a message is kept once it was spread, and known again by its key; the setting STEPLINE_MESSAGE_DAYS
#: overrides it.
MESSAGE_DAYS = 30
#: Rows of one batch: a long purge holds no lock for long.
BATCH = 500
#: What belongs to something goes with that; only what never became complete goes anyway.
_OVER = Q(is_complete=False) | Q(node=None, run=None, instance=None, callback=None)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Say how much was deleted. Files that went with their data nodes aren't counted; `contents` had no row any more.

    Sessions are counted where the database keeps them. `passed_over` tells what could not be deleted, and why.
    """

    data_nodes: int = 0
    files: int = 0
    contents: int = 0
    callbacks: int = 0
    grants: int = 0
    sessions: int = 0
    firings: int = 0
    deliveries: int = 0
    messages: int = 0
    passed_over: tuple[str, ...] = ()


def purge_expired() -> Purged:
    """Delete what has expired, in batches, each a transaction of its own; never raises for what can't be deleted."""
    purge = _Purge()
    nodes = DataNode.objects.filter(expires_at__lt=Now())
    files = StoredFile.objects.filter(_OVER, expires_at__lt=Now())
    # A run that hasn't taken all of its messages may yet be led on by one of a callback that has ended.
    untaken = InboxItem.objects.filter(run=OuterRef("run"), taken_at=None)
    is_over = Q(run__status__in=[status.value for status in RUN_TERMINAL])
    callbacks = Callback.objects.filter(is_over | ~Exists(untaken), purge_at__lt=Now())
    # What was lent to whom stays in the audit log.
    grants = Grant.objects.filter(expires_at__lt=Now())
    # The newest one of each trigger stays, however long ago: it says what became of it.
    newer = TriggerFiring.objects.filter(trigger=OuterRef("trigger"), pk__gt=OuterRef("pk"))
    firings = TriggerFiring.objects.filter(Exists(newer), at__lt=Now() - FIRINGS_KEPT)
    # Deliveries go first, in batches: there may be any number of one message.
    kept = timedelta(days=int(getattr(settings, "STEPLINE_MESSAGE_DAYS", MESSAGE_DAYS)))
    messages = Message.objects.filter(spread_at__isnull=False, created_at__lt=Now() - kept)
    deliveries = Delivery.objects.filter(message__in=messages)
    counts = {
        "data_nodes": purge.do("data nodes", lambda: purge.delete(nodes, by="expires_at")),
        "files": purge.do("files", lambda: purge.delete(files, by="expires_at")),
        "contents": purge.do("contents without a row", lambda: settle_contents(passed_over=purge.pass_over)),
        "callbacks": purge.do("callbacks", lambda: purge.delete_callbacks(callbacks)),
        "grants": purge.do("grants", lambda: purge.delete(grants, by="expires_at")),
        "sessions": purge.do("sessions", purge.delete_sessions),
        "firings": purge.do("firings of triggers", lambda: purge.delete(firings, by="at")),
        "deliveries": purge.do("deliveries of messages", lambda: purge.delete(deliveries, by="id")),
        "messages": purge.do("messages", lambda: purge.delete(messages, by="created_at")),
    }
    return Purged(**counts, passed_over=tuple(purge.passed_over))


class _Purge:
    """Do one duty after the other, whatever becomes of each."""

    def __init__(self) -> None:
        self.passed_over: list[str] = []

    def do(self, what: str, duty: Callable[[], int]) -> int:
        """Return how much a duty has deleted; one that fails as a whole leaves the others alone."""
        try:
            return duty()
        except Exception as error:  # noqa: BLE001 - it is told, and logged
            self.pass_over(what, error)
            return 0

    def pass_over(self, what: str, error: Exception) -> None:
        """Tell of something that can't be deleted."""
        logger.error("The purge passed over %s.", what, exc_info=error)
        self.passed_over.append(shorten(f"{what}: {type(error).__name__}: {error}", MESSAGE_CHARS))

    def delete(self, rows: QuerySet[Row], *, by: str) -> int:
        """Delete rows, the oldest first, in batches; where one fails, its rows one by one."""
        deleted = 0
        # What stays, since it can't be deleted or is locked, lies behind this place: it isn't met twice.
        ahead = Q()
        while batch := list(rows.filter(ahead).order_by(by, "pk").values_list(by, "pk")[:BATCH]):
            deleted += self._delete_batch(rows, [key for _, key in batch])
            last, key = batch[-1]
            ahead = Q(**{f"{by}__gt": last}) | Q(**{by: last, "pk__gt": key})
        return deleted

    def delete_callbacks(self, rows: QuerySet[Callback]) -> int:
        """End callbacks whose time was up unnoticed, and delete those that have been kept long enough."""
        expire_overdue()
        return self.delete(rows, by="purge_at")

    def delete_sessions(self) -> int:
        """Forget sessions that are over: every visitor who isn't signed in leaves one behind."""
        engine = import_module(settings.SESSION_ENGINE).SessionStore
        if issubclass(engine, DatabaseSessions):
            rows = engine.get_model_class()._default_manager.filter(expire_date__lt=Now())
            return self.delete(rows, by="expire_date")
        # Caches forget by themselves, files are deleted one by one; an engine of a team's own needn't know how.
        try:
            engine.clear_expired()
        except NotImplementedError:
            return 0
        return 0

    def _delete_batch(self, rows: QuerySet[Row], keys: list[Any]) -> int:
        try:
            return _delete(rows, keys)
        except Exception as error:
            # Without a database there is nothing to try row by row.
            if not connections[rows.db].is_usable():
                raise
            if len(keys) == 1:
                self.pass_over(f"{rows.model._meta.verbose_name} {keys[0]}", error)
                return 0
        return sum(self._delete_batch(rows, [key]) for key in keys)


def _delete(rows: QuerySet[Row], keys: list[Any]) -> int:
    with transaction.atomic(using=rows.db):
        # Django reads what it deletes beforehand. Locked, nothing can be prolonged or adopted in between; what somebody
        # is at work on is left to the next time.
        found = rows.filter(pk__in=keys).order_by("pk").select_for_update(skip_locked=True, of=("self",))
        held = list(found.values_list("pk", flat=True))
        return rows.filter(pk__in=held).delete()[1].get(rows.model._meta.label, 0) if held else 0
