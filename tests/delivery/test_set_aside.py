"""Mailboxes that are refused: set aside, passed over, tried again by one message."""

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from local.office365 import Fault, Mailbox
from shared.delivery.outcome import find_trouble
from shared.delivery.replies import Reply
from shared.quota import PauseKind
from shared.setting_values import Identity
from tests.delivery.conftest import ALERTS, BILLING
from tests.delivery.post import Post

CREDENTIALS = timedelta(seconds=60)  # the first pause of its ladder


def pool_of_two(post: Post) -> None:
    """From now on both mailboxes send as billing@."""
    post.settings = replace(post.settings, senders={BILLING: Identity((BILLING, ALERTS))})
    post.office.exchange.put_mailbox(Mailbox(ALERTS, send_as=(BILLING,)))
    post.join()


async def waits_until(post: Post, message_id: str) -> timedelta:
    """How long from now the message waits; whoever asks before is sent away."""
    record = await post.record(message_id)
    assert record.status == "queued"
    assert record.not_before is not None
    await post.delivery.deliver(message_id)
    assert (await post.record(message_id)).etag == record.etag
    return record.not_before - post.ticking()


@pytest.fixture
def smtp_auth_off(post: Post) -> Mailbox:
    closed = Mailbox(BILLING, smtp_auth=False)
    post.office.exchange.put_mailbox(closed)
    return closed


@pytest.mark.usefixtures("smtp_auth_off")
async def test_a_message_waits_for_its_mailbox_with_the_reason_and_the_fix(post: Post) -> None:
    message_id = await post.accept()
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.attempt, record.mailbox) == (0, "")  # nothing was handed over
    assert record.detail.startswith("535 5.7.139")
    assert "Set-CASMailbox" in record.fix
    assert [entry.type for entry in record.history] == ["deferred"]
    assert record.history[0].reply == record.detail
    assert [r.status for r in record.recipients] == ["pending"]
    wait = await waits_until(post, message_id)
    assert CREDENTIALS - timedelta(seconds=5) < wait <= CREDENTIALS
    assert record.due is not None
    assert record.not_before is not None
    assert record.due > record.not_before  # `reconcile` does not look before its time
    assert await post.queue.depth() == 1


@pytest.mark.usefixtures("smtp_auth_off")
async def test_once_mended_it_goes_out_when_its_pause_is_over(post: Post) -> None:
    message_id = await post.accept()
    await post.run_queue()
    post.office.exchange.put_mailbox(Mailbox(BILLING))
    post.clock.advance(seconds=61)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt, record.detail, record.fix) == ("sent", 1, "", "")
    assert [entry.type for entry in record.history] == ["deferred", "sent"]
    other = await post.accept()  # the mailbox is open again
    await post.run_queue()
    assert (await post.record(other)).status == "sent"


@pytest.mark.usefixtures("smtp_auth_off")
async def test_a_mailbox_that_is_set_aside_is_not_asked_by_the_next_messages(post: Post) -> None:
    ids = [await post.accept() for _ in range(5)]
    await post.run_queue()
    assert post.office.counters.auths == 1
    for message_id in ids:
        record = await post.record(message_id)
        assert record.detail.startswith("535 5.7.139")
        assert "Set-CASMailbox" in record.fix
    # When the pause is over one message tries, and the next pause is longer.
    waits = []
    for tries in range(2, 6):
        records = [await post.record(message_id) for message_id in ids]
        post.clock.now = max(record.not_before for record in records if record.not_before)
        for message_id in ids:
            await post.delivery.deliver(message_id)
        assert post.office.counters.auths == tries
        waits.append((await waits_until(post, ids[0])) / CREDENTIALS)
    assert [round(wait) for wait in waits] == [2, 4, 8, 16]
    for message_id in ids:
        history = (await post.record(message_id)).history
        assert [entry.type for entry in history] == ["deferred"]  # one reason is told once


@pytest.mark.usefixtures("smtp_auth_off")
async def test_the_next_mailbox_of_the_pool_is_tried_at_once(post: Post) -> None:
    pool_of_two(post)
    ids = [await post.accept() for _ in range(4)]
    await post.run_queue()
    for message_id in ids:
        record = await post.record(message_id)
        assert (record.status, record.mailbox, record.attempt) == ("sent", ALERTS, 1)
    assert post.office.counters.auths <= 2 + len(ids)  # each session of ALERTS, and one refusal


async def test_where_all_are_set_aside_the_message_waits_for_the_first(post: Post) -> None:
    pool_of_two(post)
    for mailbox in (BILLING, ALERTS):
        post.office.exchange.put_mailbox(Mailbox(mailbox, smtp_auth=False, send_as=(BILLING,)))
    message_id = await post.accept()
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("queued", 0)
    post.clock.advance(seconds=5)  # it may have found out by being put off
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert "Set-CASMailbox" in record.fix
    assert post.office.counters.auths == 2
    post.office.exchange.put_mailbox(Mailbox(ALERTS, send_as=(BILLING,)))
    post.clock.advance(seconds=61)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.mailbox) == ("sent", ALERTS)


async def test_after_a_refused_hand_over_another_mailbox_has_the_message_in_a_second(
    post: Post,
) -> None:
    pool_of_two(post)
    blocked = "550 5.2.251 Mailbox blocked"
    post.office.faults.add([Fault("mail", "reply", reply=blocked, times=1)])
    message_id = await post.accept()
    await post.run_queue()
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("queued", 1)
    assert record.detail == blocked
    assert record.not_before == post.clock.now + timedelta(seconds=1)
    refused = record.mailbox
    post.clock.advance(seconds=1)
    await post.delivery.deliver(message_id)
    record = await post.record(message_id)
    assert (record.status, record.attempt) == ("sent", 2)
    assert {record.mailbox, refused} == {BILLING, ALERTS}


async def test_a_tenant_that_is_barred_makes_all_mailboxes_wait(post: Post) -> None:
    barred = "550 5.7.705 Access denied, tenant has exceeded threshold"
    post.office.faults.add([Fault("mail", "reply", reply=barred)])
    first = await post.accept()
    await post.run_queue()
    assert (await post.record(first)).status == "queued"
    second = await post.accept(**{"from": {"email": ALERTS}})
    await post.run_queue()
    record = await post.record(second)
    assert (record.status, record.attempt, record.detail) == ("queued", 0, barred)
    assert "Microsoft support" in record.fix
    assert post.office.messages == ()
    assert await waits_until(post, second) > timedelta(minutes=55)


async def test_a_mailbox_that_stays_refused_fails_its_messages_at_their_deadline(
    post: Post, smtp_auth_off: Mailbox
) -> None:
    assert not smtp_auth_off.smtp_auth
    message_id = await post.accept()
    await post.run_queue()
    while (record := await post.record(message_id)).status == "queued":
        assert record.not_before is not None
        post.clock.now = record.not_before
        await post.delivery.deliver(message_id)
        assert post.clock.now < record.accepted_at + timedelta(hours=26)
    assert record.status == "failed"
    assert "deadline" in record.detail
    assert "535 5.7.139" in record.detail
    assert "Set-CASMailbox" in record.fix
    assert [r.status for r in record.recipients] == ["rejected"]


async def test_a_refused_hand_over_is_told_to_an_operator(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.office.faults.add([Fault("mail", "reply", reply="550 5.2.251 Mailbox blocked")])
    message_id = await post.accept()
    with caplog.at_level(logging.WARNING):
        await post.run_queue()
    told = [vars(line) for line in caplog.records if line.message == "set aside"]
    assert len(told) == 1
    assert told[0]["reply"] == "550 5.2.251 Mailbox blocked"
    assert datetime.fromisoformat(told[0]["until"]) > post.ticking() + timedelta(minutes=29)
    assert "ana@" not in json.dumps(told[0], default=str)
    (box,) = (await post.governor.view([BILLING]))["mailboxes"]
    assert "550 5.2.251 Mailbox blocked" in json.dumps(box)
    assert (await post.record(message_id)).status == "queued"


KINDS: list[tuple[int, str, PauseKind | None]] = [
    (432, "4.3.2 Concurrent connections limit exceeded", "connections"),
    (432, "4.3.2 STOREDRV; recipient thread limit exceeded", None),
    (430, "4.2.0 STOREDRV; mailbox logon failure", "credentials"),
    (535, "5.7.3 Authentication unsuccessful", "credentials"),
    (535, "5.7.139 SmtpClientAuthentication is disabled for the Mailbox", "credentials"),
    (550, "5.2.251 Blocked", "throttled"),
    (554, "5.2.252 SendAsDenied", None),
    (550, "5.1.90 Message can't be submitted: daily limit", "recipients"),
    (554, "5.2.0 SubmissionQuotaExceeded", "recipients"),
    (554, "5.2.2 mailbox full", "full"),
    (550, "5.1.8 Access denied, bad outbound sender", "restricted"),
    (550, "5.7.501 Spam abuse detected", "restricted"),
    (550, "5.7.233 Tenant external recipient rate limit", "external"),
    (550, "5.7.236 onmicrosoft.com limit", "onmicrosoft"),
    (550, "5.7.705 Tenant barred", "barred"),
    (550, "5.7.750 Unregistered domain", "barred"),
    (451, "4.7.0 Temporary server error", None),
    (550, "5.1.10 No such recipient", None),
    (250, "2.0.0 OK", None),
]


@pytest.mark.parametrize(("code", "text", "kind"), KINDS)
def test_what_a_reply_has_against_a_mailbox_decides_for_how_long(
    code: int, text: str, kind: PauseKind | None
) -> None:
    trouble = find_trouble(None, Reply(250, "2.0.0 OK"), Reply(code, text))
    assert (trouble.kind if trouble else None) == kind
