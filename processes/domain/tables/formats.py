"""Tell in which format a table is written: by what the file begins with, then by its name."""

from typing import Final, Literal, TypeAlias, get_args

__all__ = ["FORMATS", "HEAD_BYTES", "Format", "format_of"]

Format: TypeAlias = Literal["csv", "xlsx", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: So many bytes are looked at.
HEAD_BYTES: Final = 512

_BY_EXTENSION: Final[dict[str, Format]] = {
    "csv": "csv", "tsv": "csv", "tab": "csv", "txt": "csv",
    "xlsx": "xlsx", "xlsm": "xlsx",
    "jsonl": "jsonl", "ndjson": "jsonl",
}  # fmt: skip


def format_of(head: bytes, *, extension: str = "") -> Format:
    """Return the format of a file that begins with `head`; what can't be told is taken for CSV.

    A workbook is one whatever its name says: people rename files.
    """
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    known = _BY_EXTENSION.get(extension.lower())
    if known is not None:
        return known
    return "jsonl" if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv"
