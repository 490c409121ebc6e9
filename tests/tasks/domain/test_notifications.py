"""Messages in notifications of fewer than 8,000 bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domain.notifications import MOST_BYTES, Joiner, split


def joined(payloads):
    joiner = Joiner()
    return [joiner.take(payload) for payload in payloads]


@given(st.text(max_size=200), st.integers(min_value=4, max_value=40))
def test_what_is_split_is_joined_again(text, most_bytes):
    message = {"text": text}
    payloads = list(split(json.dumps(message, ensure_ascii=False).replace("\ud800", ""), most_bytes=most_bytes))
    assert joined(payloads) == [None] * (len(payloads) - 1) + [message]
    assert len(set(payloads)) == len(payloads)


@pytest.mark.parametrize("text", ["x" * 65_536, "ä" * 65_536, "🏠" * 20_000])
def test_no_payload_is_too_long_for_postgresql(text):
    payloads = list(split(json.dumps({"text": text}, ensure_ascii=False)))
    assert max(len(payload.encode()) for payload in payloads) < 8_000
    assert joined(payloads)[-1] == {"text": text}


def test_a_message_that_fits_is_one_payload():
    assert list(split('{"a":1}')) == ['={"a":1}']
    assert len(list(split("x" * MOST_BYTES))) == 1


@pytest.mark.parametrize(
    "lost",
    [pytest.param(0, id="first"), pytest.param(1, id="middle"), pytest.param(2, id="last")],
)
def test_a_message_that_lost_a_piece_is_dropped_and_the_next_one_is_whole(lost):
    pieces = list(split(json.dumps({"text": "x" * 25}), most_bytes=15))
    assert len(pieces) == 3
    del pieces[lost]
    assert joined([*pieces, '={"next":1}']) == [None, None, {"next": 1}]
    assert joined([*pieces, *split(json.dumps({"n": "y" * 25}), most_bytes=15)])[-1] == {"n": "y" * 25}


@pytest.mark.parametrize("payload", ["", "=", "=[1]", "={", "0/x={}", "x/2={}", "1/2={}", "nonsense"])
def test_what_is_no_message_is_dropped(payload):
    assert joined([payload]) == [None]
