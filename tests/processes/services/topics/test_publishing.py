"""Publishing: in the caller's transaction, once for each key, and nothing that can't be stored."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import transaction

from processes.errors import NotJsonError, PermanentError, TopicError
from processes.models import AuditEntry, Message
from processes.services.audit import actor_of
from processes.services.errors import MessageConflictError, MessageKeyError, TooLargeError
from processes.services.topics import Published, publish, publish_as
from tests.together import together

pytestmark = pytest.mark.django_db


def test_a_message_is_stored_and_told_in_the_audit_log(django_user_model: type[User]) -> None:
    ada = django_user_model.objects.create_user("ada")
    published = publish("invoice.paid", {"number": 7}, key="7", actor=actor_of(ada))
    message = Message.objects.get()
    assert published == Published(id=message.pk, topic="invoice.paid", key="7")
    assert (message.topic, message.key, message.payload) == ("invoice.paid", "7", {"number": 7})
    assert (message.published_by_id, message.published_by_name) == (str(ada.pk), "ada")
    entry = AuditEntry.objects.get(action="message.published")
    assert (entry.actor_name, entry.subject_id, entry.subject_name) == ("ada", message.pk.hex, "invoice.paid")
    assert entry.details == {"topic": "invoice.paid", "key": "7"}, "and nothing of the payload"


def test_without_a_key_each_is_a_message_of_its_own_whose_key_is_its_id() -> None:
    first, second = publish("a", {}), publish("a", {})
    assert first.id != second.id
    assert [first.key, second.key] == [str(first.id), str(second.id)]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_not_published() -> None:
    with transaction.atomic():
        publish("a", {}, key="k")
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not AuditEntry.objects.filter(action="message.published").exists()
    assert publish("a", {}, key="k").repeated is False


def test_the_same_key_on_the_same_topic_is_the_same_message() -> None:
    first = publish("a", {"n": [1, 1e22], "t": "ä"}, key="k")
    again = publish("a", {"t": "ä", "n": [1, 1e22]}, key="k")
    assert (again.id, again.repeated) == (first.id, True)
    assert publish("b", {}, key="k").id != first.id
    assert Message.objects.count() == AuditEntry.objects.filter(action="message.published").count() == 2


def test_another_payload_under_the_same_key_is_refused() -> None:
    first = publish("a", {"paid": True}, key="k")
    with pytest.raises(MessageConflictError, match='On "a" another message has the key "k"') as refused:
        publish("a", {"paid": False}, key="k")
    assert refused.value.fields == {"id": str(first.id)}
    assert Message.objects.get().payload == {"paid": True}


@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_the_same_at_once_one_does() -> None:
    ends = together(*[lambda: publish("a", {"n": 1}, key="k")] * 5)
    assert all(isinstance(end, Published) for end in ends), ends
    assert len({end.id for end in ends}) == 1
    assert sorted(end.repeated for end in ends) == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"a": {"b": [1, object()]}}, "/payload/a/b/1"),
        ({"a": float("nan")}, "/payload/a"),
        ({"a": "\0"}, "/payload/a"),
        ({"a": uuid.uuid4()}, "/payload/a"),
        ([1], "/payload"),
        ("text", "/payload"),
    ],
)
def test_a_payload_is_a_json_object(payload: Any, path: str) -> None:
    with pytest.raises(NotJsonError) as refused:
        publish("a", payload)
    assert refused.value.path == path


def test_a_payload_is_bounded(settings: Any) -> None:
    settings.STEPLINE_MESSAGE_MAX_BYTES = 1_024
    publish("a", {"t": "ä" * 508})
    with pytest.raises(TooLargeError, match=r"1,026 bytes, and a message at most 1,024") as refused:
        publish("a", {"t": "ä" * 509})
    assert refused.value.fields == {"limit_bytes": 1_024}


@pytest.mark.parametrize("key", ["x" * 201, "\0", "\ud800"])
def test_a_key_is_a_short_text(key: str) -> None:
    with pytest.raises(MessageKeyError):
        publish("a", {}, key=key)
    assert publish("a", {}, key="x" * 200).key == "x" * 200


def test_a_topic_is_checked() -> None:
    with pytest.raises(TopicError, match="lower-case"):
        publish("Invoice", {})


def test_publishing_for_somebody_needs_the_permission() -> None:
    user = User.objects.create_user("ada")
    for nobody in (user, AnonymousUser()):
        with pytest.raises(PermanentError) as refused:
            publish_as(nobody, "a", {})
        assert refused.value.code == "not_allowed"
    user.user_permissions.add(Permission.objects.get(codename="publish_message"))
    publish_as(User.objects.get(pk=user.pk), "a", {})
    assert Message.objects.get().published_by_name == "ada"
