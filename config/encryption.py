"""The keys that secrets in the database are encrypted with."""

from pathlib import Path

from cryptography.fernet import Fernet

from config.data_folder import read_or_create_secret
from config.problems import EnvironmentProblem
from config.variables import Variables

VARIABLE = "STEPLINE_ENCRYPTION_KEYS"
KEY_FILE = "encryption-key"

_MAKE_ONE = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


def read_encryption_keys(read: Variables, data_dir: Path) -> tuple[str, ...]:
    """Return the keys; the first encrypts, all decrypt. Without any, one is generated and kept in the data folder.

    Raises EnvironmentProblem, which tells which key is bad and never shows it.
    """
    given = read.words(VARIABLE, ())
    if not given:
        kept = read_or_create_secret(data_dir / KEY_FILE, make=_new_key)
        if not _is_key(kept):
            raise EnvironmentProblem(
                f"{data_dir / KEY_FILE} holds no key: put its backup in its place, or remove it and enter the secrets "
                "of all connections again"
            )
        return (kept,)
    for number, key in enumerate(given, start=1):
        if not _is_key(key):
            which = "the key" if len(given) == 1 else f"key {number} of {len(given)}"
            raise EnvironmentProblem(
                f"{VARIABLE}: {which} isn't 32 bytes in URL-safe base64 (44 characters): make one with {_MAKE_ONE}"
            )
    return given


def _is_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _new_key() -> str:
    return Fernet.generate_key().decode()
