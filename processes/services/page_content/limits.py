"""Bound what rendering a page's content may cost."""

import time
from typing import Final, NoReturn

from processes.errors import ContentError

__all__ = ["MAX_CHARACTERS", "MAX_SOURCE", "MAX_STEPS", "MAX_TEXT", "Budget"]

#: How long the content of one action may be as it is written, in characters.
MAX_SOURCE: Final = 100_000
#: How many pieces (texts, variables, tags, turns of a loop) one rendering may go through.
MAX_STEPS: Final = 200_000
#: How long the result may be, in characters.
MAX_CHARACTERS: Final = 2_000_000
#: How long a single text may be that a filter takes or gives.
MAX_TEXT: Final = 500_000
#: The processor's time that one rendering may take: nothing but an odd combination of big values comes near it.
MAX_SECONDS: Final = 2.0

CURE: Final = "Show less of the data, or give it as a download"

#: Going through so many characters costs about as much as one step.
_CHARACTERS_A_STEP: Final = 1_000
_STEPS_A_LOOK: Final = 64


class Budget:
    """Count what a rendering does, and stop it where it does too much.

    Once it has stopped it, each further step raises again: Django's `{% if %}` swallows errors.
    """

    __slots__ = ("_deadline", "_next_look", "_stopped", "characters", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.characters = 0
        self._next_look = _STEPS_A_LOOK
        self._deadline = time.thread_time() + MAX_SECONDS
        self._stopped: str | None = None

    def step(self, count: int = 1) -> None:
        """Count steps; raises ContentError where there are too many."""
        self.check()
        self.steps += count
        if self.steps > MAX_STEPS:
            self._stop(f"it goes through more than {MAX_STEPS:,} pieces")
        if self.steps >= self._next_look:
            self._next_look = self.steps + _STEPS_A_LOOK
            if time.thread_time() > self._deadline:
                self._stop("it takes too long")

    def take(self, text: str) -> None:
        """Count what going through a text costs; raises ContentError where it is too long for that."""
        if len(text) > MAX_TEXT:
            self._stop(f"a text of more than {MAX_TEXT:,} characters goes through a filter")
        self.step(len(text) // _CHARACTERS_A_STEP)

    def write(self, text: str) -> None:
        """Count what is put on the page; raises ContentError where it is too long."""
        self.characters += len(text)
        if self.characters > MAX_CHARACTERS:
            self._stop(f"it would have more than {MAX_CHARACTERS:,} characters")

    def check(self) -> None:
        """Raise ContentError where the rendering has been stopped."""
        if self._stopped is not None:
            self._stop(self._stopped)

    def _stop(self, reason: str) -> NoReturn:
        self._stopped = reason
        raise ContentError(
            f"The content asks for too much: {reason}", code="content_limit", fields={"suggestion": CURE}
        )
