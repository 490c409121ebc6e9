"""The hub promises: between snapshots no gap and no repeat, whatever becomes of the messages on the channel layer."""

import asyncio
import json
import uuid

import pytest
from django.contrib.auth.models import User

from tasks.errors import TaskNotFound
from tasks.models import TaskRoot
from tests.tasks.live.conftest import seqs


async def test_replays_the_log_and_goes_on_with_what_comes(log, visitor, start_hub, take):
    await log.write(3)
    follower = await start_hub().follow(log.root_id, visitor=visitor)

    assert seqs(await take(follower, 3)) == [1, 2, 3]
    await log.write_and_tell(2)
    assert seqs(await take(follower, 2)) == [4, 5]


async def test_ready_bodies_are_fanned_out_without_reading_the_database(log, visitor, start_hub, take):
    hub = start_hub()
    await log.write(1)
    followers = [await hub.follow(log.root_id, visitor=visitor, since=1) for _ in range(3)]

    # Nothing of this is in the database: the texts can only have come with the message.
    log.tell(2, 4)

    received = [await take(follower, 3) for follower in followers]
    assert [seqs(items) for items in received] == [[2, 3, 4]] * 3
    assert all(received[0][0].text is items[0].text for items in received)


async def test_goes_on_after_since(log, visitor, start_hub, take):
    await log.write(5)
    follower = await start_hub().follow(log.root_id, visitor=visitor, since=3)

    assert seqs(await take(follower, 2)) == [4, 5]


async def test_a_snapshot_comes_first_where_it_is_asked_for(log, visitor, start_hub, take):
    await log.write(5)
    follower = await start_hub().follow(log.root_id, visitor=visitor, since=3, snapshot=True)

    (item,) = await take(follower, 1)
    snapshot = json.loads(item.text)
    assert (snapshot["type"], snapshot["seq"], snapshot["isOwner"]) == ("snapshot", 5, True)
    assert "incomplete" not in snapshot
    await log.write_and_tell()
    assert seqs(await take(follower, 1)) == [6]


async def test_is_owner_is_said_to_each_viewer_separately(log, visitor, stranger, start_hub, take):
    await log.run(lambda: TaskRoot.objects.filter(pk=log.root_id).update(shared=True))
    hub = start_hub()
    mine = await hub.follow(log.root_id, visitor=visitor, snapshot=True)
    theirs = await hub.follow(log.root_id, visitor=stranger, snapshot=True)

    assert [json.loads((await take(follower, 1))[0].text)["isOwner"] for follower in (mine, theirs)] == [True, False]


@pytest.mark.parametrize(
    ("forgotten", "since", "is_incomplete"),
    [
        pytest.param(3, 1, True, id="older than the log"),
        pytest.param(6, 5, True, id="the log is gone"),
        pytest.param(0, 99, False, id="newer than the log"),
    ],
)
async def test_since_that_cant_be_continued_gives_a_snapshot(
    forgotten, since, is_incomplete, log, visitor, start_hub, take
):
    await log.write(6)
    await log.forget(forgotten)
    follower = await start_hub().follow(log.root_id, visitor=visitor, since=since)

    snapshot = json.loads((await take(follower, 1))[0].text)
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 6)
    assert snapshot.get("incomplete", False) is is_incomplete


async def test_a_lost_last_message_is_found_at_the_next_look(log, visitor, start_hub, take):
    follower = await start_hub(reread_seconds=0.05).follow(log.root_id, visitor=visitor)

    await log.write(2)

    assert seqs(await take(follower, 2)) == [1, 2]


async def test_a_lost_message_is_found_with_the_next_one(log, visitor, start_hub, take):
    follower = await start_hub().follow(log.root_id, visitor=visitor)
    await log.write(2)

    await log.write_and_tell()

    assert seqs(await take(follower, 3)) == [1, 2, 3]


async def test_doubled_and_reordered_messages_change_nothing(log, visitor, start_hub, take):
    follower = await start_hub().follow(log.root_id, visitor=visitor)
    await log.write(6)

    for first, last in [(3, 4), (1, 2), (1, 2), (5, 5), (3, 4), (6, 6), (6, 6)]:
        log.tell(first, last)

    assert seqs(await take(follower, 6)) == [1, 2, 3, 4, 5, 6]
    assert await follower.next(timeout_seconds=0.05) == []


async def test_a_message_that_promises_too_much_is_forgotten_again(log, visitor, start_hub, take):
    follower = await start_hub().follow(log.root_id, visitor=visitor)
    log.tell(40)
    await log.write_and_tell(2)

    assert seqs(await take(follower, 2)) == [1, 2]


async def test_large_updates_come_from_the_log(log, visitor, start_hub, take):
    follower = await start_hub().follow(log.root_id, visitor=visitor)

    await log.write_and_tell(900)

    assert seqs(await take(follower, 900)) == list(range(1, 901))


async def test_a_slow_client_gets_everything_and_nobody_waits_for_it(log, visitor, start_hub, take):
    hub = start_hub()
    slow = await hub.follow(log.root_id, visitor=visitor)
    quick = await hub.follow(log.root_id, visitor=visitor)
    for _ in range(3):
        await log.write_and_tell(300)
        await take(quick, 300)

    # More than is kept in memory for all of them together.
    assert seqs(await take(slow, 900)) == list(range(1, 901))


async def test_a_client_far_behind_gets_a_snapshot(log, visitor, start_hub, take):
    hub = start_hub()
    slow = await hub.follow(log.root_id, visitor=visitor)
    quick = await hub.follow(log.root_id, visitor=visitor)
    for _ in range(3):
        await log.write_and_tell(400)
        await take(quick, 400)

    snapshot = json.loads((await take(slow, 1))[0].text)
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 1200)
    await log.write_and_tell()
    assert seqs(await take(slow, 1)) == [1201]


async def test_the_terminal_update_is_the_last(log, visitor, start_hub, take):
    hub = start_hub()
    follower = await hub.follow(log.root_id, visitor=visitor)
    await log.write_and_tell(2, ends=True)

    async with asyncio.timeout(10):
        assert [item.seq async for item in follower] == [1, 2]
    follower.close()
    assert hub.followed == frozenset()


async def test_an_ended_log_is_replayed_and_ends(log, visitor, start_hub):
    await log.write(3, ends=True)
    follower = await start_hub().follow(log.root_id, visitor=visitor, since=1)

    async with asyncio.timeout(10):
        assert [item.seq async for item in follower] == [2, 3]


async def test_who_has_all_of_an_ended_log_gets_nothing_more(log, visitor, start_hub):
    await log.write(3, ends=True)
    follower = await start_hub().follow(log.root_id, visitor=visitor, since=3)

    assert await follower.next(timeout_seconds=10) == []
    assert follower.ended


async def test_a_close_that_no_message_told_ends_the_stream(log, visitor, start_hub):
    follower = await start_hub(reread_seconds=0.05).follow(log.root_id, visitor=visitor)
    await log.write(1, ends=True)

    async with asyncio.timeout(10):
        assert [item.seq async for item in follower] == [1]


async def test_what_is_forbidden_looks_like_what_is_missing(log, visitor, stranger, start_hub):
    hub = start_hub()

    with pytest.raises(TaskNotFound) as forbidden:
        await hub.follow(log.root_id, visitor=stranger)
    with pytest.raises(TaskNotFound) as missing:
        await hub.follow(uuid.uuid4(), visitor=visitor)

    assert forbidden.value.message == missing.value.message
    assert hub.followed == frozenset()


async def test_who_may_not_see_it_any_more_is_told_that_it_isnt_there(log, visitor, start_hub, owner):
    follower = await start_hub(recheck_seconds=0.05).follow(log.root_id, visitor=visitor)
    await log.run(lambda: User.objects.filter(pk=owner.pk).update(is_active=False))

    with pytest.raises(TaskNotFound):
        await follower.next(timeout_seconds=10)


async def test_a_task_that_is_deleted_ends_its_streams(log, visitor, start_hub):
    follower = await start_hub(reread_seconds=0.05).follow(log.root_id, visitor=visitor)
    await log.run(lambda: TaskRoot.objects.filter(pk=log.root_id).delete())

    with pytest.raises(TaskNotFound):
        await follower.next(timeout_seconds=10)


async def test_the_last_one_to_leave_takes_the_root_off_the_layer(log, visitor, start_hub):
    hub = start_hub()
    first, second = [await hub.follow(log.root_id, visitor=visitor) for _ in range(2)]

    first.close()
    assert hub.followed == {log.root_id}
    second.close()
    assert hub.followed == frozenset()


async def test_leaving_and_coming_back_at_once_loses_nothing(log, visitor, start_hub, take):
    hub = start_hub()
    for count in range(1, 6):
        follower = await hub.follow(log.root_id, visitor=visitor, since=count - 1)
        await log.write_and_tell()
        assert seqs(await take(follower, 1)) == [count]
        follower.close()
