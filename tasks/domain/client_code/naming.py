"""Names of a site as names of a programming language."""

import re
from collections.abc import Collection

__all__ = ["camel", "pascal", "snake", "unreserved"]

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: What is small at the beginning of a name in camel case: all of `HTTP` before another word, else one letter.
_HEAD = re.compile(r"[A-Z]+(?=[A-Z][a-z]|$)|.")


def pascal(name: str) -> str:
    """Return `export_users` as `ExportUsers`."""
    words = [f"{word[0].upper()}{word[1:]}" for word in _WORD.findall(name)]
    return "".join(_apart(word, index) for index, word in enumerate(words)) or "_"


def camel(name: str) -> str:
    """Return `export_users` as `exportUsers`."""
    return _HEAD.sub(lambda head: head[0].lower(), pascal(name), count=1)


def snake(name: str) -> str:
    """Return `csv-import.check` as `csv_import_check`."""
    text = "_".join(_HUMP.sub("_", word).lower() for word in _WORD.findall(name))
    return _apart(text, 0) if text else "_"


def unreserved(name: str, reserved: Collection[str]) -> str:
    """Return a name that the language doesn't use itself."""
    return f"{name}_" if name in reserved else name


def _apart(word: str, index: int) -> str:
    # Names don't begin with digits; and of `v1_2` and `v12` each is something else.
    return f"_{word}" if word[0].isdigit() or not (index or word.isidentifier()) else word
