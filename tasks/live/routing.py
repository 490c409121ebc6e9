"""Where WebSockets go."""

from django.urls import path

from tasks.live.consumer import TasksConsumer

__all__ = ["websocket_urlpatterns"]

websocket_urlpatterns = [path("ws/", TasksConsumer.as_asgi())]
