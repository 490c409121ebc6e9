"""Decode bytes piece by piece, deciding between UTF-8 and Latin-1 as late as possible."""

import codecs
import re
from typing import Final

WINDOW_BYTES: Final = 64 * 1024
"""So many bytes, from the first that isn't ASCII, decide between UTF-8 and Latin-1."""

# Well-formed UTF-8 sequences of two bytes and more (Unicode 16, table 3-7).
_UTF8_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]"
    rb"|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_HIGH_TAIL = re.compile(rb"[\x80-\xff]{1,3}\Z")
_NOT_LATIN_1 = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SAVE_AS_UTF8 = "Save the file as UTF-8 and upload it again."


class Undecodable(Exception):
    """Say where decoding stopped: a `TableError` code, what was found, the cure, the byte's offset (from 0).

    `text_before` is what the failed piece held before that byte: whoever counts lines needs it.
    """

    def __init__(self, *, code: str, found: str, cure: str, text_before: str, offset: int) -> None:
        super().__init__(found)
        self.code = code
        self.found = found
        self.cure = cure
        self.text_before = text_before
        self.offset = offset


class TextDecoder:
    """Decode a file piece by piece; raise `Undecodable`.

    `codec` None stands for eight bits: bytes below 0x80 mean the same in UTF-8 and Latin-1, so the choice waits for the
    first byte above, wherever in the file it is. `offset` is that of the first byte (after a byte order mark).
    """

    def __init__(self, *, codec: str | None, offset: int = 0) -> None:
        self._name = codec
        self._codec = codecs.getincrementaldecoder(codec)() if codec else None
        self._window = b""
        self._offset = offset  # of the first byte that has not become text yet

    @property
    def encoding(self) -> str:
        """Name the encoding in use; pure ASCII counts as UTF-8."""
        return self._name or "utf-8"

    def decode(self, data: bytes, *, final: bool) -> str:
        """Decode the next piece; `final` says that none follows."""
        if self._codec is not None:
            return self._decode_with(self._codec, data, final=final)
        text = "" if self._window else self._decode_ascii(data)
        self._window += data[len(text) :]
        if not self._window or (len(self._window) < WINDOW_BYTES and not final):
            return text
        window, self._window = self._window, b""
        self._name = choose_eight_bit(window)
        self._codec = codecs.getincrementaldecoder(self._name)()
        try:
            return text + self._decode_with(self._codec, window, final=final)
        except Undecodable as error:
            error.text_before = text + error.text_before
            raise

    def _decode_ascii(self, data: bytes) -> str:
        high = _HIGH_BYTE.search(data)
        text = data[: high.start() if high else len(data)].decode("ascii")
        self._refuse_nul(text)
        self._offset += len(text)
        return text

    def _decode_with(self, codec: codecs.IncrementalDecoder, data: bytes, *, final: bool) -> str:
        name = self.encoding
        if name == "latin-1":
            self._refuse_other_than_latin_1(data)
        pending = len(codec.getstate()[0])
        try:
            text = codec.decode(data, final)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(name)
            self._refuse_nul(before)
            raise Undecodable(
                code="wrong_encoding",
                found=_describe(error, name),
                cure=_SAVE_AS_UTF8,
                text_before=before,
                offset=self._offset + error.start,
            ) from None
        self._refuse_nul(text)
        self._offset += pending + len(data) - len(codec.getstate()[0])
        return text

    def _refuse_other_than_latin_1(self, data: bytes) -> None:
        bad = _NOT_LATIN_1.search(data)
        if bad is None:
            return
        byte = bad.group()[0]
        if 0x80 <= byte <= 0x9F:
            code = "wrong_encoding"
            found = f"the byte 0x{byte:02X} is neither UTF-8 nor Latin-1; the file is probably Windows-1252"
            cure = _SAVE_AS_UTF8
        else:
            code = "not_a_table"
            found = f"the control byte 0x{byte:02X} shows that this isn't text"
            cure = "Upload a CSV file."
        before = data[: bad.start()].decode("latin-1")
        raise Undecodable(code=code, found=found, cure=cure, text_before=before, offset=self._offset + len(before))

    def _refuse_nul(self, text: str) -> None:
        """Refuse NUL, which no text contains and PostgreSQL doesn't store."""
        position = text.find("\x00")
        if position < 0:
            return
        before = text[:position]
        raise Undecodable(
            code="not_a_table",
            found="a NUL byte shows that this isn't text, or is text in an encoding that isn't read",
            cure="Upload a CSV file saved as UTF-8.",
            text_before=before,
            offset=self._offset + len(before.encode(self.encoding)),
        )


def choose_eight_bit(window: bytes) -> str:
    """Choose between UTF-8 and Latin-1 for bytes of which some are above 0x7F.

    UTF-8 when its well-formed sequences outnumber the high bytes outside of them: a damaged UTF-8 file is then reported
    as that, rather than read as Latin-1 with wrong letters.
    """
    if len(window) >= WINDOW_BYTES:  # the last sequence may be cut in two
        window = _HIGH_TAIL.sub(b"", window[:WINDOW_BYTES])
    between = _UTF8_SEQUENCE.split(window)
    stray = sum(len(_HIGH_BYTE.findall(part)) for part in between)
    return "utf-8" if len(between) - 1 > stray else "latin-1"


def _describe(error: UnicodeDecodeError, encoding: str) -> str:
    bad = error.object[error.start : error.end].hex(" ").upper()
    if error.reason in ("unexpected end of data", "truncated data"):
        return f"the file ends in the middle of a character of {encoding.upper()} (bytes {bad})"
    return f"the bytes {bad} are not {encoding.upper()}, which the file has been up to here"
