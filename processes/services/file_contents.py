"""The contents of stored files, and how they keep step with their rows.

A storage knows no transactions. So before a row and its content may part ways (a row that may be rolled back, a row
that is about to be deleted), a *note* says so beside the contents: `processes/unsettled/<id>`, holding the id and the
content's path. It goes once both are there or both are gone. What a killed process has left is settled by the purge
job, which looks at the notes alone, not at all contents: a content whose row isn't there is deleted.
"""

import logging
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from processes.models import StoredFile

logger = logging.getLogger(__name__)

#: Takes what could not be done, and why.
PassedOver = Callable[[str, Exception], object]

#: Where the notes lie.
UNSETTLED = "processes/unsettled"
#: A transaction is over by then, one way or the other.
_SETTLED_AFTER = timedelta(days=1)
_BATCH = 500


def storage_of_files() -> Storage:
    """Return the storage that holds the contents."""
    storage: Storage = StoredFile._meta.get_field("file").storage
    return storage


def expect_row(*, file_id: uuid.UUID, path: str) -> None:
    """Delete the content again if the present transaction, which inserts its row, is rolled back.

    Outside of a transaction there is nothing to do. Raises OSError where the storage can't take the note.
    """
    if transaction.get_connection().in_atomic_block:
        note = _write_note(file_id, path)
        _at_the_end(committed=lambda: _settle(file_id, path, note), rolled_back=lambda: _delete_both(path, note))


@receiver(post_delete, sender=StoredFile, dispatch_uid="contents_of_deleted_files")
def _delete_with_row(instance: StoredFile, **_: object) -> None:
    """Delete the content of a file whose row is deleted, however that came about, once it is committed."""
    file_id, path, note = instance.pk, instance.file.name, ""
    if not path:
        return
    try:
        note = _write_note(file_id, path)
    except Exception:
        # A disk that is full must not keep anybody from deleting.
        logger.warning("No note could be left beside the content of %s, which is being deleted.", path, exc_info=True)
    _at_the_end(committed=lambda: _settle(file_id, path, note), rolled_back=lambda: delete_content(note))


def delete_content(path: str) -> bool:
    """Delete what lies at `path`, if anything does; return False, and log it, where the storage fails."""
    try:
        if path:
            storage_of_files().delete(path)
    except Exception:
        # Whatever a storage raises: the note stays, and the purge job tries again.
        logger.exception("The storage could not delete %s.", path)
        return False
    return True


def settle_contents(*, passed_over: PassedOver) -> int:
    """Settle what killed processes have left, and return how many contents without a row were deleted.

    A note that can't be read or settled is told to `passed_over`, and stays for the next time; raises whatever the
    storage raises where the notes can't even be listed.
    """
    deleted = 0
    old = _old_notes(passed_over)
    while names := list(islice(old, _BATCH)):
        told: dict[str, tuple[uuid.UUID, str] | None] = {}
        for name in names:
            try:
                told[name] = _read_note(name)
            except Exception as error:  # noqa: BLE001 - whatever a storage raises
                passed_over(f"the note {name}", error)
        ids = [found[0] for found in told.values() if found is not None]
        with_row = set(StoredFile.objects.filter(pk__in=ids).values_list("pk", flat=True))
        for name, found in told.items():
            # One that was cut short was written by a process that died before it touched the content.
            left = "" if found is None or found[0] in with_row else found[1]
            try:
                if left:
                    storage_of_files().delete(left)
                storage_of_files().delete(name)
            except Exception as error:  # noqa: BLE001 - whatever a storage raises
                passed_over(f"the content {left}" if left else f"the note {name}", error)
            else:
                deleted += bool(left)
    return deleted


def _settle(file_id: uuid.UUID, path: str, note: str) -> None:
    """Delete the content if its row is gone, now that it is known.

    It is asked for, since Django calls what waits for the commit even where the savepoint in which it began to wait was
    rolled back by hand (`transaction.savepoint_rollback`).
    """
    if StoredFile.objects.filter(pk=file_id).exists():
        delete_content(note)
    else:
        _delete_both(path, note)


def _delete_both(path: str, note: str) -> bool:
    return delete_content(path) and delete_content(note)


def _write_note(file_id: uuid.UUID, path: str) -> str:
    return storage_of_files().save(f"{UNSETTLED}/{file_id.hex}", ContentFile(f"{file_id.hex}\n{path}\n".encode()))


def _read_note(name: str) -> tuple[uuid.UUID, str] | None:
    try:
        with storage_of_files().open(name) as note:
            file_id, path, end = note.read().decode().split("\n")
        return (uuid.UUID(file_id), path) if path and not end else None
    except (FileNotFoundError, ValueError):
        return None


def _old_notes(passed_over: PassedOver) -> Iterator[str]:
    storage = storage_of_files()
    try:
        names: Sequence[str] = storage.listdir(UNSETTLED)[1]
    except (FileNotFoundError, NotImplementedError):
        return
    until = timezone.now() - _SETTLED_AFTER
    for name in names:
        try:
            written_at = storage.get_modified_time(f"{UNSETTLED}/{name}")
        except FileNotFoundError:
            continue
        except NotImplementedError:
            written_at = _created_at(name)
        except Exception as error:  # noqa: BLE001 - whatever a storage raises
            passed_over(f"the note {UNSETTLED}/{name}", error)
            continue
        if written_at < until:
            yield f"{UNSETTLED}/{name}"


def _created_at(name: str) -> datetime:
    """Return when the id was made that begins a note's name: the first 48 bits of a UUIDv7 are milliseconds."""
    try:
        return datetime.fromtimestamp(int(name[:12], 16) / 1000, UTC)
    except (OverflowError, ValueError):
        return timezone.now()


class _Transaction:
    """Stand for a transaction, or a savepoint, that hasn't ended."""


def _at_the_end(*, committed: Callable[[], object], rolled_back: Callable[[], object]) -> None:
    """Call one of the two when the present transaction ends; `committed` at once where there is none.

    Django tells nobody of a rollback. But it drops what waits for the commit, and with it the last reference to the
    object that is watched here; that holds for the savepoints of `atomic` too.
    """
    watched = _Transaction()
    watch = weakref.finalize(watched, rolled_back)

    def on_commit(_: _Transaction = watched) -> None:
        watch.detach()
        committed()

    del watched
    transaction.on_commit(on_commit, robust=True)
