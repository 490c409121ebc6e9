"""What the application puts around WebSockets."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.test import Client

from config.sockets import UnsavedSessions


@pytest.mark.django_db(transaction=True)
async def test_a_socket_has_its_session_and_user_and_nothing_is_asked_when_it_is_sent_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sign_in() -> str:
        client = Client()
        client.force_login(User.objects.create_user("ann"))
        return str(client.cookies["sessionid"].value)

    key = await sync_to_async(sign_in)()
    found: list[object] = []
    sent: list[object] = []

    async def application(scope: dict[str, Any], _receive: object, send: Any) -> None:
        found.extend([scope["user"].username, scope["session"].session_key])
        monkeypatch.delattr(SessionBase, "is_empty")
        await send({"type": "websocket.send", "text": "hello"})

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"cookie", f"sessionid={key}".encode())]}
    await UnsavedSessions(AuthMiddlewareStack(application))(scope, None, send)

    assert found == ["ann", key]
    assert sent == [{"type": "websocket.send", "text": "hello"}]
    assert "session" not in scope
