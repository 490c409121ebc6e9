"""Another site: a page of its own, and a copy of the client."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tests.javascript.npm import CLIENT

__all__ = ["serving_client"]


class _Site(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """Send a page, or a file of the client's."""
        if self.path != "/":
            super().do_GET()
            return
        body = b"<!doctype html><title>Shop</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_client() -> Iterator[str]:
    """Serve for the block, and give the origin.

    A browser lets a page of the network ask nothing of this machine, so that it has to be a server of this machine.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, directory=str(CLIENT))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
