"""Sessions that stay open: how many, how long, and what ends them."""

import asyncio
from datetime import timedelta

import pytest

from local.office365 import Fault, Office365Server
from shared.delivery.pool import SessionPool
from shared.delivery.session import SessionError, SignIn, SmtpSession
from shared.errors import CredentialUnavailableError
from tests.delivery.conftest import (
    ALERTS,
    BILLING,
    MakePool,
    OpenSession,
    SignIns,
    Unlimited,
)
from tests.delivery.envelope import CONTENT, mail
from tests.storage.account import StoppedClock


async def send(pool: SessionPool, mailbox: str = BILLING) -> None:
    """Hands one mail over."""
    content = CONTENT.replace(BILLING.encode(), mailbox.encode())
    async with pool.session(mailbox) as session:
        handover = await session.hand_over(mail(sender=mailbox, content=content))
    assert handover.accepted


async def test_one_session_takes_many_mails(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns
) -> None:
    pool = make_pool()
    for _ in range(8):
        await send(pool)
    assert (office.counters.connections, office.counters.auths) == (1, 1)
    assert len({kept.session_id for kept in office.messages}) == 1
    assert len(office.messages) == 8
    assert sign_ins.asked == [None]


async def test_each_mailbox_has_its_own(office: Office365Server, make_pool: MakePool) -> None:
    pool = make_pool()
    for mailbox in (BILLING, ALERTS, BILLING, ALERTS):
        await send(pool, mailbox)
    assert office.counters.connections == 2
    assert office.exchange.sessions() == {BILLING: 1, ALERTS: 1}


@pytest.mark.parametrize("size", [1, 3])
async def test_no_more_sessions_than_allowed_however_many_mails(
    office: Office365Server, make_pool: MakePool, size: int
) -> None:
    office.faults.add([Fault("bdat", "hang", seconds=0.02, times=None)])
    pool = make_pool(size)
    await asyncio.gather(*(send(pool) for _ in range(12)))
    assert len(office.messages) == 12
    assert office.counters.concurrent_max[BILLING] == size
    assert office.counters.connections == size
    assert office.counters.over_limit == {}


async def test_a_mailbox_that_is_busy_does_not_hold_up_another(
    office: Office365Server, make_pool: MakePool
) -> None:
    pool = make_pool(1)
    async with pool.session(BILLING):
        waiting = asyncio.create_task(send(pool, BILLING))
        await send(pool, ALERTS)
        assert not waiting.done()
    await waiting
    assert len(office.messages) == 2


async def test_a_refused_token_is_replaced_once_and_the_fresh_one_works(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns
) -> None:
    stale = sign_ins.token()[:-8] + "AAAAAAAA"
    sign_ins.next = [stale]
    await send(make_pool())
    first, second = sign_ins.asked
    assert first is None
    assert second is not None
    assert second.secret == stale
    assert office.counters.auths == 2


@pytest.mark.parametrize("reply", ["501 5.5.127 Token is about to expire", "535 5.7.142 Expired"])
async def test_so_is_one_that_high_volume_email_refuses(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns, reply: str
) -> None:
    office.faults.add([Fault("auth", "reply", reply=reply)])
    await send(make_pool())
    assert len(sign_ins.asked) == 2


async def test_a_second_refusal_is_told(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns
) -> None:
    office.faults.add([Fault("auth", "reply", reply="535 5.7.3 No", times=None)])
    pool = make_pool()
    with pytest.raises(SessionError) as raised:
        await send(pool)
    assert raised.value.reply is not None
    assert raised.value.reply.enhanced == "5.7.3"
    assert len(sign_ins.asked) == 2
    office.faults.clear()
    await send(pool)  # the slot is free again


@pytest.mark.parametrize(
    "reply",
    ["535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant",
     "454 4.7.0 Temporary authentication failure", "530 5.7.57 Not authenticated"],
)  # fmt: skip
async def test_a_fresh_token_is_not_tried_where_the_token_is_not_the_cause(
    office: Office365Server, make_pool: MakePool, sign_ins: SignIns, reply: str
) -> None:
    office.faults.add([Fault("auth", "reply", reply=reply)])
    with pytest.raises(SessionError):
        await send(make_pool())
    assert sign_ins.asked == [None]


async def test_no_token_no_session_and_the_slot_is_free_again(
    make_pool: MakePool, sign_ins: SignIns
) -> None:
    pool = make_pool(1)
    sign_ins.next = [CredentialUnavailableError("Entra ID does not answer.")]
    with pytest.raises(CredentialUnavailableError):
        await send(pool)
    await send(pool)


async def test_a_session_that_was_idle_is_asked_before_its_use(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    office.faults.add([Fault("noop", "hang", seconds=0, times=None)])
    pool = make_pool()
    await send(pool)
    clock.advance(seconds=4)
    await send(pool)
    assert office.faults.as_json()[0]["struck"] == 0
    clock.advance(seconds=6)
    await send(pool)
    assert office.faults.as_json()[0]["struck"] == 1
    assert office.counters.connections == 1


@pytest.mark.parametrize("action", ["drop", "421", "reply"])
async def test_an_idle_session_that_is_gone_is_replaced_before_the_mail(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock, action: str
) -> None:
    pool = make_pool()
    await send(pool)
    office.faults.add([Fault("noop", action)])
    clock.advance(seconds=10)
    await send(pool)
    assert len(office.messages) == 2
    assert office.counters.connections == 2


async def test_a_session_that_broke_is_not_given_out_again(
    office: Office365Server, make_pool: MakePool
) -> None:
    pool = make_pool()
    office.faults.add([Fault("end-of-data", "drop-after-reply")])
    await send(pool)
    await asyncio.sleep(0.05)
    await send(pool)
    assert len(office.messages) == 2
    assert office.counters.connections == 2


async def test_a_session_ends_before_its_token(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock, sign_ins: SignIns
) -> None:
    sign_ins.life = timedelta(minutes=10)
    pool = make_pool()
    await send(pool)
    clock.advance(minutes=7, seconds=59)
    await send(pool)
    assert office.counters.connections == 1
    clock.advance(seconds=1)
    await send(pool)
    assert (office.counters.connections, len(sign_ins.asked)) == (2, 2)


async def test_a_session_ends_at_half_an_hour(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    pool = make_pool()
    await send(pool)
    clock.advance(minutes=29)
    await send(pool)
    assert office.counters.connections == 1
    clock.advance(minutes=1)
    await send(pool)
    assert office.counters.connections == 2
    await asyncio.sleep(0.05)
    assert office.exchange.sessions()[BILLING] == 1  # the old one has been closed


async def test_a_session_that_ends_while_it_is_used_is_closed_afterwards(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    pool = make_pool()
    async with pool.session(BILLING) as session:
        clock.advance(minutes=31)
        assert (await session.hand_over(mail())).accepted
    assert not session.usable
    await asyncio.sleep(0.05)
    assert office.exchange.sessions()[BILLING] == 0


async def test_idle_sessions_are_swept_away(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    pool = make_pool(idle_limit=timedelta(seconds=0.08))  # looks around each 20 ms of true time
    await send(pool)
    await asyncio.sleep(0.1)
    assert office.exchange.sessions()[BILLING] == 1  # by the pool's own clock no time has passed
    clock.advance(seconds=1)
    async with asyncio.timeout(5):
        while office.exchange.sessions()[BILLING]:
            await asyncio.sleep(0.01)
    await send(pool)
    assert office.counters.connections == 2


async def test_a_cancelled_hand_over_drops_its_session(
    office: Office365Server, make_pool: MakePool
) -> None:
    office.faults.add([Fault("bdat", "hang", seconds=30)])
    pool = make_pool(1)
    task = asyncio.create_task(send(pool))
    async with asyncio.timeout(5):
        while not office.counters.faults:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await send(pool)
    assert len(office.messages) == 1
    assert office.counters.connections == 2


async def test_a_cancelled_check_drops_its_session(
    office: Office365Server, make_pool: MakePool, clock: StoppedClock
) -> None:
    pool = make_pool(1)
    await send(pool)
    office.faults.add([Fault("noop", "hang", seconds=30)])
    clock.advance(seconds=10)
    task = asyncio.create_task(send(pool))
    async with asyncio.timeout(5):
        while not office.counters.faults:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while office.exchange.sessions()[BILLING]:
            await asyncio.sleep(0.01)


async def test_an_error_in_the_middle_drops_the_session(
    office: Office365Server, make_pool: MakePool
) -> None:
    pool = make_pool(1)
    used: list[SmtpSession] = []

    async def fail() -> None:
        async with pool.session(BILLING) as session:
            used.append(session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert not used[0].usable
    await send(pool)
    assert office.counters.connections == 2


async def test_closing_ends_idle_sessions_with_goodbye(
    office: Office365Server, make_pool: MakePool
) -> None:
    office.faults.add([Fault("quit", "hang", seconds=0, times=None)])
    pool = make_pool()
    await asyncio.gather(*(send(pool) for _ in range(3)))
    await pool.aclose()
    await pool.aclose()
    assert office.faults.as_json()[0]["struck"] == office.counters.connections
    await asyncio.sleep(0.05)
    assert office.exchange.sessions()[BILLING] == 0


async def test_a_session_in_use_is_closed_when_it_comes_back_to_a_closed_pool(
    office: Office365Server, make_pool: MakePool
) -> None:
    pool = make_pool()
    async with pool.session(BILLING) as session:
        await pool.aclose()
        assert (await session.hand_over(mail())).accepted
    assert not session.usable


async def test_a_sign_in_without_end_lasts_as_long_as_a_session(
    office: Office365Server, open_: OpenSession, clock: StoppedClock, sign_ins: SignIns
) -> None:
    async def without_end(mailbox: str, rejected: SignIn | None) -> SignIn:
        return SignIn(mailbox, (await sign_ins(mailbox, rejected)).secret)

    async def opener(sign_in: SignIn) -> SmtpSession:
        return await open_(sign_in=sign_in)

    pool = SessionPool(opener, without_end, permits=Unlimited(), size=1, clock=clock)
    await send(pool)
    clock.advance(minutes=29)
    await send(pool)
    await pool.aclose()
    assert office.counters.connections == 1
