"""Topics, the patterns that fit them, and what a condition on a message may look at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.topics import (
    MAX_WORDS,
    check_pattern,
    check_topic,
    compile_message_condition,
    patterns_of,
    same_json,
)
from processes.errors import ConditionError, TopicError

WORDS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True), min_size=1, max_size=MAX_WORDS)


@pytest.mark.parametrize("topic", ["invoice", "invoice.paid", "a.b-c.d_e.9", ".".join(["w"] * 10), "x" * 200])
def test_words_with_dots_between_them_are_a_topic_and_a_pattern(topic: str) -> None:
    assert check_topic(topic) == check_pattern(topic) == topic


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("", "can't be empty"),
        ("invoice..paid", "a dot too many"),
        (".paid", "a dot too many"),
        ("invoice.", "a dot too many"),
        ("Invoice.paid", 'write "invoice" instead of "Invoice"'),
        ("invoice.paid now", '"paid now" is no word of a topic'),
        ("_a", '"_a" is no word of a topic'),
        ("rechnung.bezahlt.für", '"für" is no word of a topic'),
        ("invoice.paid\n", "is no word of a topic"),
        ("a.*.b", "stands alone, or as the last word"),
        ("x" * 201, "at most 200 characters"),
        (".".join(["w"] * 11), "at most 10 words"),
    ],
)
def test_what_is_no_topic_is_refused_in_words(topic: str, told: str) -> None:
    for check in (check_topic, check_pattern):
        with pytest.raises(TopicError) as refused:
            check(topic)
        assert told in refused.value.message
        assert refused.value.fields["topic"] == topic[:200]


@pytest.mark.parametrize("pattern", ["*", "invoice.*", "invoice.paid.*"])
def test_a_pattern_is_subscribed_to_but_nothing_is_published_on_it(pattern: str) -> None:
    assert check_pattern(pattern) == pattern
    with pytest.raises(TopicError, match="stands alone"):
        check_topic(pattern)


@pytest.mark.parametrize("pattern", ["*.paid", "*.*", "invoice.*.*", "invoice*", ".*"])
def test_a_star_is_a_whole_word_and_the_last_one(pattern: str) -> None:
    with pytest.raises(TopicError):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("topic", "patterns"),
    [
        ("invoice", ("invoice", "*")),
        ("invoice.paid", ("invoice.paid", "invoice.*", "*")),
        ("a.b.c", ("a.b.c", "a.b.*", "a.*", "*")),
    ],
)
def test_a_topic_is_fitted_by_itself_and_by_all_that_is_above_it(topic: str, patterns: tuple[str, ...]) -> None:
    assert patterns_of(topic) == patterns


@given(WORDS)
def test_what_fits_a_topic_can_be_subscribed_to(words: list[str]) -> None:
    topic = check_topic(".".join(words))
    patterns = patterns_of(topic)
    assert [check_pattern(pattern) for pattern in patterns] == list(patterns)
    assert len(set(patterns)) == len(words) + 1


def test_a_condition_looks_at_the_payload_and_at_what_the_message_is() -> None:
    condition = compile_message_condition('data.amount > 100 && attr.topic == "invoice.paid" && attr.key != ""')
    told = {"data": {"amount": 101}, "attr": {"topic": "invoice.paid", "key": "k"}}
    assert condition.evaluate(told) is True


@pytest.mark.parametrize("text", ["param.a == 1", "user.is_staff", 'state == "x"', "now > now", "data.a = 1", ""])
def test_a_condition_on_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        compile_message_condition(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True),
        ({"a": 1e3}, {"a": 1000}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": None}, {}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, False),
    ],
)
def test_two_payloads_are_the_same_where_they_say_the_same(one: object, other: object, same: bool) -> None:
    assert same_json(one, other) is same
