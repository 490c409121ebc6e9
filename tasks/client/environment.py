"""What the environment says of the site: STEPLINE_URL and STEPLINE_TOKEN."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from tasks.client.errors import NotConfigured

__all__ = ["origin_of", "site_url", "token_for"]

URL_VARIABLE, TOKEN_VARIABLE = "STEPLINE_URL", "STEPLINE_TOKEN"
_PORTS = {"http": 80, "https": 443}


def site_url(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the site's address without a slash at its end; raises NotConfigured where none is known."""
    url = (given or environment.get(URL_VARIABLE, "")).strip().rstrip("/")
    if not url:
        raise NotConfigured
    parts = urlsplit(url) if _is_url(url) else urlsplit("")
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise NotConfigured("The URL of a site is such as https://example.com, or https://example.com/stepline.")
    if parts.username is not None or parts.password is not None:
        raise NotConfigured("A URL gets into logs: leave the password out of it, and give a token.")
    return url


def token_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the environment's token, where it is for this site: it isn't sent to another one than STEPLINE_URL."""
    token = environment.get(TOKEN_VARIABLE, "").strip()
    own = environment.get(URL_VARIABLE, "").strip()
    if not token or (own and origin_of(own) != origin_of(url)):
        return None
    return token


def _is_url(text: str) -> bool:
    try:
        # The port is looked at only when it is asked for.
        return urlsplit(text).port != 0
    except ValueError:
        return False


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
