"""Prove to another system who asks: the headers that bear a secret, and every form in which it might come back."""

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from processes.domain.connections import HttpSettings
from processes.services.secrets import Secret

__all__ = ["Proof", "bearer", "proof_of"]


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """Hold a header with a secret, and the texts that mustn't be told; it doesn't show itself."""

    name: str
    value: str
    forms: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{self.name}>"


def proof_of(settings: HttpSettings, secret: Secret | None) -> Proof | None:
    """Return what a connection adds to a request; None where it adds nothing."""
    if secret is None or settings.scheme == "none":
        return None
    text = secret.reveal()
    if settings.scheme == "bearer":
        return bearer(text)
    if settings.scheme == "header":
        return Proof(settings.header, text, _forms(text))
    both = base64.b64encode(f"{settings.username}:{text}".encode()).decode()
    return Proof("Authorization", f"Basic {both}", (*_forms(text), *_forms(both)))


def bearer(token: str) -> Proof:
    """Return a bearer token's header (RFC 6750)."""
    return Proof("Authorization", f"Bearer {token}", _forms(token))


def _forms(text: str) -> tuple[str, ...]:
    """Return a secret as it is, and as URLs and JSON write it."""
    written = json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
    return tuple(dict.fromkeys([text, quote(text, safe=""), quote(text), quote_plus(text), *written]))
