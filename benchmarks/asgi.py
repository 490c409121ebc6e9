"""Our ASGI application with the peer's consumer beside ours: one server, one layer for both."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

# First, since it sets Django up.
from config.asgi import http_application  # isort: split

from benchmarks.peers.group_send import UsualConsumer
from tasks.live.routing import websocket_urlpatterns

_consumers = [*websocket_urlpatterns, path("usual/", UsualConsumer.as_asgi())]

application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(_consumers))),
    }
)
