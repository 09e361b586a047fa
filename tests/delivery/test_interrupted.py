"""Crashes, slow owners and failing storage: nothing is lost, and nothing goes out twice.

A process that is killed is one that stops anywhere: here its task is cancelled, or storage raises
what nobody catches.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.office365 import Fault
from shared.errors import ChangedError, StorageUnavailableError
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from shared.storage.connection import StorageConnection
from tests.delivery.post import Post

LEASE = timedelta(seconds=120)


class KilledError(Exception):
    """The process ended here."""


class FailingLedger(Ledger):
    """A ledger that fails at `times` changes for which `at` holds: before, or after the write."""

    def __init__(
        self, storage: StorageConnection, error: Exception, *, at: str, times: int = 1,
        written: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(storage)
        self._error, self._at, self._times, self._written = error, at, times, written

    async def change(
        self, old: MessageRecord, new: MessageRecord, *, also: Mapping[str, Any] | None = None
    ) -> MessageRecord:
        struck = new.status == self._at and self._times > 0
        self._times -= struck
        if struck and not self._written:
            raise self._error
        changed = await super().change(old, new, also=also or {})
        if struck:
            raise self._error
        return changed


async def kill_while(post: Post, message_id: str, fault: Fault) -> None:
    """Delivers until the server holds the delivery up, and ends the process there."""
    post.office.faults.add([fault])
    before = post.office.counters.faults
    task = asyncio.create_task(post.delivery.deliver(message_id))
    async with asyncio.timeout(5):
        while post.office.counters.faults == before:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    post.office.faults.clear()


@pytest.mark.parametrize("stage", ["mail", "rcpt", "bdat", "end-of-data"])
async def test_a_kill_while_handing_over_is_unknown_and_never_sent_again(
    post: Post, stage: str
) -> None:
    message_id = await post.accept()
    await kill_while(post, message_id, Fault(stage, "accept-and-hang", seconds=30))
    taken = len(post.mails(message_id))
    assert taken == (stage == "end-of-data")
    record = await post.record(message_id)
    assert (record.status, record.lease_until) == ("sending", post.clock.now + LEASE)
    other = post.another()
    await other.delivery.deliver(message_id)  # the queue message comes back: its owner may live
    assert (await post.record(message_id)).etag == record.etag
    post.clock.advance(seconds=119)
    await other.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sending"
    post.clock.advance(seconds=1)
    await other.delivery.deliver(message_id)
    ended = await post.record(message_id)
    assert (ended.status, ended.owner, ended.due) == ("unknown", "", None)
    assert "Sent Items" in ended.fix
    await other.delivery.deliver(message_id)
    assert len(post.mails(message_id)) == taken
    assert await post.told(message_id) == [(1, "unknown")]


async def test_a_kill_before_the_claim_leaves_the_message_queued(post: Post) -> None:
    message_id = await post.accept()
    await kill_while(post, message_id, Fault("auth", "hang", seconds=30))
    assert (await post.record(message_id)).status == "queued"
    await post.another().delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


@pytest.mark.parametrize(
    ("outcome", "address"), [("sent", "ana@example.com"), ("queued", "full@example.com")]
)
async def test_a_kill_before_the_outcome_is_written_is_unknown_whatever_it_was(
    post: Post, outcome: str, address: str
) -> None:
    """The server has answered, and nobody was told: the outcome is one write, or none."""
    message_id = await post.accept(to=[{"email": "bo@example.com"}, {"email": address}])
    await post.take()
    post.ledger = FailingLedger(post.storage, KilledError(), at=outcome)
    post.join()
    with pytest.raises(KilledError):
        await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.history) == ("sending", ())
    other = post.another()
    post.clock.advance(seconds=120)
    await other.delivery.deliver(message_id)
    ended = await post.record(message_id)
    assert (ended.status, ended.attempt) == ("unknown", 1)
    assert "Sent Items" in ended.fix
    assert [r.status for r in ended.recipients] == ["pending", "pending"]
    assert await post.told(message_id) == [(1, "unknown")]
    await other.delivery.deliver(message_id)
    assert len(post.mails(message_id)) == 1
    assert await post.queue.depth() == 0


async def test_where_the_settings_say_so_what_is_unknown_is_sent_again(post: Post) -> None:
    message_id = await post.accept()
    await post.take()
    await kill_while(post, message_id, Fault("end-of-data", "accept-and-hang", seconds=30))
    other = post.another()
    other.settings = replace(post.settings, unknown="resend")
    other.join()
    post.clock.advance(seconds=120)
    await other.delivery.deliver(message_id)
    waiting = await post.record(message_id)
    assert (waiting.status, waiting.owner) == ("queued", "")
    assert waiting.not_before == post.clock.now + timedelta(seconds=15)
    assert await post.queue.depth() == 1
    post.clock.advance(seconds=15)
    await other.delivery.deliver(message_id)
    assert await post.told(message_id) == [(1, "unknown"), (2, "sent")]
    first, second = post.mails(message_id)
    assert first.content == second.content  # the same Message-ID: the risk that was chosen


async def test_a_slow_owner_s_word_counts_though_it_was_given_up_for_lost(post: Post) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("end-of-data", "accept-and-hang", seconds=0.4)])
    owner = asyncio.create_task(post.delivery.deliver(message_id))
    async with asyncio.timeout(5):
        while not post.mails(message_id):
            await asyncio.sleep(0.01)
    post.clock.advance(seconds=121)  # its lease was not renewed: its clock stood still
    await post.another().delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "unknown"
    await owner
    record = await post.record(message_id)
    assert (record.status, record.recipients[0].status) == ("sent", "sent")
    assert record.server_id
    assert (record.detail, record.fix) == ("", "")
    assert await post.told(message_id) == [(1, "unknown"), (1, "sent")]
    assert len(post.mails(message_id)) == 1


async def test_a_slow_owner_s_word_counts_though_the_message_was_to_be_sent_again(
    post: Post,
) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("end-of-data", "accept-and-hang", seconds=0.4)])
    owner = asyncio.create_task(post.delivery.deliver(message_id))
    async with asyncio.timeout(5):
        while not post.mails(message_id):
            await asyncio.sleep(0.01)
    post.clock.advance(seconds=121)
    other = post.another()
    other.settings = replace(post.settings, unknown="resend")
    other.join()
    await other.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    await owner
    assert (await post.record(message_id)).status == "sent"
    post.clock.advance(seconds=15)
    await other.delivery.deliver(message_id)
    assert len(post.mails(message_id)) == 1


async def test_a_long_hand_over_renews_its_lease(post: Post) -> None:
    post.settings = replace(post.settings, lease=0.15)  # type: ignore[arg-type]
    post.join()
    message_id = await post.accept()
    post.office.faults.add([Fault("bdat", "hang", seconds=0.4)])
    delivery = asyncio.create_task(post.delivery.deliver(message_id))
    leases: set[datetime | None] = set()
    async with asyncio.timeout(5):
        while not delivery.done():
            post.clock.advance(seconds=0.01)
            record = await post.record(message_id)
            leases.add(record.lease_until)
    await delivery
    assert len(leases) > 2
    record = await post.record(message_id)
    assert (record.status, record.owner) == ("sent", "")


# Storage that fails after the server has accepted


@pytest.mark.parametrize("written", [False, True], ids=["not written", "answer lost"])
@pytest.mark.parametrize("times", [1, 2])
async def test_storage_that_fails_after_the_hand_over_forgets_no_outcome(
    post: Post, times: int, *, written: bool
) -> None:
    message_id = await post.accept()
    away = StorageUnavailableError("Storage does not answer.")
    post.ledger = FailingLedger(post.storage, away, at="sent", times=times, written=written)
    post.join()
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.owner) == ("sent", "")
    assert record.server_id
    assert await post.told(message_id) == [(1, "sent")]
    assert len(post.mails(message_id)) == 1


async def test_a_lost_answer_to_a_retry_s_record_puts_it_on_the_queue_all_the_same(
    post: Post,
) -> None:
    message_id = await post.accept()
    await post.take()
    post.office.faults.add([Fault("mail", "reply")])
    away = StorageUnavailableError("Storage does not answer.")
    post.ledger = FailingLedger(post.storage, away, at="queued", written=True)
    post.join()
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("queued", 1)
    assert await post.queue.depth() == 1


async def test_a_claim_that_was_not_written_hands_nothing_over(post: Post) -> None:
    message_id = await post.accept()
    away = StorageUnavailableError("Storage does not answer.")
    post.ledger = FailingLedger(post.storage, away, at="sending")
    post.join()
    with pytest.raises(StorageUnavailableError):
        await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    assert post.mails(message_id) == []
    await post.delivery.deliver(message_id)  # the queue message comes back
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_a_claim_whose_answer_was_lost_is_recognised_as_one_s_own(post: Post) -> None:
    """The storage client repeats a write whose answer it did not get, and is told "changed"."""
    message_id = await post.accept()
    post.ledger = FailingLedger(post.storage, ChangedError("412"), at="sending", written=True)
    post.join()
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("sent", 1)
    assert len(post.mails(message_id)) == 1


async def test_an_outcome_whose_answer_was_lost_is_recognised_too(post: Post) -> None:
    message_id = await post.accept()
    post.ledger = FailingLedger(post.storage, ChangedError("412"), at="sent", written=True)
    post.join()
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_a_claim_that_somebody_else_won_hands_nothing_over(post: Post) -> None:
    message_id = await post.accept()
    post.ledger = FailingLedger(post.storage, ChangedError("412"), at="sending")
    post.join()
    await post.delivery.deliver(message_id)
    assert post.mails(message_id) == []
    await post.another().delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_kills_at_any_moment_double_nothing(post: Post) -> None:
    """Twenty messages, each cut short after so many milliseconds, then brought to their end."""
    ids = [await post.accept() for _ in range(20)]
    await post.take()
    for number, message_id in enumerate(ids):
        task = asyncio.create_task(post.delivery.deliver(message_id))
        await asyncio.sleep(number * 0.0025)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    other = post.another()
    post.clock.advance(minutes=5)
    for _ in range(4):
        await other.reconciliation.run()
        await other.run_queue()
        post.clock.advance(minutes=10)
    for message_id in ids:
        status = (await post.record(message_id)).status
        mails = len(post.mails(message_id))
        assert (status, mails) in {("sent", 1), ("unknown", 0), ("unknown", 1)}
