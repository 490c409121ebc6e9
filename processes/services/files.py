"""Files that processes receive and make. A file info is JSON that says which file; the content is in Django's storage.

    {"type": "FILE_INFO", "id": "<uuid>", "name": "a.csv", "size": 47, "content_type": "text/csv", "extension": "csv"}

`size` is in bytes; `extension` is in lower case, without a dot, empty where the name has none. Content is moved, or
copied in chunks, and never held in memory. What a file belongs to, and how long it lives, is the matter of
`processes.services.file_ownership`; how contents keep step with rows that of `processes.services.file_contents`.
"""

import errno
import re
import unicodedata
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import PurePosixPath
from typing import BinaryIO, TypedDict

from django.core.files.base import ContentFile, File
from django.db import DatabaseError, IntegrityError, transaction
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.models import DataNode, StoredFile
from processes.services.access import Caller, readable_by
from processes.services.errors import FileMissingError, StorageError
from processes.services.file_contents import delete_content, expect_row, storage_of_files
from processes.services.file_ownership import FILE_INFO, FileOwner, belonging

#: How long a file is kept that belongs to nothing: as long as a finished tree (tasks.services.roots).
KEPT = timedelta(days=30)
#: How long content may take to arrive.
_ARRIVING = timedelta(days=1)
_NAME_CHARS = 150
_READ_CHARS = 1_000
_SIZES_END = 2**63
#: What no file on Windows may be called, whatever its suffix, and which characters no name may hold there.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r'[<>:"|?*]')
_CONTENT_TYPE = re.compile(r"[\w!#$&^.+-]{1,60}/[\w!#$&^.+-]{1,60}", re.ASCII)


class FileInfo(TypedDict):
    """Describe a stored file, as JSON."""

    type: str
    id: str
    name: str
    size: int
    content_type: str
    extension: str


def store_file(
    *,
    content: "File[bytes] | BinaryIO | bytes",
    name: str,
    content_type: str = "application/octet-stream",
    caller: Caller,
    belongs_to: FileOwner | None = None,
    copied_from: uuid.UUID | None = None,
) -> FileInfo:
    """Store a file for `caller` and return its info; raises StorageError where the storage can't take it.

    It belongs to `belongs_to`, else to the run that the caller works in, else to nothing: then it is kept for KEPT,
    unless data that names it is saved before. The content of a temporary file is moved, where the storage can.

    The row is there first, expiring in a day, and can't be read before the content is complete: where this process is
    killed meanwhile, the purge job finds both. Within a transaction they come and go together: where that is rolled
    back, the content is deleted.
    """
    stored = StoredFile(
        name=safe_name(name),
        content_type=content_type if _CONTENT_TYPE.fullmatch(content_type) else "application/octet-stream",
        size=0,
        owner_id=caller.user_id,
        session_key="" if caller.user_id is not None else caller.session_key,
        copied_from=copied_from,
        is_complete=False,
        expires_at=timezone.now() + _ARRIVING,
        **belonging(belongs_to, caller=caller),
    )
    path = stored.file.field.generate_filename(stored, stored.name)
    stored.file.name = path
    try:
        expect_row(file_id=stored.pk, path=path)
        stored.save(force_insert=True)
        _fill(stored, _as_file(content))
    except OSError as error:
        _take_back(stored)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        message = _("There is no room left for files.") if full else _("The file could not be stored.")
        raise StorageError(message) from error
    except IntegrityError as error:
        _take_back(stored)
        raise _ownerless() from error
    except BaseException:
        _take_back(stored)
        raise
    return file_info(stored)


def file_info(stored: StoredFile) -> FileInfo:
    """Return the info of a stored file."""
    return FileInfo(
        type=FILE_INFO,
        id=str(stored.pk),
        name=stored.name,
        size=stored.size,
        content_type=stored.content_type,
        extension=extension_of(stored.name),
    )


def open_file(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID, *, caller: Caller | None = None) -> "File[bytes]":
    """Open a stored file for reading bytes, given its info or id; use it as a context manager.

    With `caller`, only that caller's own file is found. Raises FileMissingError.
    """
    return open_stored(find_file(info, caller=caller))


def open_stored(stored: StoredFile) -> "File[bytes]":
    """Open the content of a row for reading bytes; raises FileMissingError where it is gone."""
    try:
        return storage_of_files().open(stored.file.name or "", "rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise _missing() from error


def find_file(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID, *, caller: Caller | None = None) -> StoredFile:
    """Return the row behind an info or id, only the caller's own where one is given; raises FileMissingError."""
    rows = StoredFile.objects.filter(is_complete=True)
    if caller is not None:
        rows = rows.filter(readable_by(caller))
    stored = rows.filter(pk=_id_of(info)).first()
    if stored is None:
        raise _missing()
    return stored


def delete_file(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID, *, caller: Caller | None = None) -> None:
    """Delete a stored file: its row now, its content once that is committed. A file that is gone already is fine."""
    try:
        stored = find_file(info, caller=caller)
    except FileMissingError:
        return
    stored.delete()


def delete_files_of(node: DataNode, *, among: Collection[uuid.UUID] | None = None) -> None:
    """Delete the files that belong to a node, or those `among` them.

    What other data needs for longer stays; where all go, it belongs to nothing then. What a run or an instance has just
    taken is theirs.
    """
    with transaction.atomic():
        rows = StoredFile.objects.filter(node_id=node.pk)
        rows = rows if among is None else rows.filter(pk__in=among)
        for stored in rows.order_by("pk").select_for_update():
            if not stored.is_needed:
                stored.delete()
            elif among is None:
                StoredFile.objects.filter(pk=stored.pk).update(node=None)


def file_url(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID) -> str:
    """Return the path under which its owner downloads the file."""
    return reverse("processes:file", kwargs={"file_id": _id_of(info)})


def is_file_info(value: object) -> bool:
    """Tell whether a JSON value is a file info."""
    return isinstance(value, Mapping) and value.get("type") == FILE_INFO and "id" in value


def size_text(size: object) -> str:
    """Return a number of bytes as people read it; empty for what is no size of a file, as a forged info may say."""
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < _SIZES_END:
        return ""
    return str(filesizeformat(size))


def safe_name(name: str) -> str:
    """Return a name that a file may have anywhere: at most 150 characters, its suffix kept.

    It is without folders, control and direction characters, dots and spaces at its ends, what Windows doesn't take, and
    names of devices.
    """
    # Normalising takes time that grows with the square of a run of combining marks.
    last = unicodedata.normalize("NFC", name[-_READ_CHARS:]).replace("\\", "/").rpartition("/")[2]
    kinds = ((char, unicodedata.category(char)[0]) for char in last)
    visible = "".join(" " if kind == "Z" else char for char, kind in kinds if kind != "C")
    visible = _NOT_IN_NAMES.sub("_", visible).strip(" .")
    suffix = PurePosixPath(visible).suffix
    stem = visible[: len(visible) - len(suffix)]
    suffix = suffix[:20].rstrip(" .")
    short = stem[: _NAME_CHARS - len(suffix)].rstrip(" .") + suffix
    return f"_{short}"[:_NAME_CHARS] if _DEVICES.match(short) else short or "file"


def extension_of(name: str) -> str:
    """Return the lower-case suffix of a name, without the dot."""
    return PurePosixPath(name).suffix.lstrip(".").lower()


def _fill(stored: StoredFile, content: "File[bytes]") -> None:
    """Store the content, and let the file be found."""
    storage = storage_of_files()
    path = storage.save(stored.file.name, content, max_length=stored.file.field.max_length)
    stored.file.name, stored.size = path, storage.size(path)
    stored.is_complete = True
    owners = (stored.node_id, stored.run_id, stored.instance_id, stored.callback_id)
    is_owned = any(owner is not None for owner in owners)
    stored.expires_at = None if is_owned else timezone.now() + KEPT
    columns = {"file": path, "size": stored.size, "is_complete": True, "expires_at": stored.expires_at}
    if not StoredFile.objects.filter(pk=stored.pk).update(**columns):
        raise _ownerless()


def _ownerless() -> StorageError:
    return StorageError(_("What the file belongs to was deleted while it was being stored."))


def _take_back(stored: StoredFile) -> None:
    """Leave nothing of a file that could not be stored; what can't be deleted now, the purge job deletes."""
    delete_content(stored.file.name or "")
    # In a savepoint: where the database is what failed, nobody may use a caller's transaction any more.
    with suppress(DatabaseError), transaction.atomic():
        StoredFile.objects.filter(pk=stored.pk).delete()


def _as_file(content: "File[bytes] | BinaryIO | bytes") -> "File[bytes]":
    if isinstance(content, bytes):
        return ContentFile(content)
    return content if isinstance(content, File) else File(content)


def _id_of(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID) -> uuid.UUID:
    value = info.get("id") if isinstance(info, Mapping) else info
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError as error:
        raise _missing() from error


def _missing() -> FileMissingError:
    return FileMissingError(_("There is no such file, or it isn't yours."))
