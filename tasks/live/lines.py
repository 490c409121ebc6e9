"""How a request reaches a stream of many tasks that another request holds open, maybe in another process.

A stream tells its client a connection id: a name of 128 random bits behind that of its process's exchange, signed for
whoever opened it. So whether an id is the asker's own can be told anywhere; whether the stream is still open only its
own process knows, which is reached over the channel layer: by one group for all of its streams, so that they come and
go without a word to the layer. Nobody can tell a foreign id from one that never was.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Protocol, cast

from channels.layers import get_channel_layer
from django.utils.crypto import constant_time_compare, salted_hmac

from tasks.services.access import Viewer

__all__ = ["LINE_TYPE", "line_group", "line_of", "new_exchange", "new_line", "send_to_line", "sign_line"]

LINE_TYPE = "task.line"
_EXCHANGE_CHARS = 16
_NAME_CHARS = _EXCHANGE_CHARS + 32
_SIGNATURE_CHARS = 32


class ChannelLayer(Protocol):
    """Send to groups, as every channel layer does."""

    async def group_send(self, group: str, message: Mapping[str, Any]) -> None:
        """Send `message` to every channel in `group`."""


def new_exchange() -> str:
    """Return the name of a new exchange: what connects the streams of one process."""
    return secrets.token_hex(_EXCHANGE_CHARS // 2)


def new_line(exchange: str) -> str:
    """Return the name of a new connection at `exchange`."""
    return f"{exchange}{secrets.token_hex((_NAME_CHARS - _EXCHANGE_CHARS) // 2)}"


def sign_line(line: str, viewer: Viewer) -> str:
    """Return the connection id: the name, signed for `viewer`."""
    return f"{line}.{_signature(line, viewer)}"


def line_of(connection_id: object, viewer: Viewer) -> str | None:
    """Return the name in a connection id, or None where it isn't one of the viewer's."""
    if not isinstance(connection_id, str) or len(connection_id) != _NAME_CHARS + 1 + _SIGNATURE_CHARS:
        return None
    line, _, signature = connection_id.partition(".")
    if not (line.isascii() and line.isalnum() and signature.isascii()):
        return None
    return line if constant_time_compare(signature, _signature(line, viewer)) else None


def line_group(line: str) -> str:
    """Return the channel-layer group of a connection, which it shares with the others of its exchange."""
    return f"tasks.lines.{line[:_EXCHANGE_CHARS]}"


async def send_to_line(line: str, message: Mapping[str, Any]) -> None:
    """Send a message to the process that holds the connection; raises whatever the channel layer raises."""
    layer = cast("ChannelLayer | None", get_channel_layer())
    if layer is None:
        raise RuntimeError("No channel layer is configured.")
    await layer.group_send(line_group(line), message)


def _signature(line: str, viewer: Viewer) -> str:
    if viewer.user_id is not None:
        who = f"user:{viewer.user_id}"
    elif viewer.session_key:
        who = f"session:{viewer.session_key}"
    else:
        who = "nobody"
    return salted_hmac("tasks.lines", f"{line}|{who}", algorithm="sha256").hexdigest()[:_SIGNATURE_CHARS]
