"""Which WebSockets the application takes."""

import pytest
from channels.testing import WebsocketCommunicator

from config.asgi import application


@pytest.mark.parametrize("path", ["/", "/ws/more/", "/nowhere/"])
async def test_sockets_to_addresses_where_there_is_none_are_refused(path: str, broker: object) -> None:
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    socket = WebsocketCommunicator(application, path, headers)

    assert await socket.connect(timeout=10) == (False, 1000)

    await socket.disconnect()
