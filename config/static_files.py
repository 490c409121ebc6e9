"""Static files served by the application itself, collected or not, under any ASGI server.

WhiteNoise finds and describes the files. Its own middleware is synchronous: in an ASGI server it would pin a thread
for as long as a live stream lasts, so ours asks it and answers without blocking.
"""

import gzip
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


#: Our own modules: those of other apps import what their authors bundled in ways that nothing here can follow.
_OUR_MODULES = ("tasks/*.js", "processes/*.js")
_TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")
_WORTH_COMPRESSING_BYTES = 1_000


class CollectedOrFound(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # WhiteNoise has no types
    """Name files by content once `collectstatic` has run; before that, by their plain names.

    Without a manifest the files are served from where they lie, so that nothing has to be collected first. In a module
    the names of the modules that it imports are replaced too: two releases never mix on one page.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        *(
            (files, CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1])
            for files in _OUR_MODULES
        ),
    )

    def stored_name(self, name: str) -> str:
        """Return the hashed name, or the given one when nothing is collected."""
        if not self.hashed_files:
            return name
        stored: str = super().stored_name(name)
        return stored


class _Files(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise's knowledge of the files, where collecting them is an option."""

    def add_files(self, root: str, prefix: str | None = None) -> None:
        """Add a folder, unless nothing has been collected into it: WhiteNoise would warn at each start."""
        if Path(root).is_dir():
            super().add_files(root, prefix)


@sync_and_async_middleware
def static_files(get_response: Respond | RespondAsync) -> Respond | RespondAsync:
    """Answer requests for static files and pass on all others."""
    files = _Files(get_response)

    def find(request: HttpRequest) -> StaticFile | None:
        if not request.path_info.startswith(files.static_prefix):
            return None
        return files.find_file(request.path_info) if files.autorefresh else files.files.get(request.path_info)

    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            found = find(request)
            response: HttpResponseBase
            if found is None:
                response = await get_response(request)
            else:
                response = await sync_to_async(_read, thread_sensitive=False)(found, request)
            return response

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        found = find(request)
        if found is not None:
            return _read(found, request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return response

    return respond


def _read(found: StaticFile, request: HttpRequest) -> HttpResponse:
    """Read the (small) file whole: an ASGI handler would gather a synchronous stream in memory anyway."""
    answer = found.get_response(request.method, request.META)
    body = b""
    if answer.file is not None:
        with answer.file as file:
            body = file.read()
    response = HttpResponse(body, status=int(answer.status))
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    if _may_be_compressed(response):
        # What is collected is compressed already, and WhiteNoise chooses; what is only found is compressed here.
        patch_vary_headers(response, ["Accept-Encoding"])
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.content = _compressed(body)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Length"] = str(len(response.content))
    return response


def _may_be_compressed(response: HttpResponse) -> bool:
    is_whole = response.status_code == 200 and "Content-Encoding" not in response.headers
    is_text = response.headers.get("Content-Type", "").startswith(_TEXTS)
    return is_whole and is_text and len(response.content) >= _WORTH_COMPRESSING_BYTES


@lru_cache(maxsize=128)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
