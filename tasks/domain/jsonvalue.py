"""The type of a JSON value, and the compact form in which the feed writes one."""

import json
import re
from collections.abc import Mapping, Sequence

JSON = Mapping[str, "JSON"] | Sequence["JSON"] | str | int | float | bool | None
JSONObject = Mapping[str, JSON]

#: Half of a surrogate pair, which UTF-8 can't express; and an escaped NUL, unless its backslash is escaped itself.
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dumps(value: object) -> str:
    """Return the compact JSON text of `value`; NaN and infinities raise ValueError, other types TypeError."""
    return _encoder.encode(value)


def storable_dumps(value: object) -> str:
    """Return the compact JSON text of `value` with U+FFFD for what no database stores: NUL and half surrogate pairs."""
    return _mend(_encoder.encode(value))


def storable(value: JSON) -> JSON:
    """Return `value` as `storable_dumps` writes it, the same object where nothing is to be mended."""
    text = _encoder.encode(value)
    mended = _mend(text)
    return value if mended == text else json.loads(mended)


def _mend(text: str) -> str:
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    return _NUL.sub("\\1\ufffd", text) if "\\u0000" in text else text
