"""The local account of `make run`: a generated password, made once and kept in the data folder.

It exists only where DEBUG is on, and DEBUG serves this machine only.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from config.data_folder import write_private_file

USER_NAME = "admin"


@dataclass(frozen=True, kw_only=True)
class LocalAccount:
    """How to sign in here."""

    username: str
    password: str
    #: The password as the database holds it. While that is unchanged, the password needn't be checked, which is slow.
    encoded: str


def account_path(data_folder: Path) -> Path:
    """Return where the account is kept."""
    return data_folder / "local-account.json"


def read_account(path: Path) -> LocalAccount | None:
    """Return the account that is kept, or None."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return LocalAccount(
            username=str(kept["username"]), password=str(kept["password"]), encoded=str(kept["encoded"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        # A file that somebody damaged is worth no more than none.
        return None


def write_account(path: Path, account: LocalAccount) -> None:
    """Keep the account, for its owner's eyes only."""
    write_private_file(path, json.dumps(asdict(account)) + "\n")


def generate_password() -> str:
    """Return a password of 96 random bits that a person can type."""
    return secrets.token_urlsafe(12)
