"""Send stored files to their owners, in chunks, so that no browser takes them for pages of this site."""

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import FileResponse

from processes.models import StoredFile
from processes.services.errors import FileMissingError

#: Types that a browser may be told; everything else is bytes. None of them can carry scripts.
_HARMLESS_TYPES = frozenset({"text/csv", "text/plain", "application/pdf", "application/zip", "application/json"})


class StreamedFile(FileResponse):
    """Send a file in chunks under ASGI too, where Django would gather a synchronous stream in memory."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield chunks that are read in a thread."""
        stream = self.file_to_stream
        if stream is None:
            return
        read = sync_to_async(stream.read, thread_sensitive=False)
        while chunk := await read(self.block_size):
            yield chunk


def file_response(stored: StoredFile) -> StreamedFile:
    """Return the download of a stored file; raises FileMissingError where its content is gone."""
    try:
        content = stored.file.open("rb")
    except FileNotFoundError as error:
        raise FileMissingError("There is no such file, or it isn't yours.") from error
    declared = stored.content_type.lower()
    content_type = declared if declared in _HARMLESS_TYPES or declared.startswith("image/") else ""
    response = StreamedFile(
        content,
        as_attachment=True,
        filename=stored.name,
        content_type="application/octet-stream" if content_type in ("", "image/svg+xml") else content_type,
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
