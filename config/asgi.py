"""The ASGI application: HTTP goes to Django, WebSockets to the live feed."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Django must be set up before any module that imports models.
_django = get_asgi_application()

from config.bodies import LimitedBodies  # noqa: E402
from config.sockets import UnsavedSessions  # noqa: E402
from tasks.live.routing import no_websocket, websocket_urlpatterns  # noqa: E402

http_application = LimitedBodies(_django)
_sockets = URLRouter([*websocket_urlpatterns, no_websocket])

application = ProtocolTypeRouter(
    {
        "http": http_application,
        # Which host and which pages' origins are taken, the sockets look themselves: programs have no origin.
        "websocket": UnsavedSessions(AuthMiddlewareStack(_sockets)),
    }
)

__all__ = ["application"]
