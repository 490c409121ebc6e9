"""Which failure of a `once` action leaves the way open for another try."""

import pytest

from processes.domain.origin import is_harmless
from processes.errors import FailedError, NotJsonError, PermanentError, ProcessError
from processes.services.errors import OutboundRefusedError, OutboundTooLargeError, StaleDataError


@pytest.mark.parametrize(
    ("error", "harmless"),
    [
        (PermanentError("the card was refused", code="refused"), True),
        (FailedError("sold out", code="sold_out"), True),
        (ProcessError("who knows", code="unknown"), False),
        # What the script has called found these out, perhaps after it had been heard.
        (OutboundTooLargeError("the answer is too large"), False),
        (OutboundRefusedError("the second hop is refused"), False),
        (StaleDataError("somebody else was first"), False),
        (NotJsonError("can't be stored"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_a_script_says_itself_means_that_nothing_was_done(error: ProcessError, harmless: bool) -> None:
    assert is_harmless(error) is harmless
