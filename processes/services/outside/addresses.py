"""Find out which address a request goes to, and whether it may."""

import re
from urllib.parse import unquote

import httpx

from processes.domain.connections import HttpSettings
from processes.services.errors import OutboundRefusedError

__all__ = ["is_below", "parse_url", "port_of", "shown", "target_url"]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://", re.ASCII)
_PORTS = {"http": 80, "https": 443}


def target_url(url: str, settings: HttpSettings | None) -> httpx.URL:
    """Return the address of a request: `url`, or what it names below the connection's address.

    Raises OutboundRefusedError for what isn't a web address, and for what leads out of the connection's.
    """
    if settings is None or _ABSOLUTE.match(url):
        target = parse_url(url)
    else:
        base = settings.base_url.rstrip("/")
        target = parse_url(base + url if url.startswith("?") or not url else f"{base}/{url.lstrip('/')}")
    if settings is not None and not is_below(target, settings):
        raise OutboundRefusedError(
            f"{shown(target)} lies outside of {settings.base_url}, where the connection leads. Write a path below it."
        )
    return target


def parse_url(url: str) -> httpx.URL:
    """Read a web address; raises OutboundRefusedError."""
    try:
        parsed = httpx.URL(url.strip())
        host, port = parsed.host, port_of(parsed)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise _refused() from None
    if parsed.scheme not in _PORTS or not host or not 0 < port < 65536:
        raise _refused()
    if parsed.userinfo:
        raise OutboundRefusedError(
            f"{shown(parsed)}: user and password don't belong into an address. Keep them in a connection, and bind it."
        )
    return parsed.copy_with(fragment=None)


def is_below(url: httpx.URL, settings: HttpSettings) -> bool:
    """Tell whether an address is the connection's own or lies below it, whoever decodes its path."""
    base = httpx.URL(settings.base_url)
    if (url.scheme, url.raw_host, port_of(url)) != (base.scheme, base.raw_host, port_of(base)):
        return False
    path = decoded = url.raw_path.partition(b"?")[0].decode("ascii")
    # Some servers decode a path twice.
    for _ in range(3):
        # Others take what follows a semicolon for a parameter of the part before it.
        if any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", decoded)):
            return False
        decoded = unquote(decoded)
    prefix = base.raw_path.decode("ascii").rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def port_of(url: httpx.URL) -> int:
    """Return the port of an address, the scheme's own where it names none."""
    return _PORTS.get(url.scheme, 0) if url.port is None else url.port


def shown(url: httpx.URL) -> str:
    """Return an address as it may be told: without user, password and query, which may hold secrets."""
    bare = url.copy_with(userinfo=b"", query=None, fragment=None)
    return f"{bare}?…" if url.query else str(bare)


def _refused() -> OutboundRefusedError:
    # What it is isn't told: where it isn't an address it might be anything.
    return OutboundRefusedError(
        "The address of a request begins with https:// or http:// and a host; with a connection, a path is enough."
    )
