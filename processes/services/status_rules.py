"""Status rules as they are stored."""

from functools import lru_cache

from processes.domain.status_rules import StatusRules as Rules
from processes.domain.status_rules import parse_status_rules

__all__ = ["parsed_rules"]


@lru_cache(maxsize=512)
def parsed_rules(text: str) -> Rules:
    """Return rules by their text; what was read lately isn't read again."""
    return parse_status_rules(text)
