"""The channel layer over LISTEN and NOTIFY, on a real PostgreSQL: what the hub and the publisher need of it."""

import asyncio
import threading
from collections.abc import AsyncIterator

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tasks.postgres_layer import PostgresChannelLayer
from tests.child import database_url

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="LISTEN and NOTIFY are PostgreSQL's"),
]

PATIENCE_SECONDS = 10.0


@pytest.fixture
async def layer() -> AsyncIterator[PostgresChannelLayer]:
    layer = PostgresChannelLayer()
    yield layer
    for end in layer._ends.values():
        end.close()


@pytest.fixture
async def server() -> AsyncIterator[psycopg.AsyncConnection]:
    """Return a connection that looks at the server from outside."""
    async with await psycopg.AsyncConnection.connect(database_url(), autocommit=True) as server:
        yield server


_OURS = "datname = current_database() AND application_name = 'stepline live updates'"


async def count(server: psycopg.AsyncConnection) -> int:
    row = await (await server.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {_OURS}")).fetchone()
    assert row is not None
    return row[0]


async def cut(server: psycopg.AsyncConnection) -> None:
    """End the layer's connections, as a server does that is restarted."""
    cursor = await server.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {_OURS}")
    assert all(ended for (ended,) in await cursor.fetchall())


async def channel_in(layer: PostgresChannelLayer, *groups: str) -> str:
    channel = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return channel


async def next_of(layer: PostgresChannelLayer, channel: str) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await layer.receive(channel)


async def test_a_group_s_channels_get_what_is_sent_to_it(layer):
    channels = [await channel_in(layer, "g"), await channel_in(layer, "g", "h"), await channel_in(layer, "h")]
    await layer.group_send("g", {"n": 1})
    await layer.group_send("h", {"n": 2})
    assert await next_of(layer, channels[0]) == {"n": 1}
    assert [await next_of(layer, channels[1]) for _ in range(2)] == [{"n": 1}, {"n": 2}]
    assert await next_of(layer, channels[2]) == {"n": 2}


async def test_a_channel_that_has_left_gets_no_more(layer):
    left, other = await channel_in(layer, "g", "h"), await channel_in(layer, "g")
    await layer.group_discard("g", left)
    await layer.group_discard("no such group", left)
    await layer.group_send("g", {"n": 1})
    await layer.group_send("h", {"n": 2})
    assert await next_of(layer, left) == {"n": 2}
    assert await next_of(layer, other) == {"n": 1}


async def test_a_message_may_go_to_one_channel(layer):
    channel = await layer.new_channel()
    await layer.send(channel, {"n": 1})
    assert await next_of(layer, channel) == {"n": 1}


async def test_long_messages_arrive_whole_and_in_order(layer):
    channel = await channel_in(layer, "g")
    sent = [{"n": number, "bodies": ["🏠ä\u0000" * 5_000]} for number in range(5)]
    for message in sent:
        await layer.group_send("g", message)
    assert [await next_of(layer, channel) for _ in sent] == sent


async def test_a_thread_with_a_loop_of_its_own_sends_to_this_one(layer, server):
    channel = await channel_in(layer, "g")

    def send() -> None:
        loop = asyncio.new_event_loop()
        for number in range(3):
            loop.run_until_complete(layer.group_send("g", {"n": number}))
        loop.close()

    thread = threading.Thread(target=send)
    thread.start()
    assert [await next_of(layer, channel) for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    await asyncio.to_thread(thread.join)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await count(server) > 1:
            await asyncio.sleep(0.01)


async def test_one_connection_serves_a_loop(layer, server):
    channels = [await channel_in(layer, f"g{number}") for number in range(20)]
    for number in range(20):
        await layer.group_send(f"g{number}", {"n": number})
    assert [(await next_of(layer, channel))["n"] for channel in channels] == list(range(20))
    assert await count(server) == 1


async def test_a_listener_whose_connection_is_cut_listens_again_by_itself(layer, server):
    channel = await channel_in(layer, "g", "h")
    sender = PostgresChannelLayer()
    for group in ("g", "h"):
        await cut(server)
        received = asyncio.create_task(next_of(layer, channel))
        while not received.done():
            # Until it listens again messages are lost, as with any layer.
            await sender.group_send(group, {"to": group})
            await asyncio.wait([received], timeout=0.05)
        assert received.result() == {"to": group}
        while layer._end()._queues[channel]._messages:
            await next_of(layer, channel)
    for end in sender._ends.values():
        end.close()


async def test_a_sender_whose_connection_was_cut_sends_all_the_same(layer, server):
    await layer.group_send("g", {"n": 1})
    await cut(server)
    receiver = PostgresChannelLayer()
    channel = await channel_in(receiver, "g")
    await layer.group_send("g", {"n": 2})
    assert await next_of(receiver, channel) == {"n": 2}
    for end in receiver._ends.values():
        end.close()


async def test_joining_fails_where_the_server_is_away_and_succeeds_when_it_is_back(layer, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(layer, "_url", "postgres://127.0.0.1:9/nowhere")
        channel = "mine"
        with pytest.raises(psycopg.OperationalError):
            await layer.group_add("g", channel)
        with pytest.raises(psycopg.OperationalError):
            await layer.group_send("g", {"n": 1})
    channel = await channel_in(layer, "g")
    await layer.group_send("g", {"n": 2})
    assert await next_of(layer, channel) == {"n": 2}


async def test_a_reader_that_falls_behind_gets_the_newest(layer, monkeypatch):
    monkeypatch.setattr(layer, "_capacity", 3)
    channel = await channel_in(layer, "g")
    for number in range(10):
        await layer.group_send("g", {"n": number})
    assert [(await next_of(layer, channel))["n"] for _ in range(3)] == [7, 8, 9]


async def test_a_cancelled_wait_gives_the_channel_up(layer):
    channel = await channel_in(layer, "g")
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    end = layer._end()
    await asyncio.gather(*end._tidying)
    cursor = await end._connection.execute("SELECT pg_listening_channels()")
    assert await cursor.fetchall() == []
    assert (end._queues, end._listeners, end._joiners) == ({}, {}, {})


async def test_a_cancelled_send_leaves_the_layer_usable(layer):
    channel = await channel_in(layer, "g")
    sending = [asyncio.create_task(layer.group_send("g", {"n": number})) for number in range(5)]
    await asyncio.sleep(0)
    sending[0].cancel()
    await asyncio.wait(sending)
    await layer.group_add("g", channel)
    await layer.group_send("g", {"last": True})
    while (await next_of(layer, channel)) != {"last": True}:
        pass


async def test_a_statement_that_fails_does_not_make_it_deaf(layer):
    channel = await channel_in(layer, "g")
    with pytest.raises(psycopg.DatabaseError):
        await layer._end()._execute(sql.SQL("SELECT 1 / 0"))

    sender = PostgresChannelLayer()
    await sender.group_send("g", {"n": 1})

    assert await next_of(layer, channel) == {"n": 1}
    for end in sender._ends.values():
        end.close()


async def test_two_sites_on_one_database_don_t_hear_each_other(layer):
    other = PostgresChannelLayer(prefix="other", url=database_url())
    mine, theirs = await channel_in(layer, "g"), await channel_in(other, "g")
    await layer.group_send("g", {"from": "mine"})
    await other.group_send("g", {"from": "theirs"})
    assert await next_of(layer, mine) == {"from": "mine"}
    assert await next_of(other, theirs) == {"from": "theirs"}
    for end in other._ends.values():
        end.close()


async def test_messages_are_json(layer):
    with pytest.raises(TypeError):
        await layer.group_send("g", {"bytes": b"1"})
