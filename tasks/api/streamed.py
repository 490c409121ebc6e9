"""Answers that are made while they are sent."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

__all__ = ["StreamedText"]

#: Characters that are gathered before they are sent.
BLOCK_CHARS: Final = 65_536


class StreamedText(StreamingHttpResponse):
    """Send pieces of text in blocks, under ASGI too, where Django would gather a synchronous stream in memory."""

    def __init__(self, pieces: Iterable[str], **options: Any) -> None:
        self._made = _blocks(pieces)
        super().__init__(self._made, **options)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield blocks that are made in the thread that has the request's connection."""
        take = sync_to_async(self._take)
        while block := await take():
            yield block

    def _take(self) -> bytes:
        return next(self._made, b"")


def _blocks(pieces: Iterable[str]) -> Iterator[bytes]:
    gathered: list[str] = []
    chars = 0
    for piece in pieces:
        gathered.append(piece)
        chars += len(piece)
        if chars >= BLOCK_CHARS:
            yield "".join(gathered).encode()
            gathered, chars = [], 0
    if gathered:
        yield "".join(gathered).encode()
