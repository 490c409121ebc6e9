"""The task scripts that this process knows: what derivation checks against and what hosts call."""

from processes.domain.scripts import Catalogue
from processes.registry import scripts

__all__ = ["catalogue"]


def catalogue() -> Catalogue:
    """Return the registered scripts: the standard library and those of every installed app."""
    return scripts
