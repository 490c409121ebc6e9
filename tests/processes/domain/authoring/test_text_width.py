"""How wide texts are drawn."""

from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.text_width import shorten_to_width, text_width


@given(st.text(), st.integers(10, 300))
def test_a_shortened_text_fits(text: str, pixels: int) -> None:
    shown = shorten_to_width(text, character_pixels=7, pixels=pixels)
    assert text_width(shown, character_pixels=7) <= max(pixels, 9)
    assert shown == text or shown.endswith("…")


def test_wide_letters_count_double_and_accents_nothing() -> None:
    assert text_width("名前", character_pixels=10) == 40
    assert text_width("e\N{COMBINING ACUTE ACCENT}", character_pixels=10) == 10
    assert text_width("ab", character_pixels=10) < text_width("MW", character_pixels=10)
