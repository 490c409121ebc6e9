"""Without the channel layer clients are still served from the log, and nobody who publishes notices."""

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tasks.services.publish import close_publisher, flush_publisher, publish
from tests.tasks.live.conftest import seqs


@pytest.fixture
def layer_down(settings: Settings) -> Iterator[None]:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # Nothing listens on the discard port.
            "CONFIG": {"hosts": ["redis://127.0.0.1:9/0"]},
        }
    }
    yield
    close_publisher(timeout_seconds=0.1)


@pytest.fixture
def no_layer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}


async def test_followers_are_served_from_the_log(layer_down, log, visitor, start_hub, take):
    follower = await start_hub(reread_seconds=0.05).follow(log.root_id, visitor=visitor)

    await log.write(2)

    assert seqs(await take(follower, 2)) == [1, 2]


async def test_followers_are_served_where_no_layer_is_configured(no_layer, log, visitor, start_hub, take):
    follower = await start_hub(reread_seconds=0.05).follow(log.root_id, visitor=visitor)

    await log.write(2)

    assert seqs(await take(follower, 2)) == [1, 2]


def test_publishing_returns_at_once_and_never_raises(layer_down):
    for seq in range(1, 5_000):
        publish(uuid.uuid4(), first=seq, last=seq, bodies=["{}"])

    assert not flush_publisher(timeout_seconds=0.05)


def test_publishing_without_a_layer_does_nothing(no_layer):
    publish(uuid.uuid4(), first=1, last=1, bodies=["{}"])

    assert flush_publisher()
    close_publisher()
