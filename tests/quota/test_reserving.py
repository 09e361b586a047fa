"""Slots: what one process gets, gives back, and what it costs."""

import asyncio
from datetime import timedelta

import pytest

from bench.virtual import run_virtual, virtual_now
from shared.quota import Closed, Demand, QuotaLimits, Slot
from tests.quota.processes import ONE, A, B, Processes, ask, get, get_closed, seconds_until, slots


def test_a_burst_goes_at_once_and_the_rest_is_paced() -> None:
    async def main() -> None:
        governor = Processes().start()
        answers = await ask(governor, A, count=5)
        assert [round(seconds_until(s), 1) for s in slots(answers)] == [0, 0, 0]
        assert answers[3:] == [None, None]
        before = virtual_now()
        slot = await get(governor, A)
        assert (slot.at - before).total_seconds() == pytest.approx(6.03, abs=0.05)
        assert slot.latest - slot.at == timedelta(seconds=0.3)

    run_virtual(main)


def test_no_slot_costs_no_transaction() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start()
        await ask(governor, A, count=3)
        before = processes.transactions
        for _ in range(3):
            assert await ask(governor, A) == [None]
        assert processes.transactions == before

    run_virtual(main)


def test_a_busy_mailbox_takes_a_write_for_a_block_of_slots() -> None:
    async def main() -> None:
        processes = Processes()
        governor = processes.start()
        pool = [f"m{n}@contoso.test" for n in range(4)]
        got = 0
        for _ in range(4 * 240):  # four minutes, with sixteen messages waiting at any time
            got += len(slots(await ask(governor, *pool, count=16)))
            await asyncio.sleep(0.25)
        assert got >= 4 * 4 * 30 * 0.99
        assert processes.transactions <= got * 0.4

    run_virtual(main)


def test_the_mailbox_with_an_earlier_slot_is_taken() -> None:
    async def main() -> None:
        governor = Processes().start()
        found = slots(await ask(governor, A, B, count=7))
        assert len(found) == 6
        assert {s.mailbox for s in found} == {A, B}
        assert all(abs(seconds_until(s)) < 0.1 for s in found)

    run_virtual(main)


def test_a_slot_given_back_is_used_by_the_next_message() -> None:
    async def main() -> None:
        governor = Processes().start()
        await ask(governor, A, count=3)
        slot = await get(governor, A)
        await asyncio.sleep(0.01)
        await governor.give_back([slot])
        assert (await get(governor, A)).at == slot.at

    run_virtual(main)


def test_recipients_given_back_are_uncounted_once() -> None:
    async def main() -> None:
        governor = Processes(QuotaLimits(recipients_per_day=100)).start()
        big = Demand(recipients=60)
        slot = await get(governor, A, demand=big)
        await get_closed(governor, A, demand=big)
        await governor.give_back([slot, slot])
        await governor.give_back([slot])
        again = await get(governor, A, demand=big)
        assert isinstance(again, Slot)
        assert isinstance(await get_closed(governor, A, demand=Demand(recipients=41)), Closed)
        assert isinstance(await get(governor, A, demand=Demand(recipients=40)), Slot)

    run_virtual(main)


def test_a_day_that_is_used_up_is_closed_until_its_first_recipients_are_a_day_old() -> None:
    async def main() -> None:
        governor = Processes(QuotaLimits(recipients_per_day=100)).start()
        await get(governor, A, demand=Demand(recipients=90))
        begun = virtual_now()
        closed = await get_closed(governor, A, demand=Demand(recipients=20))
        assert timedelta(hours=24) <= closed.until - begun <= timedelta(hours=24, minutes=15)
        assert "100 recipients" in closed.reason
        assert "MAILROOM_SENDERS" in closed.fix
        assert (await get(governor, A, B, demand=Demand(recipients=20))).mailbox == B
        await asyncio.sleep((closed.until - virtual_now()).total_seconds() + 0.01)
        assert (await get(governor, A, demand=Demand(recipients=20))).mailbox == A

    run_virtual(main)


def test_a_late_hand_over_moves_the_slots_after_it() -> None:
    async def main() -> None:
        governor = Processes().start()
        found = slots(await ask(governor, A, count=3))
        governor.late(found[0], found[0].at + timedelta(seconds=2.3))
        slot = await get(governor, A)
        assert (slot.at - found[0].at).total_seconds() == pytest.approx(6.03 + 2.0, abs=0.02)

    run_virtual(main)


def test_lateness_within_the_margin_moves_nothing() -> None:
    async def main() -> None:
        governor = Processes().start()
        found = slots(await ask(governor, A, count=3))
        governor.late(found[0], found[0].latest)
        slot = await get(governor, A)
        assert (slot.at - found[0].at).total_seconds() == pytest.approx(6.03, abs=0.02)

    run_virtual(main)


@pytest.mark.parametrize(("others", "most"), [(0, 3), (2, 2)])
def test_an_urgent_message_waits_for_three_slots_at_most(others: int, most: int) -> None:
    """One mailbox, saturated by ordinary messages of this process or of two others. What others
    have booked cannot be pressed out, so that they leave a slot's time for the queue."""

    async def saturate(governor: object) -> None:
        while True:
            await governor.reserve([A], [ONE] * 20, within=timedelta(seconds=5))  # type: ignore[attr-defined]
            await asyncio.sleep(0.25)

    async def main() -> None:
        processes = Processes()
        urgent = processes.start()
        busy = [processes.start() for _ in range(others)] or [urgent]
        tasks = [asyncio.create_task(saturate(governor)) for governor in busy]
        waits = []
        for _ in range(40):
            await asyncio.sleep(processes.random.uniform(5, 15))
            begun = virtual_now()
            demand = Demand(recipients=1, lane="high")
            (slot,) = await ask(urgent, A, demand=demand, within=8.0)
            assert isinstance(slot, Slot)
            waits.append((slot.at - begun).total_seconds())
        for task in tasks:
            task.cancel()
        assert max(waits) <= most * 2.01 + 0.1

    run_virtual(main)


def test_a_slot_of_somebody_else_is_refused() -> None:
    async def main() -> None:
        governor = Processes().start()
        with pytest.raises(ValueError, match="not reserved here"):
            await governor.give_back([Slot(A, virtual_now(), ONE)])

    run_virtual(main)
