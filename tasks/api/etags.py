"""Entity tags: a client that edits says which state it has seen, and overwrites no other (RFC 9110, 13)."""

import hashlib
from typing import Any

from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.errors import PreconditionFailed, PreconditionRequired

__all__ = ["check_if_match", "etag_of", "tagged"]


def etag_of(*parts: object) -> str:
    """Return the tag of a state, from what changes with it."""
    text = "\0".join(map(str, parts))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check_if_match(request: Request, etag: str) -> None:
    """Let an edit through whose client has seen this state.

    Raises PreconditionRequired without `If-Match`, PreconditionFailed where it names another state. Ask it inside the
    transaction that edits, with the row locked.
    """
    if "If-Match" not in request.headers:
        raise PreconditionRequired(
            _("Send the ETag of what you have read in If-Match, or * to overwrite what is there.")
        )
    if get_conditional_response(request._request, etag=etag) is not None:
        raise PreconditionFailed(_("It was changed since you have read it: read it again, and edit that."))


def tagged(request: Request, etag: str, data: Any) -> Any:
    """Return an answer with its tag; 304 where the client has it already, by `If-None-Match`."""
    response = Response(data, headers={"ETag": etag})
    if request.method in ("GET", "HEAD") and "If-None-Match" in request.headers:
        found = get_conditional_response(request._request, etag=etag)
        if found is not None and found.status_code == 304:
            return found
    return response
