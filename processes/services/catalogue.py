"""The task scripts and querysets that this process knows: what derivation checks against and what hosts call."""

from processes.domain.scripts import Catalogue
from processes.domain.targets import QuerysetCheck
from processes.registry import querysets, scripts

__all__ = ["catalogue", "catalogue_revision", "known_querysets", "queryset_names"]


def catalogue() -> Catalogue:
    """Return the registered scripts: the standard library and those of every installed app."""
    return scripts


def catalogue_revision() -> int:
    """Return a number that rises whenever a script or a queryset comes or goes."""
    return scripts.revision + querysets.revision


def known_querysets() -> QuerysetCheck:
    """Return what a derivation asks for each queryset that is bound."""
    return querysets.check


def queryset_names() -> list[str]:
    """Return the names of all registered querysets, sorted."""
    return querysets.names()
