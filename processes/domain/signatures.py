"""Check who has sent a webhook: HMAC-SHA256 over the body, and over the time where the style signs one.

| style | headers | what is signed | key |
| --- | --- | --- | --- |
| `standard` | `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64>` | `<id>.<seconds>.<body>` | base64 |
| `stripe` | `Stripe-Signature: t=<seconds>,v1=<hex>,…` | `<seconds>.<body>` | the text |
| `github` | `X-Hub-Signature-256: sha256=<hex>` | the body | the text |

The key is what is written in base64 behind the secret's `whsec_`, or the secret's text as a whole.

Whatever a header holds, this decides; it raises nothing but SignatureError.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["HEADERS", "ID_HEADERS", "Delivery", "Refusal", "SignatureError", "Verified", "key_of", "sign", "verify"]

STANDARD, GITHUB, STRIPE = "standard", "github", "stripe"
#: The header that bears the signature, by style.
HEADERS: Final[Mapping[str, str]] = {
    STANDARD: "webhook-signature",
    GITHUB: "x-hub-signature-256",
    STRIPE: "stripe-signature",
}
#: Where a delivery's id is looked for that its style doesn't sign.
ID_HEADERS: Final = ("x-github-delivery", "idempotency-key", "webhook-id")
PREFIX: Final = "whsec_"
#: More signatures than that nobody sends: one for each key that is valid while it is rotated.
_MOST_SIGNATURES = 10
_MIN_KEY_BYTES = 16
_LONGEST_NUMBER = 15


class Refusal(StrEnum):
    """Name why a delivery isn't taken."""

    #: A header is missing, or can't be read.
    UNSIGNED = "unsigned"
    #: The signature isn't that of any valid secret.
    FORGED = "forged"
    #: The signature is right, but too old, or from the future.
    OLD = "old"
    #: No secret has been set, or none can be read.
    KEYLESS = "keyless"


class SignatureError(Exception):
    """Say why a delivery isn't taken."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Hold what has come: the names of headers are lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Hold what is known of an authentic delivery.

    `id` is the one that its sender has given it, and `is_id_signed` whether nobody else can have changed that;
    `signed` is the digest of what was signed, where that holds a time.
    """

    id: str
    is_id_signed: bool
    signed: str | None


def key_of(style: str, secret: str) -> bytes:
    """Return the key of a secret; raises ValueError where it isn't one of this style, or too short."""
    key = secret.encode()
    if style == STANDARD:
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"A secret of this style is {PREFIX} and base64") from None
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError(f"A secret has at least {_MIN_KEY_BYTES} bytes")
    return key


def verify(
    delivery: Delivery,
    *,
    style: str,
    keys: Sequence[bytes],
    now: float,
    tolerance_seconds: float,
    signature_header: str = "",
    id_header: str = "",
) -> Verified:
    """Return what is known of a delivery that one of the keys has signed; raises SignatureError for any other.

    `now` is in seconds since 1970. The other headers take the place of the style's own.
    """
    if not keys:
        raise SignatureError(Refusal.KEYLESS)
    headers = delivery.headers
    text = headers.get((signature_header or HEADERS[style]).lower(), "")
    if style == STANDARD:
        sent, time = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not sent:
            raise SignatureError(Refusal.UNSIGNED)
        signatures = [part.partition(",")[2] for part in text.split() if part.startswith("v1,")]
        signed = b"%s.%s.%s" % (_bytes(sent), _bytes(time), delivery.body)
    elif style == STRIPE:
        sent = ""
        pairs = [part.strip().partition("=")[::2] for part in text.split(",")]
        time = next((value for name, value in pairs if name == "t"), "")
        signatures = [value for name, value in pairs if name == "v1"]
        signed = b"%s.%s" % (_bytes(time), delivery.body)
    else:
        sent, time = "", ""
        signatures = [text.removeprefix("sha256=")] if text.startswith("sha256=") else []
        signed = delivery.body
    if not signatures or (style != GITHUB and not _is_number(time)):
        raise SignatureError(Refusal.UNSIGNED)
    expected = [_encoded(style, hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    # Each is compared, whichever fits: how long it takes tells nothing.
    fits = [
        hmac.compare_digest(given.encode(errors="replace"), known)
        for given in signatures[:_MOST_SIGNATURES]
        for known in expected
    ]
    if not any(fits):
        raise SignatureError(Refusal.FORGED)
    if style != GITHUB and abs(now - int(time)) > tolerance_seconds:
        raise SignatureError(Refusal.OLD)
    return Verified(
        id=sent or _unsigned_id(headers, id_header),
        is_id_signed=bool(sent),
        signed=None if style == GITHUB else hashlib.sha256(signed).hexdigest(),
    )


def sign(body: bytes, *, style: str, key: bytes, time: int, id: str = "") -> dict[str, str]:
    """Return the headers of a delivery as its sender makes them: for tests, and for senders in Python."""
    if style == STANDARD:
        signature = _encoded(style, hmac.digest(key, b"%s.%d.%s" % (_bytes(id), time, body), hashlib.sha256)).decode()
        return {"webhook-id": id, "webhook-timestamp": str(time), "webhook-signature": f"v1,{signature}"}
    if style == STRIPE:
        signature = hmac.digest(key, b"%d.%s" % (time, body), hashlib.sha256).hex()
        named = {"Idempotency-Key": id} if id else {}
        return {"Stripe-Signature": f"t={time},v1={signature}", **named}
    named = {"X-GitHub-Delivery": id} if id else {}
    return {"X-Hub-Signature-256": f"sha256={hmac.digest(key, body, hashlib.sha256).hex()}", **named}


def _encoded(style: str, digest: bytes) -> bytes:
    return base64.b64encode(digest) if style == STANDARD else digest.hex().encode()


def _unsigned_id(headers: Mapping[str, str], id_header: str) -> str:
    names = (id_header.lower(),) if id_header else ID_HEADERS
    return next((headers[name] for name in names if headers.get(name)), "")


def _bytes(text: str) -> bytes:
    # As they came: servers read headers as Latin-1.
    return text.encode("latin-1", errors="replace")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
