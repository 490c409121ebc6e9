"""Guess what was meant by a name that doesn't exist."""

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

# difflib is quadratic: bounds keep a hostile document from costing minutes.
_MAX_CANDIDATES = 2_000
_MAX_LENGTH = 100


def nearest(name: object, candidates: Iterable[str]) -> str | None:
    """Give the candidate most like `name`, or None where nothing is like it."""
    if not isinstance(name, str) or not name or len(name) > _MAX_LENGTH:
        return None
    known = [candidate for candidate in candidates if len(candidate) <= _MAX_LENGTH][:_MAX_CANDIDATES]
    by_lower = {candidate.lower(): candidate for candidate in reversed(known)}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(name: object, candidates: Iterable[str]) -> str | None:
    """Give the question `Did you mean "x"?`, or None where nothing is like it."""
    found = nearest(name, candidates)
    return None if found is None else f'Did you mean "{found}"?'
