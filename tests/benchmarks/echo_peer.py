"""A peer that needs nothing: for the tests of how peers are asked."""

from pathlib import Path


class Peer:
    def __init__(self, last_words: str) -> None:
        self._last_words = Path(last_words)

    def double(self, number: float) -> float:
        print("libraries print what they like")
        return 2 * number

    def break_down(self) -> float:
        raise ValueError("nothing left")

    def close(self) -> None:
        self._last_words.write_text("closed")
