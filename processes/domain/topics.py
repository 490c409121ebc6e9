"""What messages are published on, and which subscriptions they are for.

A topic is words with dots between them: `invoice.paid`. A subscription names a pattern: a topic, all topics below one
(`invoice.*`, at any depth), or all of them (`*`). There are few patterns that fit a topic, and they can be listed; so
those who subscribed are found by an index over patterns, whatever else there is.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

from processes.domain.conditions import Condition, compile_condition
from processes.domain.json_values import JSON
from processes.errors import ConditionError, TopicError

__all__ = [
    "MAX_CHARACTERS",
    "MAX_WORDS",
    "VARIABLES",
    "MessageConditionSource",
    "Pattern",
    "Topic",
    "check_pattern",
    "check_topic",
    "compile_message_condition",
    "patterns_of",
    "same_json",
]

MAX_CHARACTERS: Final = 200
#: So many words, and with them so many patterns, a topic has at most.
MAX_WORDS: Final = 10
#: Stands for all topics, and as the last word for all below.
ANY: Final = "*"
#: What the condition of a subscription may look at: the payload, and what the message is.
VARIABLES: Final = ("data", "attr")

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]*")


def check_topic(text: str) -> str:
    """Give a topic back; raises TopicError, which names the place and the cure, for what can't be one."""
    _check_words(text, text)
    return text


def check_pattern(text: str) -> str:
    """Give what can be subscribed to back: a topic, `invoice.*`, or `*`; raises TopicError."""
    words = text.removesuffix(f".{ANY}")
    if text != ANY:
        _check_words(words, text)
    return text


#: The type of a topic, and of a pattern, in a config model.
Topic: TypeAlias = Annotated[str, AfterValidator(check_topic)]
Pattern: TypeAlias = Annotated[str, AfterValidator(check_pattern)]


def patterns_of(topic: str) -> tuple[str, ...]:
    """Give the patterns that fit a topic, the narrowest first: at most `MAX_WORDS` + 1."""
    words = topic.split(".")
    below = (".".join([*words[:count], ANY]) for count in range(len(words) - 1, 0, -1))
    return (topic, *below, ANY)


def compile_message_condition(text: str) -> Condition:
    """Read the condition of a subscription; raises ConditionError, also where it looks at anything but the message."""
    condition = compile_condition(text)
    for name in condition.names:
        if name not in VARIABLES:
            raise ConditionError(
                f'A message has no "{name}": {text}',
                fields={"condition": text, "suggestion": "Look at data, the payload, and at attr.topic and attr.key"},
            )
    return condition


def _check_condition(text: str) -> str:
    if text:
        compile_message_condition(text)
    return text


#: The type of a subscription's condition in a config model; empty for none.
MessageConditionSource: TypeAlias = Annotated[str, AfterValidator(_check_condition)]


def same_json(one: JSON, other: JSON) -> bool:
    """Tell whether two JSON values say the same, however a database writes their numbers (1e3 or 1000)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def _check_words(words: str, whole: str) -> None:
    shown = whole if len(whole) <= 80 else whole[:79] + "…"
    parts = words.split(".")
    if not words:
        raise _refusal("A topic can't be empty: write words with dots between them, such as invoice.paid", whole)
    if len(whole) > MAX_CHARACTERS:
        raise _refusal(f"A topic has at most {MAX_CHARACTERS} characters: {shown}", whole)
    if len(parts) > MAX_WORDS:
        raise _refusal(f"A topic has at most {MAX_WORDS} words: {shown}", whole)
    for part in parts:
        if not _WORD.fullmatch(part):
            raise _refusal(f'{_complaint(part)} (in the topic "{shown}")', whole)


def _complaint(part: str) -> str:
    if not part:
        return "There is a dot too many: words stand between dots, as in invoice.paid"
    if part == ANY:
        return f'"{ANY}" stands alone, or as the last word of what is subscribed to, as in invoice.{ANY}'
    if _WORD.fullmatch(part.lower()):
        return f'Topics are lower-case: write "{part.lower()}" instead of "{part}"'
    return f'"{part[:40]}" is no word of a topic: those have lower-case letters, digits, - and _'


def _refusal(message: str, topic: str) -> TopicError:
    return TopicError(message, fields={"topic": topic[:MAX_CHARACTERS]})
