"""The task scripts that this process knows: what derivation checks against and what hosts call."""

from processes.domain.scripts import Catalogue
from processes.registry import scripts

__all__ = ["catalogue", "catalogue_revision"]


def catalogue() -> Catalogue:
    """Return the registered scripts: the standard library and those of every installed app."""
    return scripts


def catalogue_revision() -> int:
    """Return a number that rises whenever a script comes or goes."""
    return scripts.revision
