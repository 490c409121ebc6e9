"""The tree of a request that a client has named: its id, before it exists."""

import uuid

from django.utils.crypto import salted_hmac

from tasks.services.access import Viewer
from tasks.services.roots import Owner

__all__ = ["request_root_id"]


def request_root_id(viewer: Owner | Viewer, request_id: uuid.UUID) -> uuid.UUID | None:
    """Return the id of the tree of the request that `viewer` calls `request_id`; None where nobody could own it.

    It is derived under the site's secret from who asks, so that a client can follow the tree before it exists, and
    nobody can name, or take up, the tree of somebody else's request. A user's requests are theirs in every session.
    """
    if viewer.user_id is not None:
        owner = f"user:{viewer.user_id}"
    elif viewer.session_key:
        owner = f"session:{viewer.session_key}"
    else:
        return None
    key = salted_hmac("tasks.requests", owner, algorithm="sha256").digest()
    return uuid.uuid5(uuid.UUID(bytes=key[:16]), str(request_id))
