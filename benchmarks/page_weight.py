"""What a browser has to fetch before a page can be used: its styles and scripts, compressed as they are sent."""

import gzip
import re
from pathlib import Path

from django.contrib.staticfiles import finders

#: What WhiteNoise compresses with.
_LEVEL = 9
_PREFIX = "/static/"
_LINKED = re.compile(r'<(?:link rel="(?:stylesheet|modulepreload)" href|script type="module" src)="/static/([^"?]+)"')
_IMPORTED = re.compile(r'^import\s[^;]*?from "(\./[^"]+)";|^import "(\./[^"]+)";', re.MULTILINE)


def weights(page: str) -> dict[str, int]:
    """Return the compressed size in bytes of each style and script of a page, imported modules included."""
    waiting = _LINKED.findall(page)
    found: dict[str, int] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = finders.find(name)
        if not isinstance(path, str):
            raise FileNotFoundError(f"{_PREFIX}{name}: the page links it, and there is no such file")
        content = Path(path).read_bytes()
        found[name] = len(gzip.compress(content, _LEVEL, mtime=0))
        waiting += imports_of(name, content.decode())
    return found


def linked(page: str) -> set[str]:
    """Return what a page itself names, so that a browser fetches it at once."""
    return set(_LINKED.findall(page))


def imports_of(name: str, script: str) -> list[str]:
    """Return the modules that a script imports."""
    if not name.endswith(".js"):
        return []
    return [f"{Path(name).parent}/{(first or second)[2:]}" for first, second in _IMPORTED.findall(script)]
