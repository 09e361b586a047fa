"""Connection permits: three at most, leased, taken over when their holder dies."""

import asyncio
from collections.abc import Callable
from typing import Any

from bench.virtual import run_virtual, virtual_now
from shared.quota import Demand, Governor, QuotaLimits, Slot
from tests.quota.processes import A, B, Processes, ask, get


async def three(processes: Processes) -> list[Governor]:
    """Three processes, each with a permit."""
    governors = [processes.start() for _ in range(3)]
    for governor in governors:
        await get(governor, A)
    return governors


def test_a_fourth_process_has_to_wait_for_a_release() -> None:
    async def main() -> None:
        processes = Processes()
        governors = await three(processes)
        fourth = processes.start()
        await asyncio.sleep(10)
        assert await ask(fourth, A) == [None]
        assert (await get(fourth, A, B)).mailbox == B
        await governors[1].release(A)
        await asyncio.sleep(11)
        assert isinstance((await ask(fourth, A))[0], Slot)

    run_virtual(main)


def test_a_dead_holders_permit_is_free_after_its_lease() -> None:
    async def main() -> None:
        processes = Processes()
        await three(processes)
        fourth = processes.start()
        begun = virtual_now()
        await get(fourth, A)
        assert 80 <= (virtual_now() - begun).total_seconds() <= 100

    run_virtual(main)


def test_kept_permits_last_and_lost_ones_are_told() -> None:
    async def main() -> None:
        processes = Processes()
        governors = await three(processes)
        fourth = processes.start()
        for _ in range(15):  # five minutes
            await asyncio.sleep(20)
            assert await governors[0].keep([A]) == []
            assert await governors[1].keep([A]) == []
        assert governors[0].permit_until(A) is not None
        assert governors[2].permit_until(A) is None  # it kept nothing
        await get(fourth, A)
        assert await governors[2].keep([A]) == [A]

    run_virtual(main)


def test_keeping_is_cheap() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start()
        await get(governor, A)
        before = processes.transactions
        for _ in range(30):
            await asyncio.sleep(20)
            await governor.keep([A])
        assert processes.transactions - before <= 15

    run_virtual(main)


def test_permits_for_more_sessions_are_those_that_others_leave() -> None:
    async def main() -> None:
        processes = Processes()
        first, second = processes.start(), processes.start()
        await get(first, A)
        assert await first.allow(A, 3) == 3
        await asyncio.sleep(11)
        assert await ask(second, A) == [None]
        assert await second.allow(A, 1) == 0
        assert await first.allow(A, 1) == 1
        await asyncio.sleep(11)
        assert await second.allow(A, 3) == 2

    run_virtual(main)


def test_a_permit_without_a_session_is_given_back() -> None:
    async def main() -> None:
        processes = Processes(QuotaLimits(connections=1))
        first, second = processes.start(), processes.start()
        await get(first, A)
        await asyncio.sleep(25)
        await first.keep([])
        assert first.permit_until(A) is None
        await asyncio.sleep(11)
        assert isinstance((await ask(second, A))[0], Slot)

    run_virtual(main)


def test_a_release_whose_answer_was_lost_gives_back_once() -> None:
    """The SDK repeats the write, which then looks like a lost race."""

    async def main() -> None:
        processes = Processes()
        table = processes.table.client()
        first = Governor(table, processes.limits, holder="first", clock=virtual_now)
        second = processes.start()
        await get(second, A, demand=Demand(recipients=10))
        await first.give_back([await get(first, A, demand=Demand(recipients=30))])

        async def repeat(name: str, perform: Callable[[], Any]) -> Any:
            if name == "write":
                perform()
            return perform()

        table.fault = repeat
        await first.release(A)
        await asyncio.sleep(2)
        view = await second.view([A])
        assert view["mailboxes"][0]["recipients_24h"]["used"] == 10

    run_virtual(main)


def test_closing_gives_back_permits_and_slots() -> None:
    async def main() -> None:
        processes = Processes(QuotaLimits(connections=1))
        first, second = processes.start(), processes.start()
        await ask(first, A, count=3)
        future = await get(first, A)
        await first.give_back([future])
        await first.aclose()
        assert (await get(second, A)).at == future.at

    run_virtual(main)
