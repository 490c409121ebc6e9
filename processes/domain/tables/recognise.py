"""Recognise what the first bytes of a file are: text in some encoding, or something that isn't text."""

import re
from dataclasses import dataclass
from typing import Final

from processes.domain.tables.errors import TableError

HEAD_BYTES: Final = 4096
"""So many bytes decide on a signature, a byte order mark, and UTF-16 without one."""

_SAVE_AS_CSV = "Save it as CSV (comma separated, UTF-8) and upload that file."
_SAVE_AS_UTF8 = "Save the file as UTF-8 and upload it again."

# The signatures come from the formats' own specifications: ZIP (APPNOTE 4.3.7), PDF (ISO 32000-1, 7.5.2), OLE
# (MS-CFB 2.2), gzip (RFC 1952), PNG, GIF, JPEG (JFIF), SQLite, Parquet, 7z, xz, bzip2, RTF.
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook or Word document (.xls, .doc)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"{\\rtf", "an RTF document"),
)
_ZIP_CONTENTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"word/", "a Word document (.docx)"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)"),
    (b"[Content_Types].xml", "an Excel workbook or another Office document (.xlsx, .docx)"),
)
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|table|\?xml)[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Say how to decode a file: the codec (None = eight bits, undecided) and the length of its byte order mark."""

    codec: str | None
    bom_bytes: int = 0


def recognise(head: bytes) -> Recognised:
    """Tell the encoding from the first `HEAD_BYTES` of a file, or refuse what isn't text with a `TableError`."""
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise _utf32()
    if head.startswith(b"\xef\xbb\xbf"):
        return Recognised(codec="utf-8", bom_bytes=3)
    if head.startswith(b"\xff\xfe"):
        return Recognised(codec="utf-16-le", bom_bytes=2)
    if head.startswith(b"\xfe\xff"):
        return Recognised(codec="utf-16-be", bom_bytes=2)
    _refuse_signatures(head)
    return Recognised(codec=_unmarked_utf16(head))


def _refuse_signatures(head: bytes) -> None:
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            if signature == b"PK\x03\x04":
                found = next((name for part, name in _ZIP_CONTENTS if part in head), found)
            raise TableError("not_a_table", f"This is {found}, not a CSV file. {_SAVE_AS_CSV}", line=1, byte=1)
    if _HTML.match(head):
        raise TableError("not_a_table", f"This is an HTML or XML page, not a CSV file. {_SAVE_AS_CSV}", line=1, byte=1)


def _unmarked_utf16(head: bytes) -> str | None:
    """Recognise UTF-16 without a mark by zero bytes that all lie on one side of the code units.

    A table's delimiters, digits and line ends are ASCII in every language, so that a good part of the units has a zero.
    """
    if b"\x00" not in head:
        return None
    quarter = len(head) // 4
    zeros = [head[start::4].count(0) for start in range(4)]
    if quarter and (min(zeros[1:]) >= quarter * 0.9 or min(zeros[:3]) >= quarter * 0.9):
        raise _utf32()
    units = len(head) // 2
    high, low = head[0::2].count(0), head[1::2].count(0)
    if high == 0 and low >= units * 0.3:
        return "utf-16-le"
    if low == 0 and high >= units * 0.3:
        return "utf-16-be"
    return None


def _utf32() -> TableError:
    return TableError(
        "wrong_encoding", f"This file is written in UTF-32, which isn't read. {_SAVE_AS_UTF8}", line=1, byte=1
    )
