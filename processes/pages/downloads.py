"""Send stored files to their owners: in chunks, whole or the part that is asked for, never as pages of this site."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.base import File
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, parse_etags

from processes.models import StoredFile
from processes.services.files import open_stored

#: Types that a browser may be told; everything else is bytes. None of them can carry scripts.
_HARMLESS_TYPES = frozenset({"text/csv", "text/plain", "application/pdf", "application/zip", "application/json"})
_BYTES = "application/octet-stream"
#: Bytes that are read at once, and held in memory, for each download.
BLOCK_BYTES = 256 * 1024
#: One range of bytes (RFC 9110, section 14.1.2). Several at once may be answered with the whole, and are.
_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    """Name a part of a file: `length` bytes from `start` on."""

    start: int
    length: int


class StreamedFile(StreamingHttpResponse):
    """Send a part of an open file in blocks, under ASGI too, where Django would gather a synchronous stream in memory.

    Whatever ends the answer closes the file: its end, an error, a client that goes away.
    """

    def __init__(self, content: "File[bytes]", *, start: int, length: int, **options: Any) -> None:
        self._content = content
        self._left = length
        if start:
            content.seek(start)
        super().__init__(self._blocks(), **options)
        self._resource_closers.append(content.close)  # type: ignore[attr-defined]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield blocks that are read in a thread."""
        read = sync_to_async(self._read, thread_sensitive=False)
        try:
            while block := await read():
                yield block
        finally:
            self._content.close()

    def _blocks(self) -> Iterator[bytes]:
        while block := self._read():
            yield block

    def _read(self) -> bytes:
        block = self._content.read(min(self._left, BLOCK_BYTES)) if self._left else b""
        self._left -= len(block)
        return block


def file_response(stored: StoredFile, *, request: HttpRequest | None = None) -> HttpResponseBase:
    """Return the download of a stored file; raises FileMissingError where its content is gone.

    With a `request` by GET or HEAD its conditions and its range are heeded: 304 for what its sender has already, 206
    for a part, 416 for one that lies behind the end.
    """
    content = open_stored(stored)
    try:
        return _answer(stored, content, request)
    except BaseException:
        content.close()
        raise


def _answer(stored: StoredFile, content: "File[bytes]", request: HttpRequest | None) -> HttpResponseBase:
    size = content.size
    # Contents never change, so the id is as good as a checksum.
    etag = f'"{stored.pk.hex}"'
    headers = _headers(stored, etag=etag)
    if request is None or request.method not in ("GET", "HEAD"):
        return _whole(content, size, headers)
    unchanged = get_conditional_response(request, etag=etag, last_modified=int(stored.created_at.timestamp()))
    if unchanged is not None:
        content.close()
        return _without_body(unchanged.status_code, headers, None)
    if request.method == "HEAD":
        content.close()
        return _without_body(200, headers, size)
    part = _part_of(request, size=size, validators=(etag, headers["Last-Modified"]))
    if part is None:
        return _whole(content, size, headers)
    if not part.length:
        content.close()
        return _without_body(416, {**headers, "Content-Range": f"bytes */{size}"}, 0)
    headers["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{size}"
    headers["Content-Length"] = str(part.length)
    return StreamedFile(content, start=part.start, length=part.length, status=206, headers=headers)


def _part_of(request: HttpRequest, *, size: int, validators: tuple[str, str]) -> _Part | None:
    """Return the part that is asked for, without bytes where there are none; None for the whole file."""
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or found[0].strip().endswith("=-") or not any(found.groups()):
        return None
    # Whoever has a part of something else must get the whole; a weak tag never counts (RFC 9110, section 13.1.5).
    condition = request.headers.get("If-Range", "").strip()
    if condition and condition != validators[1] and parse_etags(condition) != [validators[0]]:
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return _Part(size - length, length)
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    return _Part(start, max(0, end - start + 1))


def _headers(stored: StoredFile, *, etag: str) -> dict[str, str]:
    declared = stored.content_type.lower()
    is_harmless = declared in _HARMLESS_TYPES or (declared.startswith("image/") and declared != "image/svg+xml")
    return {
        "Content-Type": declared if is_harmless else _BYTES,
        "Content-Disposition": content_disposition_header(True, stored.name) or "attachment",
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": http_date(stored.created_at.timestamp()),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }


def _whole(content: "File[bytes]", size: int, headers: dict[str, str]) -> StreamedFile:
    return StreamedFile(content, start=0, length=size, headers={**headers, "Content-Length": str(size)})


def _without_body(status: int, headers: dict[str, str], size: int | None) -> HttpResponse:
    length = {} if size is None else {"Content-Length": str(size)}
    return HttpResponse(status=status, headers={**headers, **length})
