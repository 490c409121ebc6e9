"""One follower's connection, read with as little work as it takes to know which update came.

A library that does all that a client should would use more of a processor than the server that is measured.
"""

import os
import re
import socket
import struct
from base64 import b64encode
from collections.abc import Iterator
from typing import Protocol

EVENTS, SOCKET = "SSE", "WebSocket"
_SEQ = re.compile(rb'"seq":(\d+),')
_EVENT_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
#: All that a client sends is masked; with zeros the bytes stay as they are.
_MASK = b"\0\0\0\0"


class ConnectionEnd(Exception):
    """The server has ended the connection, or said what no follower expects."""


class Wire(Protocol):
    """What is said on one connection."""

    #: Whether the server has said that updates follow.
    follows: bool

    def hello(self, *, since: int) -> bytes:
        """Return what is sent first, to follow from the update behind `since` on."""

    def take(self, data: bytes) -> Iterator[int]:
        """Take what has come and yield the numbers of the updates in it. Raises ConnectionEnd."""

    def answers(self) -> bytes:
        """Return what has to be sent back for what was taken."""


class EventsWire:
    """Read the updates of a task as server-sent events, in a chunked response."""

    def __init__(self, *, place: str, task_id: str, cookie: str) -> None:
        self._head = f"GET /api/tasks/{task_id}/updates/ HTTP/1.1\r\nHost: {place}\r\nCookie: {cookie}\r\n"
        self._raw = b""
        self._text = b""
        self._has_headers = False
        self._has_ended = False
        self.follows = False

    def hello(self, *, since: int) -> bytes:
        """Return the request, as a browser sends it that reconnects."""
        last = f"Last-Event-ID: {since}\r\n" if since else ""
        return f"{self._head}Accept: text/event-stream\r\n{last}\r\n".encode()

    def take(self, data: bytes) -> Iterator[int]:
        """Yield the ids of the events that are complete."""
        self._raw += data
        if not self._has_headers:
            head, blank, rest = self._raw.partition(b"\r\n\r\n")
            if not blank:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionEnd(head.partition(b"\r\n")[0].decode())
            self._has_headers = True
            self._raw = rest
        self._text += self._unchunked()
        whole, end, self._text = self._text.rpartition(b"\n\n")
        self.follows = self.follows or bool(end)
        for found in _EVENT_ID.finditer(whole):
            yield int(found[1])
        if self._has_ended:
            # Behind what came with it: the end often comes in the same piece as the last update.
            raise ConnectionEnd("the stream has ended")

    def answers(self) -> bytes:
        """Return nothing: there is no way back."""
        return b""

    def _unchunked(self) -> bytes:
        parts: list[bytes] = []
        while True:
            line, end, rest = self._raw.partition(b"\r\n")
            if not end:
                break
            size = int(line, 16)
            if size == 0:
                self._has_ended = True
                break
            if len(rest) < size + 2:
                break
            parts.append(rest[:size])
            self._raw = rest[size + 2 :]
        return b"".join(parts)


class SocketWire:
    """Read the updates of a task from a WebSocket of its own."""

    def __init__(self, *, place: str, task_id: str, cookie: str) -> None:
        self._head = (
            f"GET /ws/ HTTP/1.1\r\nHost: {place}\r\nOrigin: http://{place}\r\nCookie: {cookie}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            # As browsers do; a server that compresses says so, and is none that we run.
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        )
        self._task_id = task_id
        self._since = 0
        self._raw = b""
        self._answers: list[bytes] = []
        self._has_headers = False
        self.follows = False

    def hello(self, *, since: int) -> bytes:
        """Return the handshake; the subscription follows once it was answered."""
        self._since = since
        key = b64encode(os.urandom(16)).decode()
        return f"{self._head}Sec-WebSocket-Key: {key}\r\n\r\n".encode()

    def take(self, data: bytes) -> Iterator[int]:
        """Yield the numbers of the updates whose frames are complete."""
        self._raw += data
        if not self._has_headers:
            head, blank, rest = self._raw.partition(b"\r\n\r\n")
            if not blank:
                return
            if not head.startswith(b"HTTP/1.1 101") or b"permessage-deflate" in head:
                raise ConnectionEnd(head.decode())
            self._has_headers = True
            self._raw = rest
            text = f'{{"type":"subscribe","taskId":"{self._task_id}","since":{self._since}}}'
            self._answers.append(_masked(_TEXT, text.encode()))
        for kind, payload in self._frames():
            if kind == _CLOSE:
                raise ConnectionEnd("the socket was closed")
            if kind == _PING:
                self._answers.append(_masked(_PONG, payload))
            elif kind == _TEXT:
                # Of an update, the number stands at the beginning, before anything that users have written.
                found = _SEQ.search(payload, 0, 40)
                if found:
                    yield int(found[1])
                elif b'"subscribed"' in payload:
                    self.follows = True
                else:
                    raise ConnectionEnd(payload.decode())

    def answers(self) -> bytes:
        """Return the subscription, and the answer to each ping."""
        answers, self._answers = self._answers, []
        return b"".join(answers)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._raw) >= 2:
            start, size = 2, self._raw[1]
            if size == 126:
                start, size = 4, int.from_bytes(self._raw[2:4], "big")
            elif size == 127:
                start, size = 10, int.from_bytes(self._raw[2:10], "big")
            if len(self._raw) < start + size:
                return
            kind, payload = self._raw[0] & 0x0F, self._raw[start : start + size]
            self._raw = self._raw[start + size :]
            yield kind, payload


def connected(*, host: str, port: int) -> socket.socket:
    """Return a socket that is connected to the server; raises OSError where there is none."""
    found = socket.create_connection((host, port), timeout=10)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def cut(connection: socket.socket) -> None:
    """Let a connection end as by a broken network: what is under way is lost, and the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _masked(kind: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | kind, 0x80 | len(payload)]) + _MASK + payload
