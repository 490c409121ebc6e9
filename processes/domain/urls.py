"""Decide which URLs a page may link to: paths of this site, and http(s) addresses elsewhere."""

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["checked_url", "is_external", "starts_safely"]

#: Browsers leave some of these out of a URL, and read a backslash as a slash.
_ODD: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
_SCHEME: Final = re.compile(r"[^/?#]*?:")
_HTTP: Final = re.compile(r"https?://[^/?#@\s]", re.IGNORECASE)
_MAX_CHARS = 2_000


def checked_url(url: object) -> str | None:
    """Return a URL that a page may link to, as it is to be written; None for any other.

    Allowed are paths of this site (`/orders/`, `orders/`, `?page=2`, `#sum`) and `http://…`, `https://…`. Not allowed
    are other schemes, `//host`, `https:host`, backslashes, blanks and control characters.
    """
    if not isinstance(url, str):
        return None
    text = url.strip(" ")
    if not text or len(text) > _MAX_CHARS or _ODD.search(text) or text.startswith("//"):
        return None
    if _SCHEME.match(text) is None:
        return text
    if _HTTP.match(text) is None:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return text if parts.hostname and parts.username is None else None


def starts_safely(text: str) -> bool:
    """Tell whether a text may stand where a URL begins, whatever follows it: it brings no scheme but http(s)."""
    return text == "" or checked_url(text) is not None


def is_external(url: str) -> bool:
    """Tell whether a URL that a page may link to names a host."""
    return _SCHEME.match(url) is not None
