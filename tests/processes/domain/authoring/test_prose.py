"""The language in words."""

from dataclasses import dataclass
from typing import Any, get_args

import pytest

from processes.domain.authoring.effects import EFFECT_WORDS
from processes.domain.authoring.flow import order_of
from processes.domain.authoring.prose import (
    Part,
    duration,
    entry_words,
    limit_words,
    next_words,
    plain,
    undo_words,
)
from processes.domain.next_clause import NextClause, parse_next
from processes.domain.retry_policy import parse_retry
from processes.domain.scripts import Effect

PLAIN = order_of(["a", "b", "c", "@start", "@default", "@error"])
ENDED = order_of(["a", "b", "@end", "@error"])


@dataclass(frozen=True)
class Doing:
    name: str
    next: NextClause


NEXT: list[tuple[str, object, str]] = [
    ("a", True, "Goes on with the next action, “b”."),
    ("a", "b", "Goes on with the next action, “b”."),
    ("a", "c", "Goes to “c”."),
    ("a", "a", "Goes to “a”."),
    ("a", False, "Ends the process."),
    ("a", "@end", "Ends the process."),
    ("c", True, "Ends the process."),
    ("a", "gone", "Goes to “gone”, which isn't declared."),
    ("a", {"*": "c"}, "Goes to “c”."),
    ("a", {"x": "c"}, "Under “x” goes to “c”; otherwise goes on with the next action, “b”."),
    ("a", {"x": "c", "y": False, "*": "b"},
     "Under “x” goes to “c”; under “y” ends the process; otherwise goes on with the next action, “b”."),
    ("a", {"x": "c", "y": "c"}, "Under “x” or “y” goes to “c”; otherwise goes on with the next action, “b”."),
    ("a", {"x": True, "y": "c"}, "Under “y” goes to “c”; under “x” or otherwise goes on with the next action, “b”."),
    ("a", {"x": False, "*": False}, "Ends the process."),
    ("b", {"x": "a"}, "Under “x” goes to “a”; otherwise goes on with the next action, “c”."),
    ("@start", True, "Goes on with the action at which the process is entered."),
    ("@start", False, "Ends the process before it has begun."),
    ("@start", {"x": "b"}, "Under “x” goes to “b” instead of the action that was asked for; otherwise goes on with the "
     "action at which the process is entered."),
    ("@default", True, "Ends the process."),
    ("@default", "b", "Goes to “b”."),
    ("@error", True, "Unless it resets the error, the process ends with it. If it does, it ends without one."),
    ("@error", {"x": "b"}, "Unless it resets the error, the process ends with it. If it does, under “x” it goes on "
     "with “b”; otherwise it ends without one."),
    ("@error", "gone", "Unless it resets the error, the process ends with it. If it does, it goes to “gone”, which "
     "isn't declared."),
]  # fmt: skip

WITH_END: list[tuple[str, object, str]] = [
    ("a", False, "Ends the process, by way of “@end”."),
    ("b", True, "Ends the process, by way of “@end”."),
    ("@start", False, "Ends the process before it has begun, by way of “@end”."),
    ("@end", True, "Ends the process."),
    ("@end", {"x": "a"}, "Under “x” goes to “a”; otherwise ends the process."),
    # @end never runs after @error.
    ("@error", False, "Unless it resets the error, the process ends with it. If it does, it ends without one."),
]


@pytest.mark.parametrize(("name", "next", "words"), NEXT)
def test_next_in_words(name: str, next: object, words: str) -> None:
    assert plain(next_words(Doing(name, parse_next(next, "", [])), PLAIN)) == words


@pytest.mark.parametrize(("name", "next", "words"), WITH_END)
def test_next_in_words_where_the_process_has_an_end_action(name: str, next: object, words: str) -> None:
    assert plain(next_words(Doing(name, parse_next(next, "", [])), ENDED)) == words


def test_names_are_parts_of_their_own_so_that_a_page_can_link_them() -> None:
    sentence = next_words(Doing("a", parse_next({"x": "c", "y": "gone"}, "", [])), PLAIN)
    assert [part for part in sentence if part.kind == "action"] == [Part("c", "action"), Part("b", "action")]
    assert [part for part in sentence if part.kind == "state"] == [
        Part("x", "state"), Part("y", "state"), Part("gone", "state"),
    ]  # fmt: skip


ENTRY: list[tuple[list[str], str, dict[str, bool], str]] = [
    (["a", "b"], "a", {}, "The process begins here unless another action is asked for. A form may ask for it; a link "
     "only together with the reader's own data."),
    (["a", "b"], "b", {}, "A form may ask for it; a link only together with the reader's own data."),
    (["a", "b"], "b", {"safe": True}, "A link or a form may ask for it."),
    (["a", "@display"], "@display", {}, "A link or a form may ask for it."),
    (["a", "b"], "b", {"entry": False, "safe": True}, "It can't be asked for from outside."),
    (["a", "b"], "a", {"entry": False}, "The process begins here unless another action is asked for. It can't be asked "
     "for from outside."),
    (["@default", "a"], "a", {"safe": True}, "A link or a form may ask for it."),
    (["@default", "a"], "@default", {}, "Runs when no action is asked for."),
    (["@start", "a"], "@start", {}, "Runs before the action at which the process is entered."),
    (["@end", "a"], "@end", {}, "Runs after the last action, if there was no error."),
    (["@error", "a"], "@error", {}, "Runs when an action fails."),
    (["@unknown"], "@unknown", {}, "Runs when an action is asked for that the process doesn't have."),
]  # fmt: skip


@pytest.mark.parametrize(("names", "name", "keys", "words"), ENTRY)
def test_who_may_enter_in_words(names: list[str], name: str, keys: dict[str, bool], words: str) -> None:
    flags: dict[str, Any] = {"entry": True, "safe": False, **keys}
    assert plain(entry_words(name, order_of(names), **flags)) == words


LIMITS: list[tuple[object, float | None, str]] = [
    (None, None, ""),
    (None, 90, "It may take 1 minute 30 seconds."),
    (1, None, "If it fails, it isn't tried again."),
    ({"errors": []}, None, "If it fails, it isn't tried again."),
    (3, None, "If it fails, it is tried again, 3 times in all, after 1 second and then after twice as long each time, "
     "at most 5 minutes."),
    ({"attempts": 5, "backoff": "fixed", "delay_seconds": 10, "errors": ["a", "b", "c"]}, 0.5,
     "It may take 0.5 seconds. If it fails after “a”, “b” or “c”, it is tried again, 5 times in all, 10 seconds "
     "apart."),
    ({"attempts": 2, "backoff": "linear", "delay_seconds": 60, "jitter": 0.1, "errors": ["a"]}, None,
     "If it fails after “a”, it is tried again, 2 times in all, after 1 minute and then after 1 minute more each time, "
     "at most 5 minutes; up to 10% of each wait is left to chance."),
    ({"delay_seconds": 0}, None, "If it fails, it is tried again, 3 times in all, at once."),
    ({"delay_seconds": 10, "cap_seconds": 5}, None, "If it fails, it is tried again, 3 times in all, 5 seconds apart."),
]  # fmt: skip


@pytest.mark.parametrize(("retry", "timeout", "words"), LIMITS)
def test_limits_in_words(retry: object, timeout: float | None, words: str) -> None:
    policy = None if retry is None else parse_retry(retry, "", [])
    assert plain(limit_words(retry=policy, timeout_seconds=timeout)) == words


def test_what_takes_an_action_back_in_words() -> None:
    assert plain(undo_words("c", PLAIN)) == "If the run is undone, “c” takes back what it did."
    assert undo_words(None, PLAIN) == ()
    assert [part.kind for part in undo_words("gone", PLAIN)] == ["words", "state", "words"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"),
        (3661, "1 hour 1 minute 1 second"), (172_800, "2 days"), (0, "0 seconds"),
    ],
)  # fmt: skip
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_every_effect_has_its_words() -> None:
    assert set(EFFECT_WORDS) == set(get_args(Effect))


class _Backwards:
    """A language that puts the end of each sentence first."""

    def gettext(self, message: str, /) -> str:
        return {"goes on with the next action, %(action)s": "%(action)s is next", " or ": " / "}.get(message, message)

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        return plural


def test_another_language_has_its_own_words_and_order() -> None:
    sentence = next_words(Doing("a", parse_next(True, "", [])), PLAIN, language=_Backwards())
    assert sentence == (Part("B", "action"), Part(" is next"), Part("."))
