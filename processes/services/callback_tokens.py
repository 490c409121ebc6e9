"""Tokens of callbacks under this site's keys.

The keys follow from STEPLINE_ENCRYPTION_KEYS, in the same order: the first makes tokens, all of them verify, so that a
new key can be put in front while tokens of older ones are out. Without any they follow from SECRET_KEY, and those of
SECRET_KEY_FALLBACKS.
"""

import uuid

from django.conf import settings

from processes.domain.callback_tokens import derive_key, make_token, read_token
from processes.services.errors import CallbackNotFoundError

__all__ = ["callback_of_token", "no_callback", "token_of"]


def token_of(callback: uuid.UUID | str) -> str:
    """Return the token of a callback, given its id; raises CallbackNotFoundError for what is no id."""
    try:
        known = callback if isinstance(callback, uuid.UUID) else uuid.UUID(callback)
    except ValueError:
        raise no_callback() from None
    return make_token(known, key=_keys()[0])


def callback_of_token(token: str) -> uuid.UUID:
    """Return the id of the callback that a token is for, be it there or not; raises CallbackNotFoundError."""
    callback = read_token(token, keys=_keys())
    if callback is None:
        raise no_callback()
    return callback


def no_callback() -> CallbackNotFoundError:
    """Return the error for a callback that isn't there: never was, is purged, or whose token is forged."""
    return CallbackNotFoundError("There is no such callback, or no longer.")


def _keys() -> list[bytes]:
    secrets = getattr(settings, "STEPLINE_ENCRYPTION_KEYS", ()) or (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [derive_key(secret) for secret in secrets]
