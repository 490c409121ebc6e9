"""A site as a client reaches it: its address, the token, and how flows are carried out."""

import ssl
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

import httpx

from tasks.client.driving import AsyncWire, Wire, complete, complete_async, iterate, iterate_async
from tasks.client.environment import site_url, token_for
from tasks.client.errors import InvalidToken
from tasks.client.flow import Flow
from tasks.client.patience import Patience

__all__ = ["Call", "Site"]

R = TypeVar("R")

#: How long an answer may take to begin.
TIMEOUT_SECONDS = 30.0
#: How long the client tries while nothing can be had of the site.
GIVE_UP_SECONDS = 60.0


class Site:
    """Reach a site; in a `with` or `async with` block its connections are kept from one call to the next."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        give_up_seconds: float = GIVE_UP_SECONDS,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the address and the API token, by default those of STEPLINE_URL and STEPLINE_TOKEN.

        Trouble is tried again for `give_up_seconds`. `transport` is httpx's, for proxies and tests; one serves those
        who wait blocking, or those who don't. Raises NotConfigured or InvalidToken.
        """
        self.url = site_url(url)
        self.give_up_seconds = give_up_seconds
        self._timeout = httpx.Timeout(timeout_seconds)
        self._transport = transport
        self._headers = _headers(token if token is not None else token_for(self.url))
        self._http: httpx.Client | None = None
        self._async_http: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        """Return the address, without the token."""
        return f"{type(self).__name__}({self.url!r})"

    def patience(self) -> Patience:
        """Return how long one thing that is asked is tried."""
        return Patience(give_up_seconds=self.give_up_seconds, site=self.url)

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

    async def iterate_async(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """Yield what a flow emits."""
        async with self._async_wire() as wire, aclosing(iterate_async(flow, wire)) as emitted:
            async for value in emitted:
                yield value

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep connections for the block."""
        with self._new_http() as http:
            self._http, before = http, self._http
            try:
                yield
            finally:
                self._http = before

    @asynccontextmanager
    async def kept_async(self) -> AsyncIterator[None]:
        """Keep connections for the block."""
        async with self._new_async_http() as http:
            self._async_http, before = http, self._async_http
            try:
                yield
            finally:
                self._async_http = before

    @contextmanager
    def _wire(self) -> Iterator[Wire]:
        if self._http is not None:
            yield Wire(self._http)
            return
        with self._new_http() as http:
            yield Wire(http)

    @asynccontextmanager
    async def _async_wire(self) -> AsyncIterator[AsyncWire]:
        if self._async_http is not None:
            yield AsyncWire(self._async_http)
            return
        async with self._new_async_http() as http:
            yield AsyncWire(http)

    def _new_http(self) -> httpx.Client:
        transport = self._transport if isinstance(self._transport, httpx.BaseTransport) else None
        return httpx.Client(transport=transport, **self._options)

    def _new_async_http(self) -> httpx.AsyncClient:
        transport = self._transport if isinstance(self._transport, httpx.AsyncBaseTransport) else None
        return httpx.AsyncClient(transport=transport, **self._options)

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
