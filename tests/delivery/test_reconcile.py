"""What nobody is at work on is brought back; what somebody is at work on is left alone."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.delivery.gate import Gate, Refused
from shared.messages.identity import queue_reference
from shared.messages.ledger import PARTITIONS
from shared.messages.record import MessageRecord
from shared.quota import Slot
from shared.storage.tables import Row, Table, Write
from tests.delivery.post import Post

AFTER = timedelta(seconds=120)


async def interrupted(post: Post) -> MessageRecord:
    """A message whose process was killed in the middle."""
    message_id = await post.accept()
    await post.take()
    queued = await post.record(message_id)
    until = post.clock.now + timedelta(seconds=120)
    return await post.ledger.change(
        queued, replace(queued, status="sending", owner="dead", attempt=1, lease_until=until)
    )


async def test_a_lost_queue_message_is_replaced(post: Post) -> None:
    message_id = await post.accept()
    assert await post.take() == [queue_reference(message_id)]  # and lost
    assert await post.reconciliation.run() == 0  # not due yet
    post.clock.advance(seconds=120)
    assert await post.reconciliation.run() == 1
    assert await post.run_queue() == 1
    assert (await post.record(message_id)).status == "sent"
    assert await post.reconciliation.run() == 0


async def test_a_lost_retry_is_replaced_after_its_time(post: Post) -> None:
    message_id = await post.accept(to=[{"email": "later@example.com"}])
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "queued"
    await post.clear_queue()
    post.clock.advance(seconds=120)
    assert await post.reconciliation.run() == 0
    post.clock.advance(seconds=15)
    assert await post.reconciliation.run() == 1
    assert await post.take() == [queue_reference(message_id)]


async def test_a_queue_with_older_messages_at_its_head_has_not_lost_it(post: Post) -> None:
    await post.queue.send('{"older":1}')
    await asyncio.sleep(1.1)  # the queue's times are whole seconds
    post.clock.now += timedelta(seconds=1.1)
    message_id = await post.accept()
    post.clock.advance(seconds=121)
    assert await post.reconciliation.run() == 0
    assert await post.queue.depth() == 2
    record = await post.record(message_id)
    assert record.checks == 1
    assert record.due == post.clock.now + 2 * AFTER
    for checks in (2, 3):
        assert record.due is not None
        post.clock.now = record.due
        assert await post.reconciliation.run() == 0
        record = await post.record(message_id)
        assert record.checks == checks
    assert record.due is not None
    post.clock.now = record.due
    assert await post.reconciliation.run() == 1  # to be sure: a double does no harm
    assert await post.queue.depth() == 3


async def test_checks_become_rare(post: Post) -> None:
    message_id = await post.accept()
    waits = []
    for _ in range(10):
        record = await post.record(message_id)
        assert record.due is not None
        post.clock.now = record.due
        await post.reconciliation.run()
        await post.take()
        due = (await post.record(message_id)).due
        assert due is not None
        waits.append((due - post.clock.now) / AFTER)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 180, 180, 180]  # six hours at most


async def test_an_attempt_whose_owner_is_gone_is_unknown(post: Post) -> None:
    record = await interrupted(post)
    post.clock.advance(seconds=121)
    assert await post.reconciliation.run() == 1
    ended = await post.record(record.id)
    assert (ended.status, ended.finished_at) == ("unknown", post.clock.now)
    assert await post.queue.depth() == 0


async def test_an_attempt_that_is_to_be_made_again_is_enqueued(post: Post) -> None:
    post.settings = replace(post.settings, unknown="resend")
    post.join()
    record = await interrupted(post)
    post.clock.advance(seconds=121)
    assert await post.reconciliation.run() == 1
    waiting = await post.record(record.id)
    assert (waiting.status, waiting.owner) == ("queued", "")
    assert await post.queue.depth() == 1
    post.clock.advance(seconds=15)
    await post.delivery.deliver(record.id)
    assert (await post.record(record.id)).status == "sent"


async def test_an_urgent_message_is_brought_back_to_its_own_queue(post: Post) -> None:
    message_id = await post.accept(priority="high")
    assert await post.take(post.high) == [queue_reference(message_id)]  # and lost
    await post.queue.send('{"older":1}')  # says nothing about the other queue
    post.clock.advance(seconds=120)
    assert await post.reconciliation.run() == 1
    assert await post.take(post.high) == [queue_reference(message_id)]


async def test_an_owner_that_lives_is_left_alone(post: Post) -> None:
    record = await interrupted(post)
    alive = post.clock.now + timedelta(minutes=5)
    await post.ledger.extend_lease(record, alive)
    post.clock.advance(seconds=121)
    assert await post.reconciliation.run() == 0
    kept = await post.record(record.id)
    assert (kept.status, kept.owner, kept.due) == ("sending", "dead", alive)
    post.clock.now = alive
    assert await post.reconciliation.run() == 1
    assert (await post.record(record.id)).status == "unknown"


async def test_a_scheduled_message_whose_queue_message_was_lost_goes_out(post: Post) -> None:
    when = post.clock.now + timedelta(days=30)
    message_id = await post.accept(send_at=when.isoformat())
    await post.clear_queue()
    post.clock.now = when
    assert await post.reconciliation.run() == 0
    post.clock.advance(seconds=120)
    assert await post.reconciliation.run() == 1
    await post.run_queue()
    assert (await post.record(message_id)).status == "sent"


async def test_entries_that_no_record_accounts_for_are_forgotten(post: Post) -> None:
    message_id = await post.accept()
    await post.run_queue()
    table = Table(post.storage, "messages")
    for stray in (message_id, "never-recorded"):
        partition = hashlib.sha256(stray.encode()).hexdigest()[0]
        await table.write(Write("put", Row(partition, f"due-20260101T000000000000-{stray}")))
    assert await post.reconciliation.run() == 0
    for partition in PARTITIONS:
        assert await post.ledger.due(partition, post.clock.now, limit=9) == []
    assert (await post.record(message_id)).status == "sent"


async def test_more_than_a_page_of_one_partition_is_brought_back_in_one_run(post: Post) -> None:
    seed = await post.accept()
    await post.take()
    record = await post.record(seed)
    post.clock.advance(seconds=120)
    numbers = (f"n{i}" for i in range(10_000))
    ids = [n for n in numbers if hashlib.sha256(n.encode()).hexdigest()[0] == "7"][:105]
    for message_id in ids:
        await post.ledger.add(replace(record, id=message_id), {})
    assert await post.reconciliation.run() == 106
    assert await post.queue.depth() == 106


async def test_two_reconciliations_at_once_do_no_harm(post: Post) -> None:
    ids = [await post.accept() for _ in range(6)]
    sleepers = [await interrupted(post) for _ in range(3)]
    await post.take()
    post.clock.advance(seconds=121)
    other = post.another()
    await asyncio.gather(post.reconciliation.run(), other.reconciliation.run())
    while await post.run_queue():
        pass
    for message_id in ids:
        assert (await post.record(message_id)).status == "sent"
        assert len(post.mails(message_id)) == 1
    for sleeper in sleepers:
        assert (await post.record(sleeper.id)).status == "unknown"


class Looking(Gate):
    """While a message waits here for its slot, the timer comes by."""

    def __init__(self, post: Post) -> None:
        super().__init__(post.governor, clock=post.ticking)
        self.post = post

    async def enter(self, *args: Any, **others: Any) -> Slot | Refused:
        answer = await super().enter(*args, **others)
        self.post.clock.advance(seconds=121)
        assert await self.post.reconciliation.run() == 0  # the queue's head is older than it
        return answer


async def test_a_look_at_what_waits_for_its_slot_costs_it_nothing(post: Post) -> None:
    """The timer notes that it has looked, and so changes the record under the delivery."""
    await post.queue.send('{"older":1}')
    await asyncio.sleep(1.1)  # the queue's times are whole seconds
    post.clock.now += timedelta(seconds=1.1)
    message_id = await post.accept()
    client = post.storage.queues.get_queue_client(post.queue.name)
    for taken in [one async for one in client.receive_messages()]:
        if taken.content == queue_reference(message_id):
            await client.delete_message(taken)
        else:
            await client.update_message(taken, visibility_timeout=0)
    post.delivery._gate = Looking(post)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.checks) == ("queued", 1)
    assert queue_reference(message_id) in await post.take()
    post.join()
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_a_delivery_at_the_same_time_does_no_harm(post: Post) -> None:
    ids = [await post.accept() for _ in range(6)]
    post.clock.advance(seconds=121)
    await asyncio.gather(
        post.reconciliation.run(), *(post.delivery.deliver(message_id) for message_id in ids)
    )
    while await post.run_queue():
        pass
    for message_id in ids:
        assert (await post.record(message_id)).status == "sent"
        assert len(post.mails(message_id)) == 1
