"""What streams wait by: nothing that is told gets lost, and no time is forgotten."""

import asyncio

import pytest

from tasks.live.news import News


@pytest.fixture
def news() -> News:
    return News()


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def waiting(news: News, deadline: float | None) -> "asyncio.Task[bool]":
    """Return a wait that has begun."""
    task = asyncio.create_task(news.wait(deadline=deadline))
    await asyncio.sleep(0)
    return task


async def test_what_was_told_before_ends_the_next_wait_at_once(news):
    news.tell()

    assert await news.wait(deadline=None)
    assert await news.wait(deadline=soon(60))
    news.take()
    assert not await news.wait(deadline=soon(0))


async def test_a_wait_ends_when_something_is_told(news):
    task = await waiting(news, soon(60))
    assert not task.done()

    news.tell()

    async with asyncio.timeout(10):
        assert await task


async def test_a_wait_ends_when_its_time_is_over(news):
    begun = asyncio.get_running_loop().time()

    async with asyncio.timeout(10):
        assert not await news.wait(deadline=begun + 0.05)

    assert asyncio.get_running_loop().time() >= begun + 0.05


async def test_the_time_of_an_earlier_wait_ends_no_later_one(news):
    early = soon(0.02)
    first = await waiting(news, early)
    news.tell()
    assert await first
    news.take()

    async with asyncio.timeout(10):
        assert not await news.wait(deadline=early + 0.05)

    assert asyncio.get_running_loop().time() >= early + 0.05


async def test_a_wait_may_be_shorter_than_the_one_before(news):
    first = await waiting(news, soon(3_600))
    news.tell()
    assert await first
    news.take()

    async with asyncio.timeout(10):
        assert not await news.wait(deadline=soon(0.02))


async def test_a_time_between_two_waits_is_nothing(news):
    first = await waiting(news, soon(0.02))
    news.tell()
    assert await first
    news.take()
    await asyncio.sleep(0.03)

    later = await waiting(news, None)
    assert not later.done()
    news.tell()
    async with asyncio.timeout(10):
        assert await later


async def test_a_wait_that_is_cancelled_leaves_room_for_the_next(news):
    first = await waiting(news, soon(60))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    second = await waiting(news, soon(60))
    news.tell()
    async with asyncio.timeout(10):
        assert await second


async def test_who_closes_leaves_no_timer(news):
    task = await waiting(news, soon(60))
    news.tell()
    await task

    news.close()

    assert not [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
