"""The tenant's external recipients: drawn in blocks, given back, closed when used up."""

import asyncio
from datetime import timedelta

from bench.virtual import run_virtual, virtual_now
from shared.quota import Closed, Demand, Governor, QuotaLimits, Slot
from tests.quota.processes import A, B, Processes, ask, get, get_closed

OUTSIDE = Demand(recipients=1, external=1)
MAILBOXES = [f"m{n}@contoso.test" for n in range(8)]


def limits(external: int) -> QuotaLimits:
    return QuotaLimits(external=external)


async def used(governor: Governor, budget: str = "external_24h") -> int:
    view = await governor.view([A])
    return int(view["tenant"][budget]["used"])


def test_blocks_save_writes_and_are_given_back_at_the_end() -> None:
    async def main() -> None:
        governor = Processes(limits(8_000)).start()
        for _ in range(20):
            await get(governor, *MAILBOXES, demand=OUTSIDE)
        assert await used(governor) == 100
        await governor.aclose()
        await asyncio.sleep(2)
        assert await used(governor) == 20

    run_virtual(main)


def test_what_is_not_spent_in_time_is_given_back_by_keeping() -> None:
    async def main() -> None:
        governor = Processes(limits(8_000)).start()
        await get(governor, A, demand=OUTSIDE)
        for _ in range(60):
            await asyncio.sleep(20)
            await governor.keep([])
        assert await used(governor) == 1

    run_virtual(main)


def test_several_processes_together_stop_at_the_limit() -> None:
    async def main() -> None:
        processes = Processes(limits(150))
        governors = [processes.start() for _ in range(3)]
        got, closed = 0, 0
        while closed < 3:
            closed = 0
            for governor in governors:
                answers = await ask(governor, *MAILBOXES, count=4, demand=OUTSIDE)
                answers += (last := await ask(governor, *MAILBOXES, demand=OUTSIDE))
                got += sum(isinstance(answer, Slot) for answer in answers)
                closed += isinstance(last[0], Closed)
            await asyncio.sleep(0.5)
            assert got <= 150
        assert got >= 148  # what is missing lies in the others' last, small blocks
        assert await get(governors[0], *MAILBOXES)  # internal mail goes on

    run_virtual(main)


def test_used_up_is_told_with_the_time_the_reason_and_the_fix() -> None:
    async def main() -> None:
        governor = Processes(limits(10)).start()
        begun = virtual_now()
        await get(governor, A, demand=Demand(recipients=10, external=10))
        closed = await get_closed(governor, A, demand=OUTSIDE)
        assert timedelta(hours=24) <= closed.until - begun <= timedelta(hours=24, minutes=15)
        assert "external recipients" in closed.reason
        assert "MAILROOM_LICENCES" in closed.fix
        await asyncio.sleep((closed.until - virtual_now()).total_seconds() + 1)
        assert await get(governor, A, demand=OUTSIDE)

    run_virtual(main)


def test_senders_at_onmicrosoft_have_a_small_budget_of_their_own() -> None:
    async def main() -> None:
        governor = Processes().start()
        cloud = Demand(recipients=60, external=60, onmicrosoft=True)
        await get(governor, A, demand=cloud)
        closed = await get_closed(governor, A, demand=cloud)
        assert "onmicrosoft" in closed.reason
        assert await get(governor, A, demand=Demand(recipients=60, external=60))
        assert await get(governor, A, demand=Demand(recipients=60, onmicrosoft=True))

    run_virtual(main)


def test_given_back_slots_give_their_external_recipients_back() -> None:
    async def main() -> None:
        governor = Processes(limits(10)).start()
        ten = Demand(recipients=10, external=10)
        slot = await get(governor, A, demand=ten)
        await get_closed(governor, A, demand=ten)
        await governor.give_back([slot])
        assert await get(governor, A, demand=ten)

    run_virtual(main)


def test_without_the_limit_nothing_is_counted() -> None:
    async def main() -> None:
        governor = Processes(QuotaLimits(external=None, onmicrosoft=None)).start()
        await get(governor, A, demand=Demand(recipients=500, external=500, onmicrosoft=True))
        assert await used(governor) == 0

    run_virtual(main)


def test_a_tenants_pause_of_external_mail_stops_that_alone() -> None:
    async def main() -> None:
        processes = Processes()
        governor, other = processes.start(), processes.start()
        until = await governor.pause(None, kind="external", reason="550 5.7.233", fix="Wait.")
        for one in (governor, other):
            closed = await get_closed(one, A, B, demand=OUTSIDE)
            assert (closed.until, closed.reason, closed.fix) == (until, "550 5.7.233", "Wait.")
            assert await get(one, A, B)
        await asyncio.sleep((until - virtual_now()).total_seconds() + 1)
        slot = await get(governor, A, B, demand=OUTSIDE)  # the probe
        assert await get_closed(other, A, B, demand=OUTSIDE)
        assert await get_closed(governor, A, B, demand=OUTSIDE)
        await governor.worked(slot.mailbox)
        assert await get(governor, A, B, demand=OUTSIDE)
        await asyncio.sleep(11)
        assert await get(other, A, B, demand=OUTSIDE)

    run_virtual(main)


def test_a_tenants_ban_stops_everything_and_doubles() -> None:
    async def main() -> None:
        governor = Processes().start()
        until = await governor.pause(None, kind="barred", reason="550 5.7.705", fix="Ask.")
        assert (await get_closed(governor, A)).until == until
        await asyncio.sleep(3601)
        await get(governor, A)
        again = await governor.pause(None, kind="barred", reason="550 5.7.705", fix="Ask.")
        assert timedelta(hours=2) <= again - virtual_now() + timedelta(seconds=1)

    run_virtual(main)
