import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.asking import AskedPeer
from benchmarks.programs import Program, ProgramFailure, Programs

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with Programs(log_folder=tmp_path / "log") as programs:
        yield lambda *words: programs.start("asked", [sys.executable, *words], talks=True)


@pytest.fixture
def last_words(tmp_path: Path) -> Path:
    return tmp_path / "last-words"


@pytest.fixture
def peer(start: Start, last_words: Path) -> AskedPeer:
    program = start("-m", "benchmarks.peers.answering", "tests.benchmarks.echo_peer", str(last_words))
    assert program.hear(timeout_seconds=20) == "ready"
    return AskedPeer(program)


def test_a_peer_answers_question_after_question(peer: AskedPeer) -> None:
    assert [peer.ask("double", number=number) for number in (1, 2.5)] == [2, 5]


def test_questions_may_be_sent_ahead_and_are_answered_in_order(peer: AskedPeer) -> None:
    for number in (1, 2, 3):
        peer.send("double", number=number)
    assert [peer.receive() for _ in range(3)] == [2, 4, 6]


def test_what_a_peers_libraries_print_is_no_answer(peer: AskedPeer) -> None:
    assert peer.ask("double", number=4) == 8
    assert "libraries print what they like" in peer.program.printed()


def test_a_peer_that_breaks_down_is_quoted_and_has_let_everything_go(peer: AskedPeer, last_words: Path) -> None:
    with pytest.raises(ProgramFailure, match=r"asked has ended[\s\S]*ValueError: nothing left"):
        peer.ask("break_down")
    assert last_words.read_text() == "closed"


def test_a_peer_ends_well_when_nobody_asks_any_more(peer: AskedPeer, last_words: Path) -> None:
    assert peer.program.process.stdin is not None
    peer.program.process.stdin.close()
    peer.program.wait_for_end(timeout_seconds=20)
    assert last_words.read_text() == "closed"


def test_who_says_nothing_is_not_waited_for_without_end(start: Start) -> None:
    program = start("-c", "import sys; print('begun', file=sys.stderr, flush=True); sys.stdin.read()")
    program.wait_for_line(re.compile("begun"))
    with pytest.raises(ProgramFailure, match=r"takes longer than 0\.01 s"):
        program.hear(timeout_seconds=0.01)


def test_who_has_ended_cannot_be_asked(start: Start) -> None:
    program = start("-c", "pass")
    program.wait_for_end(timeout_seconds=20)
    with pytest.raises(ProgramFailure, match="has ended"):
        program.tell("anybody there?")


def test_lines_that_come_together_are_heard_one_by_one(start: Start) -> None:
    program = start("-c", "print('one\\ntwo')")
    assert [program.hear(timeout_seconds=20) for _ in range(2)] == ["one", "two"]
    with pytest.raises(ProgramFailure, match="has ended"):
        program.hear(timeout_seconds=20)
