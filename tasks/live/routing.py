"""Where WebSockets go."""

from django.urls import path, re_path

from tasks.live.consumer import NoSocket, TasksConsumer

__all__ = ["no_websocket", "websocket_urlpatterns"]

websocket_urlpatterns = [path("ws/", TasksConsumer.as_asgi())]

#: For everything else: the last of a site's addresses.
no_websocket = re_path("", NoSocket.as_asgi())
