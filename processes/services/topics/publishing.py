"""Publish a message on a topic: a row, in the transaction of whoever publishes it.

Nobody is looked for here: the dispatcher spreads what is stored. What is noted is up to which subscription there were
any by then. That is the last number that was given to one, so that whoever was about to subscribe gets the message too
where their transaction commits before it is spread: rather one that came just before than one that is missed.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON, canonical, json_problems
from processes.domain.topics import check_topic, same_json
from processes.errors import NotJsonError, PermanentError
from processes.models import Message, Subscription
from processes.services.access import may_publish
from processes.services.audit import SYSTEM, Actor, actor_of, record
from processes.services.errors import MessageConflictError, MessageKeyError, TooLargeError
from tasks.services.cursors import is_postgresql

__all__ = ["KEY_CHARS", "MAX_BYTES", "Published", "publish", "publish_as"]

KEY_CHARS: Final = 200
#: The largest payload, as JSON in UTF-8; the setting STEPLINE_MESSAGE_MAX_BYTES overrides it.
MAX_BYTES: Final = 1024 * 1024

_TABLE = Subscription._meta.db_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Tell which message it is; `repeated` says that it had been published before, under the same key."""

    id: uuid.UUID
    topic: str
    key: str
    repeated: bool = False


@transaction.atomic
def publish(topic: str, payload: Mapping[str, JSON], *, key: str = "", actor: Actor | None = None) -> Published:
    """Publish a message in the caller's transaction: roll that back, and nothing was published.

    `payload` is a JSON object. The same `key` on the same topic is the same message: nothing is stored then, and the
    first one is told. Without an `actor` it is the site's own code that publishes.

    Raises TopicError, MessageKeyError, NotJsonError with the path, TooLargeError, and MessageConflictError where the
    message of this key has another payload.
    """
    content = _check(check_topic(topic), payload, key)
    actor = SYSTEM if actor is None else actor
    message = Message(
        topic=topic,
        payload=content,
        spread_upto=_newest_subscription(),
        published_by_id=actor.id,
        published_by_name=actor.name,
    )
    message.key = key or str(message.pk)
    if key and (known := _known(topic, key)) is not None:
        return _repeated(known, content)
    # Of two who publish the same at the same moment, the second waits here for the commit of the first.
    Message.objects.bulk_create([message], ignore_conflicts=True)
    stored = _known(topic, message.key)
    if stored is None or stored.pk != message.pk:
        # Whoever was first has rolled back, or it was purged: the caller may just publish it once more.
        return publish(topic, content, key=key, actor=actor) if stored is None else _repeated(stored, content)
    record(
        "message.published",
        actor=actor,
        subject=message,
        subject_name=topic,
        details={"topic": topic, "key": message.key},
    )
    return Published(id=message.pk, topic=topic, key=message.key)


def publish_as(
    user: AbstractBaseUser | AnonymousUser, topic: str, payload: Mapping[str, JSON], *, key: str = ""
) -> Published:
    """Publish for a user who asks for it from outside; raises PermanentError `not_allowed`, and what `publish` does."""
    if not may_publish(user):
        raise PermanentError(
            _('Publishing messages needs the permission "%(name)s".') % {"name": "processes.publish_message"},
            code="not_allowed",
        )
    return publish(topic, payload, key=key, actor=actor_of(user))


def _check(topic: str, payload: Mapping[str, JSON], key: str) -> dict[str, JSON]:
    if len(key) > KEY_CHARS or json_problems(key):
        raise MessageKeyError(
            _("The key of a message is a text of at most %(count)s characters, without NUL.") % {"count": KEY_CHARS},
            fields={"topic": topic},
        )
    if not isinstance(payload, Mapping):
        raise NotJsonError(_('The payload of a message is a JSON object, such as {"number": 7}.'), path="/payload")
    content = dict(payload)
    if problems := json_problems(content, limit=1):
        path = f"/payload{problems[0].path}"
        raise NotJsonError(f"{path}: {problems[0].message}", path=path)
    limit = int(getattr(settings, "STEPLINE_MESSAGE_MAX_BYTES", MAX_BYTES))
    size = len(canonical(content).encode())
    if size > limit:
        raise TooLargeError(
            _("The payload has %(size)s bytes, and a message at most %(limit)s: publish where the rest is to be found.")
            % {"size": f"{size:,}", "limit": f"{limit:,}"},
            fields={"limit_bytes": limit},
        )
    return content


def _known(topic: str, key: str) -> Message | None:
    return Message.objects.filter(topic=topic, key=key).only("id", "topic", "key", "payload").first()


def _repeated(message: Message, payload: Mapping[str, JSON]) -> Published:
    if not same_json(message.payload, payload):
        raise MessageConflictError(
            _('On "%(topic)s" another message has the key "%(key)s" already: give each message a key of its own.')
            % {"topic": message.topic, "key": message.key},
            fields={"id": str(message.pk)},
        )
    return Published(id=message.pk, topic=message.topic, key=message.key, repeated=True)


def _newest_subscription() -> int:
    """Return the last number that a subscription has got, whether it is committed or not."""
    with connection.cursor() as cursor:
        if is_postgresql():
            cursor.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)", [_TABLE])
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_TABLE])
        row = cursor.fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0
