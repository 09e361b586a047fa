"""What is unknown is looked for in Sent Items, and settled by what is found there."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.contoso import MAILBOXES
from shared.errors import InboxUnavailableError
from shared.messages.record import MessageRecord, RecipientRecord, TimelineEntry
from tests.delivery.post import Post

BILLING, ALERTS = MAILBOXES
HOUR = timedelta(hours=1)


@pytest.fixture
def looking(post: Post) -> Post:
    """A process that reads returned mail, and so can look."""
    return with_settings(post)


def with_settings(post: Post, **changes: Any) -> Post:
    post.settings = replace(post.settings, returned_mail="graph", **changes)
    post.join()
    return post


async def unknown(post: Post, **changes: Any) -> MessageRecord:
    """A message whose process died between the end of the data and the reply."""
    message_id = await post.accept()
    await post.take()
    record = await post.record(message_id)
    until = post.clock.now + timedelta(seconds=120)
    attempt: dict[str, Any] = {"status": "sending", "owner": "dead", "attempt": 1, **changes}
    sending = replace(record, mailbox=BILLING, lease_until=until, **attempt)
    await post.ledger.change(record, sending)
    post.clock.now = max(until, record.due or until) + timedelta(seconds=1)
    await post.reconciliation.run()
    ended = await post.record(message_id)
    assert ended.status == "unknown"
    return ended


async def later(post: Post, record: MessageRecord) -> MessageRecord:
    """The record after the next look for it."""
    assert record.due is not None
    post.clock.now = record.due
    await post.reconciliation.run()
    return await post.record(record.id)


async def test_a_copy_proves_that_it_was_sent(looking: Post) -> None:
    record = await unknown(looking)
    assert "Sent Items until" in record.fix
    assert await looking.reconciliation.run() == 0  # copies take a moment
    assert looking.sent_items.looks == []
    looking.sent_items.copies_of[BILLING] = [record.message_id]
    sent = await later(looking, record)
    assert (sent.status, sent.due, [r.status for r in sent.recipients]) == ("sent", None, ["sent"])
    assert sent.detail == f"Resolved as sent: a copy is in the Sent Items of {BILLING}."
    assert await looking.queue.depth() == 0
    looking.clock.advance(hours=2)
    assert await looking.reconciliation.run() == 0


async def test_it_is_looked_for_a_few_times_within_an_hour(looking: Post) -> None:
    record = await unknown(looking)
    began, times = looking.clock.now, []
    while record.due is not None:
        times.append(round((record.due - began) / timedelta(minutes=1)))
        record = await later(looking, record)
    assert times == [1, 3, 7, 15, 31, 60]
    assert looking.sent_items.looks == [record.message_id] * 6
    assert record.status == "unknown"  # that there is no copy proves nothing
    assert "No copy was found" in record.fix
    assert "not sent again by itself" in record.fix


async def test_it_may_be_sent_again_then(looking: Post) -> None:
    with_settings(looking, unknown="resend")
    record = await unknown(looking)
    assert "sent again if it is not there" in record.fix
    while record.status == "unknown":
        record = await later(looking, record)
    assert looking.clock.now - (record.restarted_at or looking.clock.now) == timedelta(0)
    await looking.run_queue()
    assert (await looking.record(record.id)).status == "sent"
    assert len(looking.mails(record.id)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"returned_mail": "off"},
        {"sent_items": 0},
        {"returned_mailboxes": (ALERTS,)},
    ],
)
async def test_where_nothing_can_be_seen_nobody_looks(post: Post, changes: Any) -> None:
    post.settings = replace(post.settings, **{"returned_mail": "graph", **changes})
    post.join()
    record = await unknown(post)
    assert record.due is None
    assert "Look for the Message-ID" in record.fix
    assert post.sent_items.looks == []


async def test_a_copy_of_an_earlier_attempt_proves_nothing(looking: Post) -> None:
    """It was sent to one recipient, and then tried again for another, under the same Message-ID."""
    earlier = TimelineEntry(
        type="sent", at=looking.clock.now, attempt=1, recipients=("b@example.com",), mailbox=BILLING
    )
    people = (RecipientRecord("ana@example.com"), RecipientRecord("b@example.com", "sent"))
    ended = await unknown(looking, attempt=2, recipients=people, history=(earlier,))
    looking.sent_items.copies_of[BILLING] = [ended.message_id]
    ended = await later(looking, ended)
    assert ended.status == "unknown"
    looking.sent_items.copies_of[BILLING].append(ended.message_id)
    assert (await later(looking, ended)).status == "sent"


async def test_a_mailbox_that_cannot_be_seen_decides_nothing(
    looking: Post, caplog: pytest.LogCaptureFixture
) -> None:
    with_settings(looking, unknown="resend")
    looking.sent_items.error = InboxUnavailableError("It is away.", fix="Wait for it.")
    record = await unknown(looking)
    ended = looking.clock.now
    while looking.clock.now < ended + HOUR:
        record = await later(looking, record)
    assert (record.status, record.due) == ("unknown", looking.clock.now + timedelta(minutes=15))
    assert "It is away. Wait for it." in caplog.text
    while record.due is not None:
        record = await later(looking, record)
    assert looking.clock.now - ended >= timedelta(hours=25)
    assert record.status == "unknown"
    assert "could not look" in record.fix


async def test_somebody_is_faster(looking: Post) -> None:
    record = await unknown(looking)
    looking.sent_items.copies_of[BILLING] = [record.message_id]
    claimed = await looking.settling.claim(record)
    await looking.resolution.resolve(record.id, "failed")
    assert await looking.settling.look([claimed]) == 0
    assert (await looking.record(record.id)).status == "failed"


async def test_two_instances_look_once(looking: Post) -> None:
    record = await unknown(looking)
    other = looking.another()
    other.sent_items = looking.sent_items
    assert record.due is not None
    looking.clock.now = record.due
    await asyncio.gather(looking.reconciliation.run(), other.reconciliation.run())
    assert looking.sent_items.looks == [record.message_id]
