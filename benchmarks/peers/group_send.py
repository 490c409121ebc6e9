"""The usual path from a worker to a browser: `async_to_sync(group_send)` to a consumer per client."""

import json
from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

GROUP = "bench.usual"


class UsualConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Send each event of the group to the client, encoded."""

    async def connect(self) -> None:
        """Join the group."""
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        # Tells the benchmark that the group is joined.
        await self.send(text_data='{"type":"subscribed"}')

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def bench_update(self, event: dict[str, Any]) -> None:
        """Hand an event on."""
        await self.send(text_data=json.dumps(event["data"]))


def send(data: dict[str, object]) -> None:
    """Send `data` to everyone in the group, from synchronous code."""
    async_to_sync(get_channel_layer().group_send)(GROUP, {"type": "bench.update", "data": data})
