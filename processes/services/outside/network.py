"""Connect to other systems: only where it is allowed, only to addresses that were checked, and not beyond a deadline.

A host is resolved once. Each address is checked, and the very address that was checked is connected to, so that a name
that changes its mind between the check and the connection (DNS rebinding) gains nothing.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import ip_address
from typing import TypeVar

import httpcore
import httpx

from processes.domain.hosts import Address, Reach
from processes.services.errors import OutboundError, OutboundRefusedError, OutboundTimeoutError

__all__ = ["Deadline", "GuardedBackend", "dial", "ssl_context"]

_Connected = TypeVar("_Connected")


class Deadline:
    """Know when something must be done, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Return the seconds that are left, `most` at most; raises OutboundTimeoutError where none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutboundTimeoutError(f"There was no complete answer within {self.seconds:g} seconds.")
        return left if most is None else min(left, most)


def dial(host: str, port: int, *, reach: Reach, deadline: Deadline) -> socket.socket:
    """Connect to a host by TCP; raises OutboundRefusedError where its addresses aren't allowed, and OutboundError."""
    return _connect(
        host,
        port,
        lambda address: socket.create_connection((address, port), timeout=deadline.left()),
        reach=reach,
        deadline=deadline,
    )


@cache
def ssl_context() -> ssl.SSLContext:
    """Return what certificates are checked with: SSL_CERT_FILE and SSL_CERT_DIR, else the usual authorities."""
    return httpx.create_ssl_context()


class GuardedBackend(httpcore.NetworkBackend):
    """Open the connections of one request."""

    def __init__(self, *, reach: Reach, deadline: Deadline) -> None:
        self._reach = reach
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host, if it may be reached."""
        plain = httpcore.SyncBackend()
        stream = _connect(
            host,
            port,
            lambda address: plain.connect_tcp(address, port, timeout=self._deadline.left()),
            reach=self._reach,
            deadline=self._deadline,
        )
        return _TimedStream(stream, self._deadline)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> httpcore.NetworkStream:
        """Refuse: nothing outside is on a path of this machine."""
        raise OutboundRefusedError("Requests go to hosts only.")


class _TimedStream(httpcore.NetworkStream):
    """Read and write until the deadline: a server that sends a byte now and then doesn't hold a worker for ever."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _connect(
    host: str, port: int, connect: Callable[[str], _Connected], *, reach: Reach, deadline: Deadline
) -> _Connected:
    """Connect to the first address of a host that answers, once all of them have been checked."""
    addresses = _resolve(host, port, deadline)
    refused = [address for address in addresses if not reach.admits(host, address)]
    if refused:
        # One bad address among good ones is a trap, not a choice.
        raise OutboundRefusedError(
            # Which address it is would tell an editor about a network that they can't see.
            f"{host} isn't asked: its address isn't a public one. Those who run this site may allow it in "
            "STEPLINE_OUTBOUND_PRIVATE.",
            fields={"host": host},
        )
    reason = "it has no address"
    for address in addresses:
        try:
            return connect(str(address))
        except (TimeoutError, httpcore.TimeoutException):
            reason = "nothing answers there"
        except (OSError, httpcore.NetworkError) as error:
            reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)).lower()
    deadline.left()
    raise OutboundError(f"{host}, port {port}, can't be reached: {reason}.", fields={"host": host})


def _resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Return the addresses of a host, each once, in the resolver's order."""
    found: list[Address] = []
    reason = ["its name isn't found in time"]

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            reason[:] = ["its name isn't known"]
        else:
            addresses = [ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
            found.extend(dict.fromkeys(addresses))

    # The resolver knows no time limit of ours: where it takes longer, its thread is left to itself.
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not found:
        deadline.left()
        raise OutboundError(f"{host} can't be reached: {reason[0]}.", fields={"host": host})
    return list(found)
