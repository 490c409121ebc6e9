"""Make HTML that came through data fit for a page.

HTML in a definition was written by somebody who may edit definitions. HTML in data may hold anything that a request
brought in, so only harmless elements and attributes are kept. Tables, links and downloads are among them; forms,
buttons, scripts and styles aren't.
"""

import re
from collections.abc import Mapping
from typing import Final

import nh3
from django.utils.html import escape

#: Content types under which a browser reads markup.
MARKUP_TYPES: Final = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml")
#: Those that a browser shows, or saves, as what they are: nothing in them can run.
PLAIN_TYPES: Final = (
    "application/geo+json", "application/json", "application/ld+json", "application/x-ndjson", "text/calendar",
    "text/csv", "text/markdown", "text/plain", "text/tab-separated-values", "text/vcard",
)  # fmt: skip

_ATTRIBUTES: Mapping[str, set[str]] = {
    **{tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()},
    "*": {"class", "id", "title", "lang", "dir", "role", "aria-label", "aria-hidden"},
    "a": {"href", "hreflang", "download"},
    "time": {"datetime"},
}
#: A box that scrolls must be reached by keyboard; a higher tabindex would change the order of the page.
_CHOSEN_VALUES: Mapping[str, Mapping[str, set[str]]] = {"div": {"tabindex": {"0", "-1"}}}
#: Elements that a parser reconstructs in what follows (HTML, 13.2.4.3, the list of active formatting elements).
_FORMATTING: Final = re.compile(
    r"<(/?)(a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?![\w-])", re.ASCII | re.IGNORECASE
)
_MAX_OPEN: Final = 50
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
#: What a head may bring: no refresh, no script, no style.
_HEAD_ATTRIBUTES: Mapping[str, set[str]] = {"meta": {"name", "content"}}


def clean_content(html: str) -> str:
    """Return `html` with harmless elements and attributes only: no scripts, forms, styles or event handlers.

    What leaves many formatting elements open is shown as text: HTML opens all of them anew in each paragraph, so that a
    few kilobytes would become megabytes.
    """
    if _leaves_open(html) > _MAX_OPEN:
        return escape(html)
    return nh3.clean(
        html,
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        tag_attribute_values={
            tag: {name: set(values) for name, values in chosen.items()} for tag, chosen in _CHOSEN_VALUES.items()
        },
        url_schemes=set(_SCHEMES),
    )


def _leaves_open(html: str) -> int:
    """Count the formatting elements that are open at the same time, at the most."""
    still_open: list[str] = []
    most = 0
    for match in _FORMATTING.finditer(html):
        name = match[2].lower()
        if not match[1]:
            still_open.append(name)
            most = max(most, len(still_open))
        elif still_open and still_open[-1] == name:
            still_open.pop()
    return most


def clean_head(html: str) -> str:
    """Return the `meta` elements of `html` that describe a page."""
    return nh3.clean(
        html,
        tags=set(_HEAD_ATTRIBUTES),
        clean_content_tags={"script", "style", "title"},
        attributes={tag: set(names) for tag, names in _HEAD_ATTRIBUTES.items()},
    )


def is_markup(content_type: str | None) -> bool:
    """Tell whether a browser reads content of this type as markup; None is a page."""
    return content_type is None or _bare(content_type) in MARKUP_TYPES


def is_plain(content_type: str) -> bool:
    """Tell whether content of this type is nothing but text to a browser."""
    return _bare(content_type) in PLAIN_TYPES


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
