"""Reach other systems: HTTP requests and mail, through stored connections."""

from processes.domain.outside import Outside

__all__ = ["live_outside"]


def live_outside() -> Outside:
    """Return the way to the real world."""
    raise NotImplementedError
