"""Lists that are leafed page by page: `?page=2`, and the links to the pages beside."""

from typing import Final

from django.http import HttpRequest

__all__ = ["leafing", "page_number"]

_MAX_DIGITS: Final = 4


def page_number(request: HttpRequest) -> int:
    """Return which page is asked for, from 1 on; the first where the request says nothing, or nonsense."""
    text = request.GET.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 1


def leafing(number: int, *, has_more: bool) -> dict[str, int]:
    """Return what `processes/_leafing.html` draws: this page, and those beside it (0 for none)."""
    return {"number": number, "newer": number - 1, "older": number + 1 if has_more else 0}
