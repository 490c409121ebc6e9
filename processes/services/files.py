"""Files that processes receive and make. A file info is JSON that says which file; the content is in Django's storage.

    {"type": "FILE_INFO", "id": "<uuid>", "name": "a.csv", "size": 47, "content_type": "text/csv", "extension": "csv"}

`size` is in bytes; `extension` is in lower case, without a dot, empty where the name has none. Content is copied in
chunks and never held in memory.
"""

import errno
import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import BinaryIO, TypedDict

from django.core.files.base import ContentFile, File
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.models import StoredFile
from processes.services.access import Caller, readable_by
from processes.services.errors import FileMissingError, StorageError

FILE_INFO = "FILE_INFO"
#: How long a file is kept: as long as the tree of the run that made it (tasks.services.roots).
KEPT = timedelta(days=30)
_NAME_CHARS = 150
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
) -> FileInfo:
    """Store a file for `caller` and return its info; raises StorageError where the storage can't take it."""
    stored = StoredFile(
        name=safe_name(name),
        content_type=content_type if _CONTENT_TYPE.fullmatch(content_type) else "application/octet-stream",
        owner_id=caller.user_id,
        session_key="" if caller.user_id is not None else caller.session_key,
        expires_at=timezone.now() + KEPT,
    )
    try:
        stored.file.save(stored.name, _as_file(content), save=False)
        stored.size = stored.file.size
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StorageError("There is no room left for files." if full else "The file could not be stored.") from error
    try:
        stored.save(force_insert=True)
    except DatabaseError:
        stored.file.delete(save=False)
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
    stored = find_file(info, caller=caller)
    try:
        return stored.file.open("rb")
    except FileNotFoundError as error:
        raise _missing() from error


def find_file(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID, *, caller: Caller | None = None) -> StoredFile:
    """Return the row behind an info or id, only the caller's own where one is given; raises FileMissingError."""
    rows = StoredFile.objects.all() if caller is None else StoredFile.objects.filter(readable_by(caller))
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
    transaction.on_commit(lambda: stored.file.delete(save=False))


def file_url(info: Mapping[str, JSON] | FileInfo | str | uuid.UUID) -> str:
    """Return the path under which its owner downloads the file."""
    return reverse("processes:file", kwargs={"file_id": _id_of(info)})


def is_file_info(value: object) -> bool:
    """Tell whether a JSON value is a file info."""
    return isinstance(value, Mapping) and value.get("type") == FILE_INFO and "id" in value


def safe_name(name: str) -> str:
    """Return a name without folders, control and direction characters, at most 150 characters, its suffix kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    visible = "".join(char for char in last if not unicodedata.category(char).startswith("C")).strip(" .")
    suffix = PurePosixPath(visible).suffix[:20]
    stem = visible[: len(visible) - len(PurePosixPath(visible).suffix)]
    return (stem[: _NAME_CHARS - len(suffix)] + suffix) or "file"


def extension_of(name: str) -> str:
    """Return the lower-case suffix of a name, without the dot."""
    return PurePosixPath(name).suffix.lstrip(".").lower()


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
    return FileMissingError("There is no such file, or it isn't yours.")
