"""The sequencer promises: whatever messages are lost, doubled or reordered, each update arrives once, in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.domain.sequencer import BATCH_ITEMS, Sequencer, Step, next_step


def bodies(first: int, last: int) -> list[str]:
    return [f'{{"v":1,"seq":{seq},"type":"nodeProgress"}}' for seq in range(first, last + 1)]


def begun(seq: int = 0, **limits: int) -> Sequencer:
    sequencer = Sequencer(**limits)
    sequencer.begin(seq)
    return sequencer


@pytest.mark.parametrize(
    ("has", "first", "last", "is_fresh", "then_has", "misses"),
    [
        pytest.param(5, 6, 6, True, 6, False, id="the next one"),
        pytest.param(5, 6, 9, True, 9, False, id="the next ones"),
        pytest.param(5, 5, 5, False, 5, False, id="the last one again"),
        pytest.param(5, 2, 4, False, 5, False, id="old ones, late"),
        pytest.param(5, 4, 7, True, 7, False, id="half known"),
        pytest.param(5, 7, 7, False, 5, True, id="one is missing before it"),
        pytest.param(0, 1, 1, True, 1, False, id="the first of all"),
    ],
)
def test_takes_only_what_continues_what_it_has(
    has: int, first: int, last: int, is_fresh: bool, then_has: int, misses: bool
) -> None:
    sequencer = begun(has)

    assert sequencer.offer(first=first, bodies=bodies(first, last)) is is_fresh
    assert (sequencer.last_seq, sequencer.missing) == (then_has, misses)


def test_before_it_begins_it_remembers_how_far_the_log_was_said_to_go() -> None:
    sequencer = Sequencer()

    assert not sequencer.offer(first=3, bodies=bodies(3, 4))
    sequencer.begin(2)

    assert sequencer.missing


@pytest.mark.parametrize(
    ("position", "seqs"),
    [
        pytest.param(0, None, id="older than what is kept"),
        pytest.param(6, None, id="one too old"),
        pytest.param(7, [8, 9, 10], id="all that is kept"),
        pytest.param(9, [10], id="the newest"),
        pytest.param(10, [], id="nothing new"),
        pytest.param(12, [], id="ahead of it, by a snapshot"),
    ],
)
def test_hands_out_what_it_keeps(position: int, seqs: list[int] | None) -> None:
    sequencer = begun(max_items=3)
    sequencer.offer(first=1, bodies=bodies(1, 10))

    items = sequencer.after(position)

    assert (None if items is None else [item.seq for item in items]) == seqs


def test_keeps_a_bounded_number_of_characters_but_always_the_newest() -> None:
    sequencer = begun(max_chars=10)
    sequencer.offer(first=1, bodies=["x" * 8, "y" * 8, "z" * 80])

    assert sequencer.after(1) is None
    assert [item.text for item in sequencer.after(2) or ()] == ["z" * 80]


@pytest.mark.parametrize("kind", ["taskEnd", "taskError", "taskAborted"])
def test_a_terminal_update_closes_it(kind: str) -> None:
    sequencer = begun()

    sequencer.offer(first=1, bodies=[f'{{"v":1,"seq":1,"type":"{kind}","taskId":"x"}}'])

    assert sequencer.closed


def test_a_text_that_looks_like_a_terminal_update_closes_nothing() -> None:
    sequencer = begun()
    envelope = '{"v":1,"seq":1,"type":"nodeOutput","taskId":"0197-0000-7000-8000-000000000000"'

    sequencer.offer(first=1, bodies=[envelope + ',"text":"\\"type\\":\\"taskEnd\\"","type":"taskEnd"}'])

    assert not sequencer.closed


@pytest.mark.parametrize(
    ("head", "kept", "closed", "position", "start", "step"),
    [
        pytest.param(10, 5, False, None, 10, Step.SNAPSHOT, id="asked for a snapshot"),
        pytest.param(10, 5, False, 10, 10, Step.WAIT, id="has all"),
        pytest.param(10, 5, False, 11, 10, Step.WAIT, id="a snapshot told more than the messages so far"),
        pytest.param(10, 5, True, 10, 10, Step.END, id="has all of an ended log"),
        pytest.param(10, 5, True, 9, 10, Step.RECENT, id="the terminal update comes first"),
        pytest.param(10, 5, False, 5, 10, Step.RECENT, id="what is kept reaches back"),
        pytest.param(10, 5, False, 4, 10, Step.LOG, id="what is kept doesn't reach back"),
        pytest.param(5000, 5, False, 0, 5000, Step.LOG, id="replay, however long, is no lag"),
        pytest.param(6000, 5, False, 0, 5000, Step.LOG, id="replay, while a thousand more came"),
        pytest.param(6001, 5, False, 0, 5000, Step.SNAPSHOT, id="replay, while even more came"),
        pytest.param(6001, 5, False, 5001, 5000, Step.LOG, id="a thousand behind"),
        pytest.param(6002, 5, False, 5001, 5000, Step.SNAPSHOT, id="more than a thousand behind"),
    ],
)
def test_where_a_follower_is_served_from(
    head: int, kept: int, closed: bool, position: int | None, start: int, step: Step
) -> None:
    sequencer = begun(head - kept)
    sequencer.offer(first=head - kept + 1, bodies=bodies(head - kept + 1, head))
    if closed:
        sequencer.close(head)

    assert next_step(sequencer, position=position, start=start) is step


def test_before_the_head_is_known_a_follower_waits() -> None:
    assert next_step(Sequencer(), position=0, start=0) is Step.WAIT


messages = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), max_size=60)


@settings(deadline=None)
@given(messages=messages, reads=st.lists(st.integers(0, 60), max_size=30), start=st.integers(0, 40))
def test_no_gap_and_no_repeat_whatever_messages_arrive(
    messages: list[tuple[int, int]], reads: list[int], start: int
) -> None:
    log = dict(enumerate(bodies(1, 40), start=1))
    sequencer = begun(start, max_items=4)
    position, seen = start, []

    def follow() -> None:
        nonlocal position
        while (step := next_step(sequencer, position=position, start=start)) in (Step.RECENT, Step.LOG):
            if step is Step.RECENT:
                got = [item.seq for item in sequencer.after(position) or ()]
            else:
                got = [seq for seq in log if seq > position][:3]
            seen.extend(got)
            position = got[-1]

    for turn, (first, length) in enumerate(messages):
        last = min(first + length, 40)
        sequencer.offer(first=first, bodies=bodies(first, last))
        if turn in reads:
            follow()
    # The last look at the head finds what no message told.
    sequencer.hear(40)
    while sequencer.missing:
        assert sequencer.last_seq is not None
        sequencer.offer(first=sequencer.last_seq + 1, bodies=[log[sequencer.last_seq + 1]])
    follow()

    assert seen == list(range(start + 1, 41))


def test_one_step_hands_out_a_bounded_batch() -> None:
    sequencer = begun(max_items=2 * BATCH_ITEMS)
    sequencer.offer(first=1, bodies=bodies(1, 2 * BATCH_ITEMS))

    assert [item.seq for item in sequencer.after(0) or ()] == list(range(1, BATCH_ITEMS + 1))
