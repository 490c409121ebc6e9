"""Runs in words: no code stands where people read why something waits, was refused, or doesn't fit."""

import re
from pathlib import Path

import pytest

from processes.admin.runs.words import (
    CALLBACK_WORDS,
    MESSAGE_WORDS,
    REASON_WORDS,
    WAITING_WORDS,
    effect_text,
    misfit_text,
    reason_text,
    result_text,
    waiting_text,
    why_text,
)
from processes.domain.callbacks import CallbackStatus
from processes.domain.moving import Misfit
from processes.domain.rewinding import Obstacle
from processes.domain.run_status import RunStatus
from processes.registry import scripts
from processes.services.inbox import CONTROLS, JOINED, REPORT, RESUME
from processes.services.standing import ToldReason
from tasks.admin.words import STATUS_WORDS

PAGE = (Path(__file__).parents[3] / "docs" / "control.md").read_text("utf-8")


def documented(header: str) -> list[str]:
    """Return the codes in the first column of each table of the page with this header."""
    tables = re.findall(rf"^\| {re.escape(header)} \|.*\n\|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cells = [line.split("|")[1] for table in tables for line in table.splitlines()]
    return [code for cell in cells for code in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("reason", sorted({*documented("`reason`"), *Obstacle}))
def test_each_reason_that_is_documented_has_words(reason: str) -> None:
    assert reason in REASON_WORDS
    assert reason_text(reason) != reason


def test_the_documentation_lists_every_reason_that_a_service_gives() -> None:
    services = Path(__file__).parents[3] / "processes" / "services"
    given = set()
    for name in ("controlling", "moving", "operators"):
        given |= set(re.findall(r'"reason": "(\w+)"|_refusal\("(\w+)"', (services / f"{name}.py").read_text("utf-8")))
    codes = {code for pair in given for code in pair if code}
    assert codes
    assert codes <= set(documented("`reason`"))


@pytest.mark.parametrize("code", sorted({*documented("`code` of a misfit")}))
def test_each_misfit_that_is_documented_names_what_and_where(code: str) -> None:
    text = misfit_text(Misfit(code, "the-name", "the-process"))
    assert "the-name" in text or "the-process" in text, text


@pytest.mark.parametrize("kind", [*CONTROLS, RESUME, REPORT, JOINED])
def test_each_kind_of_message_has_words(kind: str) -> None:
    assert kind in MESSAGE_WORDS


@pytest.mark.parametrize("effect", sorted({*(scripts.get(name).effect for name in scripts.names()), "process"}))
def test_each_effect_has_words(effect: str) -> None:
    assert effect_text(effect) != effect


UNTIL = "2026-12-01T09:00:00+00:00"


@pytest.mark.parametrize(
    ("waiting_for", "text"),
    [
        (None, ""),
        ({"code": "timer", "until": UNTIL}, "a moment, until 2026-12-01 09:00 UTC"),
        ({"code": "callback", "actions": ["order", "pay"]}, "reports to order, pay"),
        ({"code": "await"}, "the end of a callback"),
        ({"code": "retry", "action": "charge", "until": UNTIL}, "its next try of “charge”, until 2026-12-01 09:00 UTC"),
        ({"code": "paused", "by": "olga"}, "paused by olga"),
        ({"code": "paused", "by": ""}, "paused by ?"),
        ({"code": "children", "total": 3}, "child runs: 3"),
        ({"code": "form", "title": "A", "until": UNTIL}, "an answer to “A”, until 2026-12-01 09:00 UTC"),
        ({"code": "form"}, "an answer to a form"),
        ({"code": "weather"}, "weather"),
    ],
)  # fmt: skip
def test_what_a_run_waits_for_is_said_in_a_few_words(waiting_for: object, text: str) -> None:
    assert waiting_text(waiting_for) == text


@pytest.mark.parametrize("code", WAITING_WORDS)
def test_each_code_that_is_offered_as_a_filter_is_said_without_facts_too(code: str) -> None:
    assert waiting_text({"code": code}) != code


@pytest.mark.parametrize(
    ("code", "facts", "text"),
    [
        ("children", {"total": 2}, "as the service says it"),
        ("callback", {"actions": ["a"], "until": UNTIL}, "It waits for reports to a, until 2026-12-01 09:00 UTC."),
        ("queued", {"ahead": 0}, "as the service says it"),
    ],
)  # fmt: skip
def test_why_a_run_does_not_move_is_said_in_a_sentence(code: str, facts: dict[str, object], text: str) -> None:
    assert why_text(ToldReason(code=code, text="as the service says it", facts=facts)) == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, ""),
        ({"done": True}, "done"),
        ({"refused": "moved"}, "refused: it was moved meanwhile"),
        ({"refused": "changed", "names": ["a", "b"]}, "refused: the data weren't as the editor saw them: “a”, “b”"),
        (
            {"refused": "misfit", "misfits": [{"code": "action", "name": "ask", "process": "p"}]},
            "refused: “ask” isn't in “p” any more",
        ),
    ],
)
def test_what_became_of_a_message_is_said_in_words(result: object, text: str) -> None:
    assert result_text(result) == text


def test_every_status_of_runs_and_callbacks_is_said_in_words() -> None:
    assert {status.value for status in RunStatus} <= STATUS_WORDS.keys()
    assert {status.value for status in CallbackStatus} <= CALLBACK_WORDS.keys()
