"""What an attempt's end says in the log: all of it in the text, and nobody's address."""

import logging
from datetime import timedelta

import pytest

from local.office365 import Fault, Mailbox
from tests.delivery.conftest import BILLING
from tests.delivery.post import Post


async def told(post: Post, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.INFO):
        await post.run_queue()
    lines = [line.getMessage() for line in caplog.records]
    assert not any("ana@" in line for line in lines if line.startswith("attempt ended"))
    return [line for line in lines if line.startswith("attempt ended")]


async def test_the_line_of_a_sent_message_counts_its_recipients(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    await post.accept(cc=[{"email": "ben@example.com"}])
    assert await told(post, caplog) == [
        f"attempt ended: sent mailbox={BILLING} recipients=2 refused=0 code=2.0.0"
    ]


async def test_the_line_of_a_refused_message_says_by_what(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.office.faults.add([Fault("rcpt", "reply", reply="550 5.1.10 RecipientNotFound")])
    await post.accept()
    assert await told(post, caplog) == [
        f"attempt ended: failed mailbox={BILLING} recipients=0 refused=1 code=5.1.10"
    ]


async def test_a_message_that_waits_for_another_attempt_is_deferred(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.office.faults.add([Fault("mail", "reply", reply="451 4.7.0 Temporary server error")])
    await post.accept()
    assert await told(post, caplog) == [
        f"attempt ended: deferred mailbox={BILLING} recipients=0 refused=0 code=4.7.0"
    ]


async def test_a_message_that_gets_no_slot_before_its_deadline_is_told_as_failed(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.office.exchange.put_mailbox(Mailbox(BILLING, smtp_auth=False))
    await post.accept()
    await post.run_queue()
    await post.accept()
    post.clock.now += timedelta(seconds=post.settings.deadline + 120)
    lines = await told(post, caplog)
    assert lines
    assert all(line.startswith("attempt ended: failed mailbox=") for line in lines)
