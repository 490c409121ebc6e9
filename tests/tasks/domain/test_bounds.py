"""Texts of a tree are bounded."""

from tasks.domain.bounds import pieces, shorten, tail


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_the_tail_begins_at_a_line_where_it_can() -> None:
    assert tail("one\ntwo\nthree\n", 10) == "three\n"
    assert tail("x" * 20, 10) == "x" * 10


def test_long_output_is_split_without_loss() -> None:
    text = "".join(str(number) for number in range(100))
    assert "".join(pieces(text, 7)) == text
    assert pieces("", 7) == []
