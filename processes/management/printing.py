"""Print JSON for people and for programs."""

import json

from django.core.management.base import OutputWrapper

from processes.domain.json_values import JSON

__all__ = ["print_json", "print_text"]


def print_json(stdout: OutputWrapper, value: JSON, *, one_line: bool) -> None:
    """Print a JSON value and a line end: on one line, or indented; always in what the terminal can show."""
    if one_line:
        print_text(stdout, json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    else:
        print_text(stdout, json.dumps(value, ensure_ascii=False, indent=2))


def print_text(stdout: OutputWrapper, text: str) -> None:
    """Print the text of a JSON document and, unless it ends with one, a line end.

    Where the terminal can't show a character its escape is printed, which means the same.
    """
    try:
        text.encode(getattr(stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = "".join(character if character.isascii() else json.dumps(character)[1:-1] for character in text)
    stdout.write(text)
