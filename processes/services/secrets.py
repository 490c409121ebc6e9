"""Encrypt what must not lie in the database in the clear (Fernet: AES-128-CBC with HMAC-SHA256).

The keys are in the setting STEPLINE_ENCRYPTION_KEYS: the first encrypts, all of them decrypt, so that a new key can be
put in front before old ones go. A decrypted secret is a `Secret`, which shows itself to nobody who doesn't ask.
"""

from collections.abc import Iterable
from typing import NoReturn

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from processes.services.errors import SecretUnreadableError

__all__ = ["MASK", "Secret", "decrypt", "encrypt", "mask", "reencrypt"]

#: Stands where a secret would.
MASK = "•••"
#: Shorter ones aren't looked for in texts: every other word would hold one.
_MASKED_CHARS = 4


class Secret:
    """Hold a secret so that it doesn't show in a log, a traceback or a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: only to what sends it."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is never stored.")


def encrypt(text: str) -> str:
    """Return the ciphertext of a secret, under the first key."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(ciphertext: str, *, name: str, what: str = "connection") -> Secret:
    """Return the secret of the connection `name` (or of something else); raises SecretUnreadableError: no key fits."""
    try:
        return Secret(_fernet().decrypt(ciphertext).decode())
    except (InvalidToken, ValueError):
        pass
    # Raised here, so that the error doesn't hang on frames that know keys.
    raise _unreadable(name, what)


def reencrypt(ciphertext: str, *, name: str, what: str = "connection") -> str:
    """Return the same secret under the first key; raises SecretUnreadableError where no key fits."""
    try:
        return _fernet().rotate(ciphertext).decode()
    except (InvalidToken, ValueError):
        pass
    raise _unreadable(name, what)


def mask(text: str, forms: Iterable[str]) -> str:
    """Return a text in which the given forms of a secret are hidden."""
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _MASKED_CHARS:
            text = text.replace(form, MASK)
    return text


def _fernet() -> MultiFernet:
    keys = getattr(settings, "STEPLINE_ENCRYPTION_KEYS", ())
    if not keys:
        raise ImproperlyConfigured("Set STEPLINE_ENCRYPTION_KEYS to a list of Fernet keys: the first one encrypts.")
    return MultiFernet([Fernet(key) for key in keys])


def _unreadable(name: str, what: str) -> SecretUnreadableError:
    message = (
        f'The secret of the {what} "{name}" can\'t be read: none of the keys is the one it was encrypted with. Add '
        "that key to STEPLINE_ENCRYPTION_KEYS (the same on every host), or enter the secret again."
    )
    return SecretUnreadableError(message, fields={what: name})
