"""The response that carries server-sent events for as long as its client stays."""

from collections.abc import AsyncIterable, AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import SyncToAsync
from django.db import connections
from django.http import StreamingHttpResponse

__all__ = ["EventStream", "give_thread_back", "only_headers"]


class EventStream(StreamingHttpResponse):
    """Send encoded events as they come."""

    def __init__(self, events: AsyncIterable[bytes], *, is_feed: bool = False) -> None:
        super().__init__(events, content_type="text/event-stream; charset=utf-8")
        #: What it sends is told by others: nothing reports to the request's own tree while it is sent.
        self.is_feed = is_feed
        self.headers["Cache-Control"] = "no-cache, no-transform"
        # Keeps Django's GZipMiddleware away, which would compress each event by itself: most clients unpack the first
        # one and lose the others. And proxies, which would collect events to compress them.
        self.headers["Content-Encoding"] = "identity"
        # Asks nginx not to collect the stream before passing it on.
        self.headers["X-Accel-Buffering"] = "no"

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return what yields the events.

        Django would put two generators in front, which do nothing for bytes; a server holds as many of them as clients.
        """
        return aiter(self._iterator)  # type: ignore[attr-defined]


def only_headers() -> EventStream:
    """Return the answer to who asks for the headers of a stream alone."""
    return EventStream(_nothing(), is_feed=True)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def give_thread_back() -> None:
    """Let the thread end in which the synchronous middleware of this request has run.

    Django keeps one for each request until its response has been sent, so that a stream would hold it, and whatever
    connection to the database it has opened, as long as its client stays. Whatever needs one later gets a new one.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None or getattr(context, "_executor", None) is not None:
        # There is none, or it is the server's own, for other requests too.
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if isinstance(executor, ThreadPoolExecutor):
        executor.submit(connections.close_all)
        executor.shutdown(wait=False)
