"""Which WebSockets the application takes."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User

from config.asgi import application
from tasks.live import current_hub
from tasks.services.api_tokens import create_api_token


@pytest.mark.parametrize("path", ["/", "/ws/more/", "/nowhere/"])
async def test_sockets_to_addresses_where_there_is_none_are_refused(path: str, broker: object) -> None:
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    socket = WebsocketCommunicator(application, path, headers)

    assert await socket.connect(timeout=10) == (False, 1000)

    await socket.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_a_program_opens_a_socket_by_its_token_without_an_origin(broker: object) -> None:
    user = await sync_to_async(User.objects.create_user)("ann")
    _row, secret = await sync_to_async(create_api_token)(user=user, name="test", scopes=["tasks:read"])
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {secret}".encode())]
    socket = WebsocketCommunicator(application, "/ws/", headers)

    assert (await socket.connect(timeout=10))[0]
    await socket.send_to(text_data='{"type": "subscribe", "scope": "mine"}')
    assert json.loads(await socket.receive_from(timeout=10)) == {"type": "subscribed", "scope": "mine"}

    await socket.disconnect()
    await current_hub().close()


@pytest.mark.parametrize(
    ("host", "origin", "accepted"),
    [
        ("stepline.example", "https://stepline.example", True),
        ("stepline.example", "https://app.example", True),
        ("stepline.example", "https://evil.example", False),
        # A page of another name that was made to lead here.
        ("evil.example", "http://evil.example", False),
        ("evil.example", None, False),
    ],
)
async def test_sockets_are_for_the_hosts_of_the_site_and_the_origins_it_trusts(
    host: str, origin: str | None, accepted: bool, settings: Any, broker: object
) -> None:
    settings.ALLOWED_HOSTS = ["stepline.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    socket = WebsocketCommunicator(application, "/ws/", headers)

    assert (await socket.connect(timeout=10))[0] is accepted

    await socket.disconnect()
    await current_hub().close()
