"""Estimate how wide a text will be drawn: no fonts are asked, so estimates err on the wide side."""

import unicodedata

__all__ = ["shorten_to_width", "text_width"]

_ELLIPSIS = "…"


def text_width(text: str, *, character_pixels: float) -> int:
    """Give the width of a text in pixels, `character_pixels` being that of a usual letter."""
    return int(sum(map(_letters, text)) * character_pixels + 0.999)


def shorten_to_width(text: str, *, character_pixels: float, pixels: int) -> str:
    """Give a text that isn't wider than so many pixels, with an ellipsis for what was cut off."""
    if text_width(text, character_pixels=character_pixels) <= pixels:
        return text
    room = pixels / character_pixels - _letters(_ELLIPSIS)
    kept = []
    for character in text:
        room -= _letters(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + _ELLIPSIS


def _letters(character: str) -> float:
    if character.isascii():
        # Capitals, and the widest of the small letters.
        return 1.3 if character in "mwMW@%" else 1.15 if character.isupper() else 1.0
    if unicodedata.combining(character):
        return 0.0
    return 2.0 if unicodedata.east_asian_width(character) in "WF" else 1.15
