"""Many things at once, but never more than so many."""

import asyncio

import pytest

from shared.concurrency import run_bounded


async def test_results_come_in_order_and_never_too_many_run() -> None:
    running = most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (number % 3))
        running -= 1
        return number * 2

    assert await run_bounded(work, range(30), at_once=4) == [n * 2 for n in range(30)]
    assert most == 4
    assert await run_bounded(work, [], at_once=4) == []


async def test_after_a_failure_nothing_new_begins_and_nothing_is_left_running() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0.01 if number else 0)
        if number == 0:
            raise ValueError("the first")
        ended.append(number)

    with pytest.raises(ValueError, match="the first"):
        await run_bounded(work, range(50), at_once=3)
    assert set(begun) == {0, *ended}
    assert len(begun) < 6
