"""One piece of work at a time: the newest, shared by all who want the same."""

from __future__ import annotations

import asyncio

import pytest

from lacuna.lsp_server.completion.latest_only import LatestOnly


class Work:
    """Runs until it is released, and tells how it ended."""

    def __init__(self, result: str = "done") -> None:
        self.released = asyncio.Event()
        self.begun = self.cancelled = False
        self._result = result

    async def __call__(self) -> str:
        self.begun = True
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self._result


async def test_the_older_one_is_answered_none_though_its_work_has_not_ended() -> None:
    latest: LatestOnly[str] = LatestOnly()
    older, newer = Work("old"), Work("new")
    first = asyncio.create_task(latest.run("a", older))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(latest.run("b", newer))
    assert await first is None
    assert older.cancelled and not second.done()
    newer.released.set()
    assert await second == "new"


async def test_the_same_is_worked_on_once() -> None:
    latest: LatestOnly[str] = LatestOnly()
    work, unused = Work(), Work()
    both = [asyncio.create_task(latest.run("a", work)), asyncio.create_task(latest.run("a", unused))]
    await asyncio.sleep(0.01)
    work.released.set()
    assert await asyncio.gather(*both) == ["done", "done"]
    assert not unused.begun


async def test_work_goes_on_until_the_last_who_wants_it_leaves() -> None:
    latest: LatestOnly[str] = LatestOnly()
    work = Work()
    both = [asyncio.create_task(latest.run("a", work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    both[0].cancel()
    await asyncio.sleep(0.01)
    assert not work.cancelled
    both[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await both[1]
    await asyncio.sleep(0.01)
    assert work.cancelled


async def test_the_same_again_later_is_new_work() -> None:
    latest: LatestOnly[str] = LatestOnly()
    for _ in range(2):
        work = Work()
        work.released.set()
        assert await latest.run("a", work) == "done"
        assert work.begun


async def test_all_who_wait_get_the_error() -> None:
    async def fail() -> str:
        raise LookupError("it failed")

    latest: LatestOnly[str] = LatestOnly()
    results = await asyncio.gather(latest.run("a", fail), latest.run("a", fail), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, LookupError]


async def test_what_is_cancelled_from_outside_is_superseded_by_nothing() -> None:
    latest: LatestOnly[str] = LatestOnly()
    work, again = Work(), Work()
    waiting = asyncio.create_task(latest.run("a", work))
    await asyncio.sleep(0.01)
    latest.cancel()
    later = asyncio.create_task(latest.run("a", again))
    assert await waiting is None
    again.released.set()
    assert await later == "done"
