"""One message from its queue message to its status, on real storage and a real mail server."""

import asyncio
import email
import email.policy
from dataclasses import replace
from datetime import timedelta

import pytest

from local.office365 import Fault
from shared.errors import CredentialError, StorageUnavailableError
from shared.messages.identity import envelope_id
from shared.messages.record import MessageRecord
from shared.setting_values import Identity
from shared.storage.blobs import Container
from shared.storage.queues import Queue
from tests.delivery.conftest import ALERTS, BILLING, SignIns
from tests.delivery.post import Post

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
BO = [{"email": "ana@example.com"}, {"email": "bo@example.com"}]


def statuses(record: MessageRecord) -> dict[str, str]:
    return {r.email: r.status for r in record.recipients}


async def test_an_accepted_message_is_sent(post: Post) -> None:
    message_id = await post.accept(to=BO, cc=[{"email": "cy@example.com"}])
    assert await post.run_queue() == 1
    (mail,) = post.mails(message_id)
    record = await post.record(message_id)
    assert record.status == "sent"
    assert set(statuses(record).values()) == {"sent"}
    assert record.server_id == mail.message_id
    assert (record.attempt, record.mailbox, record.owner) == (1, BILLING, "")
    assert (record.finished_at, record.due, record.lease_until) == (post.clock.now, None, None)
    assert await post.told(message_id) == [(1, "sent")]
    assert await post.queue.depth() == 0
    assert mail.addresses == ("ana@example.com", "bo@example.com", "cy@example.com")
    assert mail.parameters["ENVID"] == envelope_id(message_id, record.message_id)
    assert mail.parameters["ENVID"].startswith(f"{message_id}.")
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert read["Message-ID"] == record.message_id
    assert read["Subject"] == "Your invoice 1042"
    assert read.get_content() == "Here it is.\r\n" or read.get_content() == "Here it is.\n"


async def test_a_large_message_takes_the_way_over_a_blob(post: Post) -> None:
    message_id = await post.accept(text="Grüße\n" * 40_000)
    await post.run_queue()
    (mail,) = post.mails(message_id)
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert read.get_content().splitlines() == ["Grüße"] * 40_000


async def test_bcc_is_in_the_envelope_alone(post: Post) -> None:
    message_id = await post.accept(bcc=[{"email": "hidden@example.com"}])
    await post.run_queue()
    (mail,) = post.mails(message_id)
    assert "hidden@example.com" in mail.addresses
    assert b"hidden" not in mail.content


async def test_one_of_three_is_refused_at_rcpt(post: Post) -> None:
    message_id = await post.accept(to=[*BO, {"email": "unknown@example.com"}])
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "sent"
    assert statuses(record) == {
        "ana@example.com": "sent", "bo@example.com": "sent", "unknown@example.com": "rejected",
    }  # fmt: skip
    assert record.recipients[2].code == "5.1.10"
    assert sorted(await post.told(message_id)) == [(1, "rejected"), (1, "sent")]


async def test_a_message_that_everybody_refuses_fails_with_the_advice(post: Post) -> None:
    message_id = await post.accept(to=[{"email": "unknown@example.com"}])
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.status, record.finished_at) == ("failed", post.clock.now)
    assert "5.1.10" in record.detail
    assert record.fix
    assert post.mails(message_id) == []


async def test_a_message_that_policy_refuses_fails_at_once(post: Post) -> None:
    message_id = await post.accept(to=[{"email": "refused@example.com"}])
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("failed", 1)
    assert "DMARC" in record.fix


async def test_a_transient_refusal_waits_and_is_tried_again(post: Post) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("end-of-data", "reply", reply="451 4.7.0 Not now")])
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "queued"
    assert record.not_before == post.clock.now + timedelta(seconds=15)
    assert record.due == record.not_before + timedelta(seconds=120)
    assert record.detail == "451 4.7.0 Not now"
    assert await post.queue.depth() == 1  # the retry, invisible until its time
    assert await post.take() == []
    post.clock.advance(seconds=10)
    await post.delivery.deliver(message_id)  # too early: somebody else's duplicate
    assert (await post.record(message_id)).etag == record.etag
    post.clock.advance(seconds=5)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert await post.told(message_id) == [(1, "deferred"), (2, "sent")]
    assert len(post.mails(message_id)) == 1


async def test_a_retry_goes_to_those_that_are_open_and_keeps_the_message_id(post: Post) -> None:
    message_id = await post.accept(to=[*BO, {"email": "unknown@example.com"}])
    post.office.faults.add([Fault("rcpt", "reply", reply="452 4.2.2 Full", argument="bo@")])
    await post.run_queue()
    record = await post.record(message_id)
    assert statuses(record)["bo@example.com"] == "deferred"
    post.clock.advance(seconds=15)
    await post.delivery.deliver(message_id)
    first, second = post.mails(message_id)
    assert first.addresses == ("ana@example.com",)
    assert second.addresses == ("bo@example.com",)
    assert first.content == second.content
    assert (await post.record(message_id)).status == "sent"


async def test_a_broken_connection_before_the_content_is_tried_again(post: Post) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("rcpt", "drop")])
    await post.run_queue()
    assert (await post.record(message_id)).status == "queued"
    post.clock.advance(seconds=15)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


@pytest.mark.parametrize(("action", "mails"), [("drop", 0), ("accept-and-drop", 1)])
async def test_a_broken_connection_after_the_content_is_unknown_and_never_sent_again(
    post: Post, action: str, mails: int
) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("end-of-data", action)])
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "unknown"
    assert "Sent Items" in record.fix
    post.clock.advance(days=2)
    await post.delivery.deliver(message_id)
    await post.reconciliation.run()
    await post.run_queue()
    assert (await post.record(message_id)).etag == record.etag
    assert len(post.mails(message_id)) == mails
    assert await post.queue.depth() == 0


async def test_the_deadline_ends_the_tries(post: Post) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("mail", "reply", reply="451 4.7.0 Never", times=None)])
    post.clock.advance(hours=23)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "queued"
    post.clock.advance(hours=1)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert record.status == "failed"
    assert "deadline" in record.detail


# What keeps an attempt from being made


async def test_without_a_token_the_message_waits_with_the_fix(
    post: Post, sign_ins: SignIns
) -> None:
    error = CredentialError("The secret has expired.", fix="Make a new one.", code="AADSTS7000222")
    sign_ins.next = [error]
    message_id = await post.accept()
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.status, statuses(record)) == ("queued", {"ana@example.com": "deferred"})
    assert "The secret has expired. Make a new one." in record.detail
    assert record.not_before == post.clock.now + timedelta(seconds=15)
    assert await post.queue.depth() == 1
    post.clock.advance(seconds=15)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"


async def test_a_server_that_is_away_makes_messages_wait(post: Post) -> None:
    await post.office.stop()
    message_id = await post.accept()
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "queued"
    assert "outbound traffic" in record.detail
    assert await post.told(message_id) == [(1, "deferred")]


async def test_a_sender_that_is_none_any_more_fails(post: Post) -> None:
    message_id = await post.accept()
    post.settings = replace(post.settings, senders={ALERTS: Identity((ALERTS,))})
    post.join()
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "failed"
    assert BILLING in record.detail


async def test_content_that_is_gone_fails_with_the_reason(post: Post) -> None:
    message_id = await post.accept(text="x" * 60_000)
    found = await post.ledger.get_with_content(message_id)
    assert found is not None
    await Container(post.storage, "mail-content").delete(found[1]["content_blob"])
    await post.run_queue()
    record = await post.record(message_id)
    assert record.status == "failed"
    assert "There is no blob" in record.detail


async def test_a_reference_to_no_record_is_passed_over(post: Post) -> None:
    await post.delivery.deliver("nobody")
    assert post.office.messages == ()


# Scheduled messages


async def test_a_scheduled_message_goes_out_at_its_time(post: Post) -> None:
    when = post.clock.now + timedelta(hours=1)
    message_id = await post.accept(send_at=when.isoformat())
    assert (await post.record(message_id)).status == "scheduled"
    assert await post.run_queue() == 0  # invisible until then
    assert await post.queue.depth() == 1
    post.clock.advance(minutes=59)
    await post.delivery.deliver(message_id)
    assert post.mails(message_id) == []
    assert (await post.record(message_id)).status == "scheduled"
    post.clock.advance(minutes=1)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"


@pytest.mark.parametrize("offset", ["+14:00", "-11:00"])
async def test_a_scheduled_message_of_another_zone_is_sent(post: Post, offset: str) -> None:
    hours = int(offset[:3])
    when = post.clock.now + timedelta(hours=1)
    local = (when + timedelta(hours=hours)).replace(tzinfo=None)
    message_id = await post.accept(send_at=f"{local.isoformat()}{offset}")
    post.clock.now = when
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"


async def test_a_message_further_ahead_than_a_queue_can_hide_is_put_back(post: Post) -> None:
    message_id = await post.accept(send_at=(post.clock.now + timedelta(days=30)).isoformat())
    assert await post.queue.depth() == 1
    post.clock.advance(days=6, hours=23, minutes=59)  # the queue shows it after all it can hide
    await post.delivery.deliver(message_id)
    assert await post.queue.depth() == 2
    assert await post.take() == []
    assert (await post.record(message_id)).status == "scheduled"
    post.clock.advance(days=23, minutes=1)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sent"


# Queues and duplicates


async def test_a_second_queue_message_after_the_end_sends_nothing(post: Post) -> None:
    message_id = await post.accept()
    for _ in range(3):
        await post.delivery.deliver(message_id)
    assert len(post.mails(message_id)) == 1
    assert await post.told(message_id) == [(1, "sent")]


async def test_a_second_queue_message_meanwhile_sends_nothing(post: Post) -> None:
    message_id = await post.accept()
    post.office.faults.add([Fault("end-of-data", "accept-and-hang", seconds=0.3)])
    first = asyncio.create_task(post.delivery.deliver(message_id))
    async with asyncio.timeout(5):
        while (await post.record(message_id)).status != "sending":
            await asyncio.sleep(0.02)
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).status == "sending"
    await first
    assert (await post.record(message_id)).status == "sent"
    assert len(post.mails(message_id)) == 1


async def test_two_processes_at_one_message_send_one_mail(post: Post) -> None:
    other = post.another()
    for _ in range(5):
        message_id = await post.accept()
        async with asyncio.timeout(5):
            while not (await post.record(message_id)).final:
                await asyncio.gather(
                    *(one.delivery.deliver(message_id) for one in (post, other, post, other))
                )
                post.clock.advance(seconds=3)  # who lost the race for a slot comes again
        assert len(post.mails(message_id)) == 1
        assert (await post.record(message_id)).status == "sent"
        assert await post.told(message_id) == [(1, "sent")]


async def test_a_queue_that_is_away_loses_nothing(post: Post) -> None:
    class Away(Queue):
        async def send(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
            raise StorageUnavailableError("Storage does not answer.")

    true_queue, post.outbox.ordinary = post.queue, Away(post.storage, "outbound-mail")
    message_id = await post.accept()  # accepted: the record is there
    post.outbox.ordinary = true_queue
    assert await post.queue.depth() == 0
    post.clock.advance(seconds=121)
    assert await post.reconciliation.run() == 1
    await post.run_queue()
    assert (await post.record(message_id)).status == "sent"
