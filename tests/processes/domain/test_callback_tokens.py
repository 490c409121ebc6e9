"""Tokens of callbacks: only their keys make and read them, and they never show."""

import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from processes.domain.callback_tokens import MASK, derive_key, make_token, read_token, redact

OLD, NEW = derive_key("old"), derive_key("new")
CALLBACK = uuid.UUID("018f0000-0000-7000-8000-000000000001")


def test_a_token_is_read_by_the_key_that_made_it() -> None:
    assert read_token(make_token(CALLBACK, key=NEW), keys=[NEW]) == CALLBACK


def test_tokens_of_an_older_key_are_read_as_long_as_that_key_is_known() -> None:
    token = make_token(CALLBACK, key=OLD)
    assert read_token(token, keys=[NEW, OLD]) == CALLBACK
    assert read_token(token, keys=[NEW]) is None


def test_each_changed_character_makes_it_worthless() -> None:
    token = make_token(CALLBACK, key=NEW)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert read_token(token[:place] + other + token[place + 1 :], keys=[NEW, OLD]) is None


def test_the_token_of_one_callback_can_not_be_made_into_that_of_another() -> None:
    content = urlsafe_b64decode(make_token(CALLBACK, key=NEW)[4:])
    forged = content[:3] + uuid.UUID(int=CALLBACK.int + 1).bytes + content[19:]
    assert read_token("cb1_" + urlsafe_b64encode(forged).decode(), keys=[NEW]) is None


@pytest.mark.parametrize("token", ["", "cb1_", "x", "cb1_" + "A" * 67, "cb1_" + "A" * 69, "cb1_" + "ä" * 68, "\0" * 72])
def test_what_is_no_token_is_none(token: str) -> None:
    assert read_token(token, keys=[NEW]) is None


def test_a_token_is_the_same_each_time_and_tells_no_key() -> None:
    token = make_token(CALLBACK, key=NEW)
    assert token == make_token(CALLBACK, key=NEW)
    assert len(token) == 72
    assert NEW not in urlsafe_b64decode(token[4:])


def test_tokens_are_hidden_wherever_they_stand_in_a_text() -> None:
    token = make_token(CALLBACK, key=NEW)
    text = redact(f'POST /api/callbacks/{token}/ "{token}" and {token[:40]}…')
    assert text == f'POST /api/callbacks/{MASK}/ "{MASK}" and {MASK}…'


def test_other_texts_stay_as_they_are() -> None:
    assert redact("cb1_short and cb2_") == "cb1_short and cb2_"
