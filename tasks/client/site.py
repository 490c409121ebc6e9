"""A site as a client reaches it: its address, the token, and how flows are carried out."""

import asyncio
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import httpx

from tasks.client.driving import AsyncWire, Wire, complete, complete_async, iterate, iterate_async
from tasks.client.environment import site_url, token_for
from tasks.client.errors import InvalidToken, NotConfigured
from tasks.client.flow import Flow
from tasks.client.patience import Patience

__all__ = ["Call", "Site"]

R = TypeVar("R")

#: How long an answer may take to begin.
TIMEOUT_SECONDS = 30.0
#: How long the client tries while nothing can be had of the site.
GIVE_UP_SECONDS = 60.0


class _Kept(Generic[R]):
    """Count who keeps what: blocks of several threads, or of several tasks of a loop, may overlap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[object, tuple[R, int]] = {}

    def get(self, key: object) -> R | None:
        """Return what is kept."""
        found = self._found.get(key)
        return None if found is None else found[0]

    def enter(self, key: object, make: Callable[[], R]) -> None:
        """Keep what `make` returns, for the first block."""
        with self._lock:
            kept, count = self._found.get(key) or (make(), 0)
            self._found[key] = (kept, count + 1)

    def leave(self, key: object) -> R | None:
        """Return what was kept, after the last block."""
        with self._lock:
            kept, count = self._found.pop(key)
            if count > 1:
                self._found[key] = (kept, count - 1)
                return None
            return kept


_BLOCKING = "blocking"


class Site:
    """Reach a site; in a `with` or `async with` block its connections are kept from one call to the next."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        give_up_seconds: float = GIVE_UP_SECONDS,
        on_wait: Callable[[str, float], object] | None = None,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the address and the API token, by default those of STEPLINE_URL and STEPLINE_TOKEN.

        Trouble is tried again for `give_up_seconds`; `on_wait` is called before each wait with what went wrong, and for
        how many seconds it waits. `transport` is httpx's, for proxies and tests, of the
        kind that the caller waits with. Raises NotConfigured or InvalidToken.
        """
        self.url = site_url(url)
        self.give_up_seconds = give_up_seconds
        self._on_wait = on_wait
        self._timeout = httpx.Timeout(timeout_seconds)
        self._transport = transport
        self._headers = _headers(token if token is not None else token_for(self.url))
        self._kept: _Kept[httpx.Client] = _Kept()
        self._kept_async: _Kept[httpx.AsyncClient] = _Kept()

    def __repr__(self) -> str:
        """Return the address, without the token."""
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        """Keep connections until the end of the block; of blocks that overlap, the last one closes them."""
        self._kept.enter(_BLOCKING, self._new_http)
        return self

    def __exit__(self, *raised: object) -> None:
        """Close them."""
        if (http := self._kept.leave(_BLOCKING)) is not None:
            http.close()

    async def __aenter__(self) -> Self:
        """Keep connections, in this event loop, until the end of the block; see `__enter__`."""
        self._kept_async.enter(asyncio.get_running_loop(), self._new_async_http)
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Close them."""
        if (http := self._kept_async.leave(asyncio.get_running_loop())) is not None:
            await http.aclose()

    def patience(self) -> Patience:
        """Return how long one thing that is asked is tried."""
        return Patience(give_up_seconds=self.give_up_seconds, site=self.url, on_wait=self._on_wait)

    def complete(self, flow: Flow[R]) -> R:
        """Carry out a flow, blocking."""
        with self._wire() as wire:
            return complete(flow, wire)

    async def complete_async(self, flow: Flow[R]) -> R:
        """Carry out a flow."""
        async with self._async_wire() as wire:
            return await complete_async(flow, wire)

    def iterate(self, flow: Flow[Any]) -> Generator[Any, None, None]:
        """Yield what a flow emits, blocking in between."""
        with self._wire() as wire:
            yield from iterate(flow, wire)

    async def iterate_async(self, flow: Flow[Any]) -> AsyncGenerator[Any, None]:
        """Yield what a flow emits."""
        async with self._async_wire() as wire, aclosing(iterate_async(flow, wire)) as emitted:
            async for value in emitted:
                yield value

    @contextmanager
    def _wire(self) -> Iterator[Wire]:
        if (http := self._kept.get(_BLOCKING)) is not None:
            yield Wire(http)
            return
        with self._new_http() as http:
            yield Wire(http)

    @asynccontextmanager
    async def _async_wire(self) -> AsyncIterator[AsyncWire]:
        if (http := self._kept_async.get(asyncio.get_running_loop())) is not None:
            yield AsyncWire(http)
            return
        async with self._new_async_http() as http:
            yield AsyncWire(http)

    def _new_http(self) -> httpx.Client:
        if self._transport is not None and not isinstance(self._transport, httpx.BaseTransport):
            raise NotConfigured("This transport is an asynchronous one; give httpx.HTTPTransport() to wait blocking.")
        return httpx.Client(transport=self._transport, **self._options)

    def _new_async_http(self) -> httpx.AsyncClient:
        if self._transport is not None and not isinstance(self._transport, httpx.AsyncBaseTransport):
            raise NotConfigured("This transport is a blocking one; give httpx.AsyncHTTPTransport() in an event loop.")
        return httpx.AsyncClient(transport=self._transport, **self._options)

    @cached_property
    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.url,
            "headers": self._headers,
            "timeout": self._timeout,
            # Reading the certificates takes longer than most calls do.
            "verify": _certificates() if self.url.startswith("https:") else True,
        }


class Call(Generic[R]):
    """Ask something of a site: `await` it, or `sync()` it. Each time it is asked anew."""

    def __init__(self, site: Site, flow: Callable[[], Flow[R]]) -> None:
        self._site = site
        self._flow = flow

    def __await__(self) -> Generator[Any, None, R]:
        """Ask, in an event loop."""
        return self._site.complete_async(self._flow()).__await__()

    def sync(self) -> R:
        """Ask, blocking."""
        return self._site.complete(self._flow())


def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _headers(token: str | None) -> dict[str, str]:
    if not token:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidToken("An API token has no spaces, and no line breaks in it.")
    return {"Authorization": f"Bearer {token}"}
