"""Sessions need permits: the processes of a mailbox share its three."""

import asyncio
from collections.abc import Collection
from datetime import timedelta

import pytest

from local.office365 import Fault, Office365Server
from shared.delivery.pool import SessionPool
from shared.delivery.session import SessionError
from shared.errors import StorageUnavailableError
from tests.delivery.conftest import ALERTS, BILLING, MakeGovernor, MakePool, SignIns
from tests.delivery.envelope import CONTENT, mail
from tests.storage.account import StoppedClock

SWEEPS = timedelta(seconds=0.08)  # it looks around each 20 ms


class Permits:
    """Leave for `allowed` sessions; `lost` are the mailboxes whose permits are gone."""

    def __init__(self, allowed: int = 3) -> None:
        self.allowed = allowed
        self.asked: list[tuple[str, int]] = []
        self.kept: list[set[str]] = []
        self.lost: list[str] = []
        self.errors: list[Exception] = []

    async def allow(self, mailbox: str, sessions: int) -> int:
        self.asked.append((mailbox, sessions))
        if self.errors:
            raise self.errors.pop(0)
        return min(self.allowed, sessions)

    async def keep(self, mailboxes: Collection[str]) -> list[str]:
        self.kept.append(set(mailboxes))
        if self.errors:
            raise self.errors.pop(0)
        lost, self.lost = self.lost, []
        return lost


async def send(pool: SessionPool, mailbox: str = BILLING) -> None:
    content = CONTENT.replace(BILLING.encode(), mailbox.encode())
    async with pool.session(mailbox) as session:
        handover = await session.hand_over(mail(sender=mailbox, content=content))
    assert handover.accepted


async def until_closed(office: Office365Server, mailbox: str = BILLING) -> None:
    async with asyncio.timeout(5):
        while office.exchange.sessions()[mailbox]:
            await asyncio.sleep(0.01)


async def test_a_permit_is_asked_for_when_a_session_is_opened_not_when_one_is_used_again(
    make_pool: MakePool,
) -> None:
    permits = Permits()
    pool = make_pool(permits=permits)
    for _ in range(3):
        await send(pool)
    assert permits.asked == [(BILLING, 1)]
    await asyncio.gather(*(send(pool) for _ in range(3)))
    assert permits.asked[1:] in ([], [(BILLING, 2)], [(BILLING, 2), (BILLING, 3)])


@pytest.mark.parametrize("allowed", [1, 2])
async def test_there_are_as_many_sessions_as_permits_and_the_others_wait(
    office: Office365Server, make_pool: MakePool, allowed: int
) -> None:
    office.faults.add([Fault("bdat", "hang", seconds=0.02, times=None)])
    pool = make_pool(permits=Permits(allowed))
    await asyncio.gather(*(send(pool) for _ in range(9)))
    assert len(office.messages) == 9
    assert office.counters.concurrent_max[BILLING] == allowed


async def test_without_a_permit_no_connection_is_made_and_the_reason_is_told(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns
) -> None:
    permits = Permits(0)
    pool = make_pool(permits=permits)
    with pytest.raises(SessionError, match="Other instances have all") as raised:
        await send(pool)
    assert (raised.value.stage, raised.value.reply) == ("connect", None)
    assert raised.value.fix
    assert (office.counters.connections, sign_ins.asked) == (0, [])
    permits.allowed = 1
    await send(pool)


async def test_storage_that_is_away_is_told_and_takes_no_place(make_pool: MakePool) -> None:
    permits = Permits()
    permits.errors.append(StorageUnavailableError("Storage does not answer."))
    pool = make_pool(1, permits=permits)
    with pytest.raises(StorageUnavailableError):
        await send(pool)
    await send(pool)


async def test_the_permits_of_open_sessions_are_renewed_until_they_are_closed(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    permits = Permits()
    pool = make_pool(permits=permits, idle_limit=SWEEPS)
    await send(pool, BILLING)
    await send(pool, ALERTS)
    async with asyncio.timeout(5):
        while len(permits.kept) < 3:
            await asyncio.sleep(0.01)
    assert {frozenset(kept) for kept in permits.kept} == {frozenset({BILLING, ALERTS})}
    async with pool.session(ALERTS):
        clock.advance(seconds=1)
        await until_closed(office, BILLING)
        async with asyncio.timeout(5):
            while permits.kept[-1] != {ALERTS}:
                await asyncio.sleep(0.01)
    clock.advance(seconds=1)
    await until_closed(office, ALERTS)
    async with asyncio.timeout(5):
        while permits.kept[-1] != set():  # the last word: nothing is needed any more
            await asyncio.sleep(0.01)


async def test_a_lost_permit_closes_idle_sessions_at_once_and_others_when_they_come_back(
    office: Office365Server, make_pool: MakePool
) -> None:
    permits = Permits()
    pool = make_pool(permits=permits, idle_limit=SWEEPS)
    async with pool.session(BILLING):
        await send(pool)  # by a second session, which then is idle
        await send(pool, ALERTS)
        assert office.exchange.sessions() == {BILLING: 2, ALERTS: 1}
        permits.lost = [BILLING]
        async with asyncio.timeout(5):
            while office.exchange.sessions()[BILLING] > 1:
                await asyncio.sleep(0.01)
        assert office.exchange.sessions()[ALERTS] == 1
    await until_closed(office)
    await send(pool)  # with a new permit, by a new session that stays
    await asyncio.sleep(0.05)
    assert office.exchange.sessions()[BILLING] == 1
    assert permits.asked[-1] == (BILLING, 1)


async def test_storage_that_is_away_for_a_moment_closes_nothing(
    office: Office365Server, make_pool: MakePool
) -> None:
    permits = Permits()
    pool = make_pool(permits=permits, idle_limit=SWEEPS)
    await send(pool)
    permits.errors = [StorageUnavailableError("Storage does not answer.")] * 2
    async with asyncio.timeout(5):
        while len(permits.kept) < 4:
            await asyncio.sleep(0.01)
    await send(pool)
    assert office.counters.connections == 1


async def test_processes_never_have_more_sessions_than_the_mailbox_together(
    office: Office365Server, make_pool: MakePool, make_governor: MakeGovernor
) -> None:
    office.faults.add([Fault("bdat", "hang", seconds=0.02, times=None)])
    pools = [make_pool(permits=make_governor()) for _ in range(5)]

    async def insist(pool: SessionPool) -> bool:
        try:
            await send(pool)
        except SessionError:
            return False
        return True

    sent = await asyncio.gather(*(insist(pool) for pool in pools for _ in range(6)))
    assert office.counters.concurrent_max[BILLING] <= 3
    assert office.counters.over_limit == {}
    assert len(office.messages) == sum(sent) > 0
