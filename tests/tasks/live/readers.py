"""Libraries of others that read server-sent events and know nothing of us."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import sseclient
from httpx_sse import EventSource

__all__ = ["READERS", "Read", "decoded"]

#: Yield the ids and texts of what a response tells, as it comes.
Read = Callable[[httpx.Response], Iterator[tuple[str, str]]]


def by_httpx_sse(response: httpx.Response) -> Iterator[tuple[str, str]]:
    """Read with httpx-sse, which also hands out what has no data."""
    return ((event.id, event.data) for event in EventSource(response).iter_sse() if event.data)


def by_sseclient(response: httpx.Response) -> Iterator[tuple[str, str]]:
    """Read with sseclient-py, which takes any bytes."""
    return ((event.id, event.data) for event in sseclient.SSEClient(response.iter_bytes()).events())


READERS: dict[str, Read] = {"httpx-sse": by_httpx_sse, "sseclient-py": by_sseclient}


def decoded(events: Iterator[tuple[str, str]]) -> list[tuple[str, dict[str, Any]]]:
    """Return ids and updates."""
    return [(event_id, json.loads(text)) for event_id, text in events]
