"""Write and read the tokens of callbacks.

    cb1_<68 characters of base64url: 3 bytes that name the key, 16 of the callback's id, 32 of HMAC-SHA256>

The MAC is over everything before it. A key is named by a digest of it, so that tokens of an older key are known as long
as that key is: the first of the keys makes tokens, all of them verify.
"""

import hashlib
import hmac
import json
import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from processes.domain.json_values import JSON

__all__ = ["MASK", "derive_key", "make_token", "read_token", "redact", "redacted"]

#: Stands where a token would.
MASK: Final = "cb1_•••"

_PREFIX = "cb1_"
_NAME_BYTES = 3
_MAC_BYTES = 32
_TOKEN = re.compile(r"cb1_[A-Za-z0-9_-]{68}", re.ASCII)
#: What is left of one that was cut short still shows nothing.
_ANY_TOKEN = re.compile(r"cb1_[A-Za-z0-9_-]{16,}", re.ASCII)
_PURPOSE = b"stepline: tokens of callbacks, 1"


def derive_key(secret: str) -> bytes:
    """Give the key for tokens that follows from a secret, which serves other ends too."""
    return hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)


def make_token(callback: uuid.UUID, *, key: bytes) -> str:
    """Give the token of a callback under a key."""
    signed = _name_of(key) + callback.bytes
    mac = hmac.digest(key, signed, hashlib.sha256)
    return _PREFIX + urlsafe_b64encode(signed + mac).decode()


def read_token(token: str, *, keys: Iterable[bytes]) -> uuid.UUID | None:
    """Give the id of the callback that a token is for; None where it is none of these keys' tokens."""
    if not _TOKEN.fullmatch(token):
        return None
    content = urlsafe_b64decode(token.removeprefix(_PREFIX))
    signed, mac = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
    callback = None
    for key in keys:
        is_named = hmac.compare_digest(signed[:_NAME_BYTES], _name_of(key))
        if hmac.compare_digest(mac, hmac.digest(key, signed, hashlib.sha256)) and is_named:
            callback = uuid.UUID(bytes=signed[_NAME_BYTES:])
    return callback


def redact(text: str) -> str:
    """Give a text in which no token can be read."""
    return _ANY_TOKEN.sub(MASK, text) if _PREFIX in text else text


def redacted(value: JSON) -> JSON:
    """Give a JSON value in which no token can be read: the same one where there is none."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(redact(text)) if _PREFIX in text else value


def _name_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_NAME_BYTES]
