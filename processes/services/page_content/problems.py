"""Say what is wrong with content, at which line and tag."""

import re

from django.template.base import Token, TokenType

from processes.errors import ContentError

__all__ = ["located", "unreadable"]

_LINE = re.compile(r" on line \d+")
_SHOWN = 80


def unreadable(message: str, token: Token | None, *, suggestion: str | None = None) -> ContentError:
    """Return the error of content that can't be read, with its place where that is known."""
    # The line that Django tells is told once, and in front.
    message = _LINE.sub("", message).rstrip(".")
    error = ContentError(message, fields={} if suggestion is None else {"suggestion": suggestion})
    return error if token is None else located(error, token)


def located(error: ContentError, token: Token) -> ContentError:
    """Return the error with the line and the tag at which it came up; one that knows them stays as it is."""
    if "line" in error.fields:
        return error
    shown = _shown(token)
    message = f"Line {token.lineno}: {error.message}" + (f": {shown}" if shown else "")
    fields = {"line": token.lineno, **({"tag": shown} if shown else {}), **error.fields}
    return ContentError(message, code=error.code, fields=fields)


def _shown(token: Token) -> str:
    text = " ".join(token.contents.split())
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    if token.token_type is TokenType.BLOCK:
        return f"{{% {text} %}}"
    return f"{{{{ {text} }}}}" if token.token_type is TokenType.VAR else ""
