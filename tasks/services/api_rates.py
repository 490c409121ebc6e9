"""How often an API token may be used: counted in Django's cache, which all processes of a deployment share."""

import logging
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.throttling import SimpleRateThrottle

from tasks.errors import BadRequest, Throttled
from tasks.models import ApiToken

__all__ = ["DEFAULT_RATE", "check_rate", "count_use"]

logger = logging.getLogger(__name__)

#: How often a token may be used that says nothing of it, where STEPLINE_API_RATE doesn't either.
DEFAULT_RATE: Final = "1200/min"


def check_rate(text: str) -> str:
    """Return a rate such as 600/min, or empty for the site's own; raises BadRequest where it says nothing."""
    text = text.strip()
    if not text:
        return ""
    number, _slash, period = text.partition("/")
    is_number = number.isascii() and number.isdigit() and 0 < int(number[:9]) == int(number)
    if not is_number or period not in ("s", "sec", "m", "min", "h", "hour", "d", "day"):
        raise BadRequest(_("A rate is a number and a time, such as 600/min, 10/s or 5000/day."))
    return text


def count_use(token: ApiToken) -> None:
    """Count that a token is used; raises Throttled, with `retry_after_seconds`, where that is too often.

    A cache that can't be reached counts nothing: it mustn't keep programs out.
    """
    throttle = _TokenThrottle(token)
    try:
        is_fine = throttle.allow_request(None, None)
    except Exception as error:  # noqa: BLE001 - each cache has errors of its own
        logger.warning("It could not be counted that an API token was used: %s", error)
        return
    if not is_fine:
        wait = max(1, round(throttle.wait() or 1))
        raise Throttled(_("This token may be used %(rate)s; wait %(wait)s s.") % {"rate": throttle.rate, "wait": wait},
                        retry_after_seconds=wait)  # fmt: skip


class _TokenThrottle(SimpleRateThrottle):  # type: ignore[misc]  # the framework has no types
    """Count by token."""

    scope = "stepline-token"

    def __init__(self, token: ApiToken) -> None:
        self.rate = token.rate or getattr(settings, "STEPLINE_API_RATE", "") or DEFAULT_RATE
        # Not its key in the database, which another one may have after it.
        self._ident = token.digest[:32]
        super().__init__()

    def get_cache_key(self, request: Any, view: Any) -> str:
        """Return by what its uses are counted."""
        key: str = self.cache_format % {"scope": self.scope, "ident": self._ident}
        return key
