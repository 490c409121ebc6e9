"""Files in what is reported to callbacks: each becomes a copy that belongs to the callback and goes with it.

What a report names may be gone tomorrow, or be somebody else's; the copy belongs to whose run waits for the callback.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping

from django.core.files.uploadedfile import UploadedFile

from processes.domain.json_values import JSON
from processes.models import Callback, StoredFile
from processes.services.access import Caller
from processes.services.errors import CallbackFileError, FileMissingError
from processes.services.file_ownership import FILE_INFO
from processes.services.files import FileInfo, file_info, find_file, open_stored, safe_name, store_file

__all__ = ["MOST_FILES", "brought", "hashes_of", "localised", "owner_of_callback"]

#: Files that one report may name.
MOST_FILES = 100


def owner_of_callback(callback: Callback) -> Caller:
    """Return for whom the run works that waits for a callback."""
    run = callback.run
    return Caller(user_id=run.user_id, session_key=run.session_key, instance_id=run.instance_id)


def brought(files: Mapping[str, "UploadedFile[bytes]"], *, callback: Callback) -> dict[str, JSON]:
    """Store files that were sent with a report, and return their infos by name; they go with the callback.

    Raises CallbackFileError for more than MOST_FILES, StorageError where the storage can't take them. Call it outside
    of transactions.
    """
    if len(files) > MOST_FILES:
        raise CallbackFileError(f"A report may bring {MOST_FILES} files at most.")
    return {
        name: dict(
            store_file(
                content=content,
                name=content.name or name,
                content_type=content.content_type or "",
                caller=owner_of_callback(callback),
                belongs_to=callback,
            )
        )
        for name, content in files.items()
    }


def hashes_of(files: Mapping[str, "UploadedFile[bytes]"]) -> dict[str, JSON]:
    """Return by what files are known that are sent again: their names and the hashes of their contents, by part.

    By their infos they aren't: each time that they are stored these name other files.
    """
    return {name: [safe_name(content.name or name), _hash(content)] for name, content in files.items()}


def _hash(content: "UploadedFile[bytes]") -> str:
    whole = hashlib.sha256()
    for chunk in content.chunks():
        whole.update(chunk)
    content.seek(0)
    return whole.hexdigest()


def localised(data: JSON, *, callback: Callback, reader: Caller) -> JSON:
    """Return `data` with its files copied for the callback; those that are its own already stay.

    Only what `reader` may read is copied. Raises CallbackFileError for anything else, and where more than MOST_FILES
    are named; StorageError where the storage can't take them. Call it outside of transactions: contents may
    be large. What is copied goes with the callback, whatever becomes of the report.
    """
    copies: dict[str, FileInfo] = {}

    def copy_of(named: object) -> FileInfo:
        key = str(named)
        if key not in copies:
            if len(copies) == MOST_FILES:
                raise CallbackFileError(f"A report may name {MOST_FILES} files at most.")
            copies[key] = _copied(key, callback=callback, reader=reader)
        return copies[key]

    return _rewritten(data, copy_of)


def _rewritten(value: JSON, copy_of: Callable[[object], FileInfo]) -> JSON:
    if isinstance(value, list):
        return [_rewritten(item, copy_of) for item in value]
    if not isinstance(value, dict):
        return value
    rewritten = {key: _rewritten(item, copy_of) for key, item in value.items()}
    if value.get("type") == FILE_INFO and "id" in value:
        rewritten.update(copy_of(value["id"]))
    return rewritten


def _copied(named: str, *, callback: Callback, reader: Caller) -> FileInfo:
    own = _own_file(named, callback)
    if own is not None:
        return file_info(own)
    try:
        stored = find_file(named, caller=reader)
        opened = open_stored(stored)
    except FileMissingError:
        raise CallbackFileError(f"There is no file {named[:50]!r} that may be reported here.") from None
    with opened as content:
        return store_file(
            content=content,
            name=stored.name,
            content_type=stored.content_type,
            caller=owner_of_callback(callback),
            belongs_to=callback,
            copied_from=stored.pk,
        )


def _own_file(named: str, callback: Callback) -> StoredFile | None:
    """Return the callback's own file of that id, or its copy of that file: contents never change."""
    try:
        file_id = uuid.UUID(named)
    except ValueError:
        return None
    files = StoredFile.objects.filter(callback=callback, is_complete=True)
    return files.filter(pk=file_id).first() or files.filter(copied_from=file_id).first()
