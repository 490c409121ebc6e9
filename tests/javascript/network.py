"""A network between a browser and the stack that can be lost: what is open hangs, as it does where a cable is pulled.

Browsers that are told to be offline open nothing, but keep what is open.
"""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_PIECE_BYTES = 65_536


class Network:
    """Pass on what is sent to an address of its own."""

    def __init__(self, address: str) -> None:
        self._target = (HOST, urlsplit(address).port)
        self._server = socket.create_server((HOST, 0))
        self.address = f"http://{HOST}:{self._server.getsockname()[1]}"
        self._ways: list[_Way] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self) -> None:
        """Let nothing more through on what is open; nobody is told."""
        for way in self._ways:
            way.is_lost = True

    def find(self) -> None:
        """Be there again: whoever sends on what was lost is told that nobody knows of it."""
        for way in self._ways:
            way.is_found = way.is_lost

    def close(self) -> None:
        """End everything."""
        self._server.close()
        for way in self._ways:
            way.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            # As where nobody listens.
            client.close()
        else:
            self._ways.append(_Way(client, server))


class _Way:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.is_lost = self.is_found = False
        self._ends = (client, server)
        for source, target in (self._ends, self._ends[::-1]):
            threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while (piece := source.recv(_PIECE_BYTES)) and not self.is_found:
                if not self.is_lost:
                    target.sendall(piece)
        if self.is_found or not self.is_lost:
            self.close()
