"""The language of work: it is that work's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import translation

__all__ = ["own_language"]


@contextmanager
def own_language() -> Iterator[None]:
    """Take back a language that the block activates: it isn't that of whatever this thread does next."""
    language = translation.get_language()
    try:
        yield
    finally:
        if translation.get_language() != language:
            translation.activate(language) if language else translation.deactivate_all()
