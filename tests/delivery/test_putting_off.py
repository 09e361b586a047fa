"""Messages that get no slot now: back to their queue until their turn; and the urgent ones."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from local.office365 import Fault
from shared.delivery.gate import AWAY, WITHIN, Gate
from shared.errors import StorageUnavailableError
from shared.messages.identity import queue_reference
from shared.quota import Closed, Demand, Lane, Slot
from tests.delivery.conftest import BILLING, MakeGovernor, MakePool
from tests.delivery.post import Post

GRACE = timedelta(seconds=120)


class Turnstile:
    """A governor that has `answer` for everybody, and places at `at`."""

    def __init__(self, post: Post) -> None:
        self.clock = post.clock
        self.answer: Closed | None = None
        self.error: Exception | None = None
        self.at = post.clock.now
        self.asked: list[Demand] = []
        self.placed: list[Lane] = []
        self.returned: list[Slot] = []

    async def reserve(
        self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
    ) -> list[Slot | Closed | None]:
        assert within >= WITHIN
        assert mailboxes
        self.asked.extend(demands)
        if self.error is not None:
            raise self.error
        return [self.answer for _ in demands]

    async def give_back(self, slots: Sequence[Slot]) -> None:
        self.returned.extend(slots)

    def connects(self, mailboxes: Sequence[str]) -> bool:
        return True

    async def places(
        self, pool: Sequence[str], lane: Lane, count: int, *, again: bool = False
    ) -> list[datetime]:
        assert pool == (BILLING,)
        assert again
        self.placed.append(lane)
        return [self.at] * count

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)


@pytest.fixture
def turnstile(post: Post, monkeypatch: pytest.MonkeyPatch) -> Turnstile:
    """Stands where the gate and the governor do in the delivery; nobody is held on for long."""
    monkeypatch.setattr("shared.delivery.gate._FIRST_IN_ALL", 0)
    turnstile = Turnstile(post)
    post.delivery._gate = Gate(turnstile, clock=post.clock, sleep=turnstile.sleep)
    post.delivery._mailboxes = turnstile  # type: ignore[assignment]
    return turnstile


async def accepted(post: Post, **changes: object) -> str:
    """A message whose queue message is gone: somebody is at work on it."""
    message_id = await post.accept(**changes)
    await post.take()
    await post.take(post.high)
    return message_id


async def test_one_that_has_to_wait_for_its_turn_comes_again_at_its_new_place(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    before = await post.record(message_id)
    turnstile.at = post.clock.now + timedelta(seconds=30)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert record == before  # nothing is written for a short wait
    assert await post.queue.depth() == 1
    assert await post.take() == []  # invisible
    assert turnstile.placed == ["normal"]
    assert post.office.counters.connections == 0


async def test_its_place_is_a_little_later_at_the_least(post: Post, turnstile: Turnstile) -> None:
    message_id = await accepted(post)
    turnstile.at = post.clock.now - timedelta(hours=1)
    await post.delivery.deliver(message_id)
    assert await post.take() == []  # it would only stand at the gate again
    await asyncio.sleep(AWAY.total_seconds() + 1.1)
    assert await post.take() == [queue_reference(message_id)]


async def test_a_long_wait_is_written_down_so_that_nobody_looks_for_it_before(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    turnstile.at = post.clock.now + timedelta(hours=3)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt, record.detail) == ("queued", 0, "")
    assert (record.not_before, record.due) == (turnstile.at, turnstile.at + GRACE)
    assert record.history == ()
    post.clock.advance(hours=2)
    assert await post.reconciliation.run() == 0
    assert await post.queue.depth() == 1


async def test_a_wait_with_a_reason_is_written_down_with_the_fix(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    until = post.clock.now + timedelta(minutes=30)
    turnstile.answer = Closed(until, "550 5.1.90 Recipients used up", "Wait, or add a mailbox.")
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt, record.not_before) == ("queued", 0, until)
    assert (record.detail, record.fix) == (turnstile.answer.reason, turnstile.answer.fix)
    assert [(e.type, e.reply) for e in record.history] == [("deferred", turnstile.answer.reason)]
    assert record.due == until + GRACE
    assert len(turnstile.asked) == 1  # nobody waits at the gate for that


async def test_the_same_reason_is_told_once_though_its_replies_differ_in_their_ids(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    reasons = ["550 5.1.90 Full [A 1]", "550 5.1.90 Full [B 2]", "550 5.2.251 Blocked [C 3]"]
    for reason in reasons:
        until = post.clock.now + timedelta(minutes=1)
        turnstile.answer = Closed(until, reason, "Wait.")
        await post.delivery.deliver(message_id)
        post.clock.now = until
    record = await post.record(message_id)
    assert record.detail == reasons[-1]
    assert [entry.reply for entry in record.history] == [reasons[0], reasons[2]]


async def test_a_reason_that_lasts_beyond_the_deadline_ends_the_message(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    post.clock.advance(hours=24)
    turnstile.answer = Closed(post.clock.now + timedelta(hours=1), "550 5.1.90 Full", "Wait.")
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.fix) == ("failed", "Wait.")
    assert "deadline" in record.detail
    assert "550 5.1.90 Full" in record.detail


async def test_a_backlog_alone_ends_no_message(post: Post, turnstile: Turnstile) -> None:
    message_id = await accepted(post)
    post.clock.advance(days=9)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    assert turnstile.placed == ["normal"]
    assert await post.queue.depth() == 1


async def test_who_is_changed_meanwhile_is_not_put_back(post: Post, turnstile: Turnstile) -> None:
    message_id = await accepted(post)

    class Cancelling(Turnstile):
        async def reserve(
            self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
        ) -> list[Slot | Closed | None]:
            record = await post.record(message_id)
            await post.ledger.change(record, replace(record, status="cancelled"))
            return await super().reserve(mailboxes, demands, within=within)

    cancelling = Cancelling(post)
    cancelling.answer = Closed(post.clock.now + timedelta(hours=1), "550 5.1.90 Full", "Wait.")
    post.delivery._gate = Gate(cancelling, clock=post.clock, sleep=turnstile.sleep)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "cancelled"
    assert await post.queue.depth() == 0


async def test_who_is_only_looked_at_meanwhile_keeps_its_queue_message(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)

    class Noting(Turnstile):
        async def reserve(
            self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
        ) -> list[Slot | Closed | None]:
            record = await post.record(message_id)
            await post.ledger.change(record, replace(record, checks=record.checks + 1))
            return await super().reserve(mailboxes, demands, within=within)

    noting = Noting(post)
    noting.answer = Closed(post.clock.now + timedelta(hours=1), "550 5.1.90 Full", "Wait.")
    post.delivery._gate = Gate(noting, clock=post.clock, sleep=turnstile.sleep)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    assert await post.take() == [queue_reference(message_id)]


async def test_storage_that_is_away_leaves_the_message_as_it_is(
    post: Post, turnstile: Turnstile
) -> None:
    message_id = await accepted(post)
    before = await post.record(message_id)
    turnstile.error = StorageUnavailableError("Storage does not answer.")
    with pytest.raises(StorageUnavailableError):
        await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).etag == before.etag
    assert post.office.counters.connections == 0


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
async def test_what_is_asked_for_is_what_is_to_be_sent(
    post: Post, turnstile: Turnstile, priority: str
) -> None:
    message_id = await accepted(
        post, priority=priority, cc=[{"email": "cy@contoso.test"}, {"email": "di@example.com"}]
    )
    await post.delivery.deliver(message_id)
    assert set(turnstile.asked) == {Demand(3, external=2, lane=priority)}  # type: ignore[arg-type]


async def test_a_retry_asks_for_those_that_are_left(post: Post) -> None:
    message_id = await accepted(post, cc=[{"email": "cy@example.com"}])
    post.office.faults.add([Fault("rcpt", "reply", reply="452 4.2.2 Full", argument="cy@")])
    await post.delivery.deliver(message_id)
    turnstile = Turnstile(post)
    post.delivery._gate = Gate(turnstile, clock=post.clock, sleep=turnstile.sleep)
    post.clock.advance(seconds=15)
    await post.delivery.deliver(message_id)
    assert set(turnstile.asked) == {Demand(1, external=1)}


# Two queues


@pytest.mark.parametrize(("priority", "high"), [("high", 1), ("normal", 0), ("low", 0)])
async def test_urgent_messages_have_a_queue_of_their_own(
    post: Post, priority: str, high: int
) -> None:
    message_id = await post.accept(priority=priority)
    assert (await post.high.depth(), await post.queue.depth()) == (high, 1 - high)
    assert await post.run_queue() == 1
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_an_urgent_message_waits_for_its_retry_on_its_own_queue(post: Post) -> None:
    message_id = await post.accept(priority="high")
    post.office.faults.add([Fault("mail", "reply")])
    await post.run_queue()
    assert (await post.record(message_id)).status == "queued"
    assert (await post.high.depth(), await post.queue.depth()) == (1, 0)


async def test_an_urgent_message_is_not_kept_back_by_a_backlog(
    post: Post, make_pool: MakePool, make_governor: MakeGovernor
) -> None:
    """The mailbox has a backlog of minutes: others are given places, the urgent one goes."""
    post.governor = make_governor(messages_per_minute=30)
    post.pool = make_pool(permits=post.governor)
    post.join()
    ids = [await post.accept() for _ in range(20)]
    waits = [(await post.record(message_id)).not_before for message_id in ids]
    assert waits[0] is None
    last = max(wait for wait in waits if wait is not None)
    assert last > post.clock.now + timedelta(seconds=5)
    urgent = await post.accept(priority="high")
    assert (await post.record(urgent)).not_before is None
    assert await post.take(post.high) == [queue_reference(urgent)]
    await post.delivery.deliver(urgent)
    assert (await post.record(urgent)).status == "sent"


# Slots that are not used


async def test_a_slot_that_is_not_used_is_given_back(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[Slot] = []
    give_back = post.governor.give_back

    async def noted(slots: Sequence[Slot]) -> None:
        returned.extend(slots)
        await give_back(slots)

    monkeypatch.setattr(post.governor, "give_back", noted)
    message_id = await accepted(post)
    post.office.faults.add([Fault("auth", "drop")])
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    assert len(returned) == 1
    post.clock.advance(seconds=15)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(returned) == 1


async def test_a_hand_over_that_was_late_is_told_to_the_governor(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    def late(slot: Slot, at: datetime) -> None:
        told.append((at - slot.at).total_seconds())

    monkeypatch.setattr(post.governor, "late", late)
    message_id = await accepted(post)
    delivery = asyncio.create_task(post.delivery.deliver(message_id))
    post.office.faults.add([Fault("auth", "hang", seconds=0.2)])
    async with asyncio.timeout(5):
        while not post.office.counters.faults:
            await asyncio.sleep(0.01)
    post.clock.advance(seconds=7)
    await delivery
    assert (await post.record(message_id)).status == "sent"
    assert len(told) == 1
    assert told[0] > 6
