"""How long the texts of a tree may be, and how they are shortened."""

TITLE_CHARS = 200
MESSAGE_CHARS = 500
ERROR_CHARS = 2_000
#: Streamed text kept on a node for snapshots; the log has all of it.
OUTPUT_TAIL_CHARS = 65_536
#: Text of one nodeOutput update; longer output is split.
OUTPUT_UPDATE_CHARS = 16_384


def shorten(text: str, limit: int) -> str:
    """Return `text`, cut to `limit` characters with a closing ellipsis where it was longer."""
    if len(text) <= limit:
        return text
    return text[: limit - 1] + "…"


def tail(text: str, limit: int = OUTPUT_TAIL_CHARS) -> str:
    """Return the last `limit` characters of `text`, starting at a line where one begins among them."""
    if len(text) <= limit:
        return text
    kept = text[-limit:]
    newline = kept.find("\n")
    return kept[newline + 1 :] if 0 <= newline < limit // 2 else kept


def pieces(text: str, limit: int = OUTPUT_UPDATE_CHARS) -> list[str]:
    """Return `text` in pieces of at most `limit` characters, in order; none for no text."""
    return [text[start : start + limit] for start in range(0, len(text), limit)]
