"""The language in which the domain tells something: whoever asks hands it in, since it is a matter of the reader.

`django.utils.translation` is one. Texts are written in English where they are used, as in all other places.
"""

from typing import Final, Protocol

__all__ = ["ENGLISH", "Language", "gettext_noop"]


class Language(Protocol):
    """Give texts in a reader's language."""

    def gettext(self, message: str, /) -> str:
        """Return a text."""

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        """Return the form of a text that goes with a number."""


class _English:
    """Leave texts as they are written."""

    def gettext(self, message: str, /) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        return singular if number == 1 else plural


ENGLISH: Final[Language] = _English()


def gettext_noop(message: str) -> str:
    """Mark a text for the catalogues where it is written, and translated later."""
    return message
