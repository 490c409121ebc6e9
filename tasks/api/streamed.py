"""Answers that are made while they are sent."""

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

__all__ = ["StreamedText"]

#: Characters that are gathered before they are sent.
BLOCK_CHARS: Final = 65_536


class StreamedText(StreamingHttpResponse):
    """Send pieces of text in blocks, under ASGI too, where Django would gather a synchronous stream in memory."""

    def __init__(self, pieces: Iterable[str], **options: Any) -> None:
        super().__init__(_blocks(pieces), **options)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield blocks that are made in the thread that has the request's connection."""
        # As middleware has left them: one that compresses puts blocks of its own in their place, the first of which
        # may be empty.
        blocks: Iterator[bytes] = iter(self._iterator)  # type: ignore[attr-defined]
        take = sync_to_async(partial(next, blocks, None))
        while (block := await take()) is not None:
            yield block


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
