"""An ASGI application that tells what it sees of a request, for tests of the server around it."""

import asyncio
import json
from typing import Any

BLOCK = b"x" * 65_536
#: What has happened so far: how many blocks were sent, how requests ended.
happened: dict[str, Any] = {"sent": 0, "ends": []}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer by path."""
    path = scope["path"]
    if path == "/happened":
        await _answer(send, happened)
    elif path == "/endless":
        await _send_without_end(send, receive)
    elif path == "/early":
        event = await receive()
        await _answer(send, {"first": len(event["body"]), "more": event["more_body"]})
    elif path == "/lazy":
        # It takes the body only after it was told to, by another request.
        while not happened.get("go"):
            await asyncio.sleep(0.01)
        await _answer(send, await _count(receive))
    elif path == "/go":
        happened["go"] = True
        await _answer(send, {})
    else:
        await _answer(
            send, {**await _count(receive), "method": scope["method"], "query": scope["query_string"].decode()}
        )


async def _count(receive: Any) -> dict[str, Any]:
    size = parts = largest = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            happened["ends"].append("disconnect")
            return {}
        size, parts, largest = size + len(event["body"]), parts + 1, max(largest, len(event["body"]))
        if not event.get("more_body"):
            return {"size": size, "parts": parts, "largest": largest}


async def _send_without_end(send: Any, receive: Any) -> None:
    async def sends() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            happened["sent"] += 1

    sending = asyncio.ensure_future(sends())
    await receive()
    event = await receive()
    sending.cancel()
    happened["ends"].append(event["type"])


async def _answer(send: Any, value: object) -> None:
    body = json.dumps(value).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
