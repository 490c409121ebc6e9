"""Write the bodies of requests and read those of answers, within limits."""

import codecs
import zlib
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlencode

from processes.domain.json_values import JSON, canonical, json_problems
from processes.domain.outside import OutboundRequest
from processes.services.errors import OutboundError, OutboundRefusedError, OutboundTooLargeError
from tasks.domain import json_text

__all__ = ["ACCEPTED", "body_of", "decode_text", "form_pairs", "read_bounded", "read_json"]

#: What we ask for and can unpack in bounds.
ACCEPTED = "gzip, deflate"
_JSON_TYPES = ("application/json", "text/json")


def body_of(request: OutboundRequest) -> tuple[bytes | None, str | None]:
    """Return the body and its content type; none without one. Raises OutboundRefusedError."""
    given = [part for part in (request.json, request.form, request.body) if part is not None]
    if not given:
        return None, None
    if len(given) > 1:
        raise OutboundRefusedError("A request has one body: give only one of json, form and body.")
    if request.form is not None:
        return urlencode(form_pairs(request.form)).encode(), "application/x-www-form-urlencoded"
    if request.body is not None:
        return _encoded(request.body), "text/plain; charset=utf-8"
    if problems := json_problems(request.json, limit=1):
        raise OutboundRefusedError(f"The body isn't JSON: {problems[0].message} at {problems[0].path or '/'}.")
    return canonical(request.json).encode(), "application/json"


def form_pairs(values: Mapping[str, JSON]) -> list[tuple[str, str]]:
    """Return the pairs of a query or a form; a list gives several, null none. Raises OutboundRefusedError."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict | list):
                raise OutboundRefusedError(f'"{key}" can\'t be sent in a query or form: it is neither text nor number.')
            if item is not None:
                pairs.append((key, item if isinstance(item, str) else canonical(item)))
    return pairs


def read_bounded(chunks: Iterable[bytes], *, encoding: str, max_bytes: int) -> bytes:
    """Return the body, unpacked; raises OutboundTooLargeError as soon as there is more than `max_bytes`.

    Packed bytes count too, and nothing is unpacked beyond the limit: a small answer can't become a large one in memory.
    """
    body = bytearray()
    for piece in _unpacked(_counted(chunks, max_bytes), encoding, max_bytes):
        body += piece
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def decode_text(body: bytes, content_type: str) -> str:
    """Return a body as text that can be stored: what its charset can't read, and NUL, is replaced by �."""
    charset = "utf-8"
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'")
    try:
        known = codecs.lookup(charset).name
    except (LookupError, ValueError):
        known = "utf-8"
    # Others are for other things than text (or, like UTF-7, have a history of hiding things in it).
    if not known.startswith(("utf-8", "utf-16", "utf-32", "iso8859", "cp", "ascii", "shift_jis", "euc_", "gb", "big5")):
        known = "utf-8"
    text = body.decode(known, "replace").removeprefix("\ufeff").replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def read_json(text: str, content_type: str) -> JSON:
    """Return the value of a body that says it is JSON, and is; else None."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES and not kind.endswith("+json"):
        return None
    try:
        value = json_text.read_json(text)
    except json_text.UnreadableJson:
        return None
    return None if json_problems(value, limit=1) else value


def _counted(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    count = 0
    for chunk in chunks:
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _unpacked(chunks: Iterable[bytes], encoding: str, max_bytes: int) -> Iterator[bytes]:
    kind = encoding.strip().lower()
    if kind in ("", "identity"):
        yield from chunks
        return
    if kind not in ("gzip", "x-gzip", "deflate"):
        raise OutboundError("The answer is packed in a way that wasn't asked for.")
    # 32: a gzip or zlib header, whichever is there.
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    left = max_bytes
    for number, chunk in enumerate(chunks):
        try:
            piece = unpacker.decompress(chunk, left + 1)
        except zlib.error:
            if number or kind != "deflate":
                raise OutboundError("The answer is damaged: it can't be unpacked.") from None
            # Some servers leave out the header that "deflate" should have.
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                piece = unpacker.decompress(chunk, left + 1)
            except zlib.error:
                raise OutboundError("The answer is damaged: it can't be unpacked.") from None
        left -= len(piece)
        if left < 0:
            raise _too_large(max_bytes)
        yield piece
    if not unpacker.eof:
        raise OutboundError("The answer is damaged: it ends too early.")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise OutboundRefusedError("The body holds half of a surrogate pair, which can't be sent.") from None


def _too_large(limit: int) -> OutboundTooLargeError:
    return OutboundTooLargeError(f"The answer has more than {limit:,} bytes.", fields={"limit_bytes": limit})
