"""Answers that are made while they are sent."""

import gzip

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.test import RequestFactory

from tasks.api.streamed import BLOCK_CHARS, StreamedText


async def test_a_text_that_middleware_compresses_is_whole_when_it_is_unpacked() -> None:
    pieces = ["a" * BLOCK_CHARS, "ä", "", "b" * BLOCK_CHARS, "c"]

    async def answer(_request: HttpRequest) -> HttpResponseBase:
        return StreamedText(pieces, content_type="text/plain")

    request = RequestFactory().get("/", headers={"accept-encoding": "gzip"})
    response = await GZipMiddleware(answer)(request)

    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(b"".join([block async for block in response])).decode() == "".join(pieces)
