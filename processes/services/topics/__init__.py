"""Publish messages, and subscribe process instances to them (docs/topics.md).

`spreading`, a duty of the dispatcher, gives each message to those who subscribed, and `consuming` is what that starts.
"""

from processes.services.topics.publishing import Published, publish, publish_as
from processes.services.topics.subscribing import check_subscription, subscribe, subscribe_to_topics_of, unsubscribe

__all__ = [
    "Published",
    "check_subscription",
    "publish",
    "publish_as",
    "subscribe",
    "subscribe_to_topics_of",
    "unsubscribe",
]
