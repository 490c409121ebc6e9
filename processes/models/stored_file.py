"""Files that processes received or made."""

import uuid
from collections.abc import Sequence
from typing import Any, cast

from django.conf import settings
from django.db import models
from django.db.models.deletion import Collector
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from processes.models.callback import Callback
from processes.models.data_node import DataNode
from processes.models.instance import ProcessInstance
from processes.models.run import Run

_BATCH = 500
#: No database takes any number of values in one statement.
_KEYS = 5_000


def new_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


def storage_path(stored: "StoredFile", name: str) -> str:
    """Return where a file is stored: by day and id, never by the name that its sender gave it."""
    return f"processes/{timezone.now():%Y/%m/%d}/{stored.id.hex}"


class _FilesOfDeleted(models.QuerySet["StoredFile"]):
    """Find the files of owners that are being deleted, and decide what becomes of them.

    Django collects what goes with a row first, and begins the transaction that deletes it afterwards: by then a file
    may have found another owner. Only references that become null are looked for in that transaction, by `update`. So
    the files are, too: locked (owners before files, both in the order of their keys), and as they stand then.
    """

    #: The keys of the owners that are being deleted, whether they have files or not.
    keys: "Sequence[Any]" = ()

    def _clone(self) -> "_FilesOfDeleted":
        clone = super()._clone()  # type: ignore[misc]  # Django's way of copying a queryset
        clone.keys = self.keys
        return cast("_FilesOfDeleted", clone)

    def __or__(self, other: Any) -> Any:
        """Find the files of both, as Django puts the batches of a large deletion together."""
        both = super().__or__(other)
        both.keys = sorted({*self.keys, *other.keys})
        return both

    def update(self, **columns: Any) -> int:
        """Delete the files, but for those that another holder takes over or something needs until they expire."""
        (name,) = columns
        heirs: dict[uuid.UUID, FileHolder] = {}
        for start in range(0, len(self.keys), _KEYS):
            keys = self.keys[start : start + _KEYS]
            self._lock_owners(name, keys)
            if name in ("run", "instance"):
                # Django has deleted them already, but for what an instance has just taken from a run.
                FileHolder.objects.using(self.db).filter(**{f"{name}__in": keys}).delete()
            heirs |= self._heirs(name, keys)
        files = list(self.defer(None).order_by("pk").select_for_update())
        if not files:
            return 0
        staying: list[StoredFile] = []
        going: list[StoredFile] = []
        spent: list[FileHolder] = []
        for stored in files:
            heir = heirs.get(stored.pk)
            setattr(stored, f"{name}_id", None)
            if heir is not None:
                stored.run_id, stored.instance_id = heir.run_id, heir.instance_id
                spent.append(heir)
            (staying if heir is not None or stored.is_needed else going).append(stored)
        StoredFile.objects.using(self.db).bulk_update(
            staying, ["node", "run", "instance", "callback"], batch_size=_BATCH
        )
        _delete(spent, using=self.db)
        _delete(going, using=self.db)
        return len(staying)

    def _lock_owners(self, name: str, keys: "Sequence[Any]") -> None:
        kinds = {"node": DataNode, "run": Run, "instance": ProcessInstance, "callback": Callback}
        owners: type[models.Model] = kinds[name]
        if owners is ProcessInstance:
            # Whoever saves an instance's Data has locked that.
            _lock(DataNode.objects.using(self.db).filter(instance__in=keys))
        _lock(owners._base_manager.using(self.db).filter(pk__in=keys))

    def _heirs(self, name: str, keys: "Sequence[Any]") -> "dict[uuid.UUID, FileHolder]":
        """Return who takes each file over: an instance, else the run that came last."""
        holders = FileHolder.objects.using(self.db).filter(**{f"file__{name}__in": keys})
        found = holders.order_by("pk").select_for_update(of=("self",))
        return {holder.file_id: holder for holder in sorted(found, key=lambda holder: holder.instance_id is not None)}


def unless_needed(
    collector: Collector, field: "models.ForeignKey[Any, Any]", sub_objs: "models.QuerySet[StoredFile]", using: str
) -> None:
    """Delete the files of an owner that is deleted, but for those that something else holds, or needs for a while."""
    files = _FilesOfDeleted(model=StoredFile, query=sub_objs.query, using=using)
    files.keys = sorted(owner.pk for owner in collector.data[field.remote_field.model])
    collector.add_field_update(field, None, files)


#: Django then leaves the files unread until the transaction that deletes.
unless_needed.lazy_sub_objs = True  # type: ignore[attr-defined]


def _lock(rows: "models.QuerySet[Any]") -> None:
    list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))


def _delete(rows: "Sequence[models.Model]", *, using: str) -> None:
    # As a model deletes itself: any number of rows, none of them read once more.
    collector = Collector(using=using)
    collector.collect(rows)
    collector.delete()


class StoredFile(models.Model):
    """Hold what a file info points to; the content is in Django's default storage.

    It lives as long as what it belongs to: at most one of `node`, `run`, `instance` and `callback`; without any, until
    it expires.
    Further runs and instances that hold it (`FileHolder`) take it over then.
    The row comes before the content, so that nothing is ever stored that no row knows of.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    file = models.FileField(upload_to=storage_path, max_length=255)
    name = models.CharField(verbose_name=_("name"), max_length=255)
    size = models.BigIntegerField(verbose_name=_("size"))
    content_type = models.CharField(verbose_name=_("content type"), max_length=127)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    session_key = models.CharField(max_length=40, blank=True, default="")
    node = models.ForeignKey(DataNode, null=True, blank=True, on_delete=unless_needed, related_name="files")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=unless_needed, related_name="files")
    instance = models.ForeignKey(ProcessInstance, null=True, blank=True, on_delete=unless_needed, related_name="files")
    callback = models.ForeignKey(Callback, null=True, blank=True, on_delete=unless_needed, related_name="files")
    #: The file of which it is a callback's copy.
    copied_from = models.UUIDField(null=True, blank=True, editable=False)
    #: Whether all of the content has arrived; until then nobody can read it.
    is_complete = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(verbose_name=_("created at"), auto_now_add=True)
    #: Where it belongs to something: until when it is needed at least, though its owner may go; null for no longer.
    expires_at = models.DateTimeField(verbose_name=_("expires at"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")

    def __str__(self) -> str:
        return self.name

    @property
    def is_needed(self) -> bool:
        """Whether something else needs it still, though what it belongs to goes."""
        return self.is_complete and self.expires_at is not None and self.expires_at > timezone.now()


class FileHolder(models.Model):
    """Note a run, or an instance, whose data names a file that belongs to another one.

    When that one is deleted, a holder takes the file over. It is deleted with its run or instance, and with the file.
    """

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="holders")
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="+")
    instance = models.ForeignKey(ProcessInstance, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["file", "run"], name="processes_file_held_by_run"),
            models.UniqueConstraint(fields=["file", "instance"], name="processes_file_held_by_instance"),
        )

    def __str__(self) -> str:
        return f"{self.file_id} for {self.run_id or self.instance_id}"
