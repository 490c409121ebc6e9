"""Make HTML that came through data fit for a page.

HTML in a definition was written by somebody who may edit definitions. HTML in data may hold anything that a request
brought in, so only harmless elements and attributes are kept.
"""

from collections.abc import Mapping

import nh3

#: Content types under which a browser reads markup.
MARKUP_TYPES = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml")

_ATTRIBUTES: Mapping[str, set[str]] = {
    **{tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()},
    "*": {"class", "id", "title", "lang", "dir", "role"},
}
#: What a head may bring: no refresh, no script, no style.
_HEAD_ATTRIBUTES: Mapping[str, set[str]] = {"meta": {"name", "content"}}


def clean_content(html: str) -> str:
    """Return `html` with harmless elements and attributes only: no scripts, forms, styles or event handlers."""
    return nh3.clean(html, attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()})


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
    return content_type is None or content_type.partition(";")[0].strip().lower() in MARKUP_TYPES
