"""`publish_message` publishes from the command line."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from processes.models import AuditEntry, Message

pytestmark = pytest.mark.django_db


def test_it_publishes_and_prints_which_message_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for repeated in (False, True):
        call_command("publish_message", "invoice.paid", payload='{"number": 7}', key="7")
        told = {"id": str(Message.objects.get().pk), "key": "7", "repeated": repeated}
        assert json.loads(capsys.readouterr().out) == told
    assert Message.objects.get().payload == {"number": 7}
    assert AuditEntry.objects.get(action="message.published").actor_name == "Stepline"


def test_a_message_may_be_empty() -> None:
    call_command("publish_message", "ping")
    assert Message.objects.get().payload == {}


@pytest.mark.parametrize(
    ("topic", "options", "message"),
    [
        ("Ping", {}, "lower-case"),
        ("ping", {"payload": "[1]"}, "takes a JSON object"),
        ("ping", {"payload": "{"}, "--payload: "),
        ("ping", {"key": "x" * 201}, "at most 200 characters"),
    ],
)
def test_it_says_what_is_wrong(topic: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("publish_message", topic, **options)
    assert not Message.objects.exists()
