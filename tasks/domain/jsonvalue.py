"""The type of a JSON value, and the compact form in which the feed writes one."""

import json
from collections.abc import Mapping, Sequence

JSON = Mapping[str, "JSON"] | Sequence["JSON"] | str | int | float | bool | None
JSONObject = Mapping[str, JSON]

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dumps(value: object) -> str:
    """Return the compact JSON text of `value`; NaN and infinities raise ValueError, other types TypeError."""
    return _encoder.encode(value)
