"""What is logged before limits are reached, and what is not."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.delivery.levels import Levels
from shared.messages.identity import queue_reference
from shared.quota import Demand, Slot
from tests.delivery.conftest import BILLING, MakeGovernor
from tests.delivery.post import Post


def levels(post: Post, governor: Any = None) -> Levels:
    return Levels(
        (BILLING,), queues=(post.queue, post.high), ledger=post.ledger,
        headroom=governor or post.governor, clock=post.clock,
    )  # fmt: skip


def told(caplog: pytest.LogCaptureFixture, beginning: str) -> list[str]:
    lines = [record.getMessage() for record in caplog.records]
    return [line for line in lines if line.startswith(beginning)]


async def test_mail_that_waits_is_told_with_its_queue_and_minutes(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    await post.accept()
    post.clock.now += timedelta(minutes=42, seconds=30)
    await levels(post).run()
    assert told(caplog, "queue waits") == ["queue waits: queue=outbound-mail minutes=42"]


async def test_a_queue_that_is_worked_off_is_not_told(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    await post.accept()
    await levels(post).run()
    await post.take()
    post.clock.now += timedelta(minutes=42)
    await levels(post).run()
    assert told(caplog, "queue waits") == []


async def test_a_message_counts_from_when_it_could_be_sent(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    later = (post.clock.now + timedelta(minutes=40)).isoformat()
    message_id = await post.accept(send_at=later)
    await post.clear_queue()
    await post.queue.send(queue_reference(message_id))  # visible, as it is once its time has come
    post.clock.now += timedelta(minutes=42)
    await levels(post).run()
    assert told(caplog, "queue waits") == []
    post.clock.now += timedelta(minutes=8)
    await levels(post).run()
    assert told(caplog, "queue waits") == ["queue waits: queue=outbound-mail minutes=10"]


async def test_a_look_is_taken_once_in_a_quarter_of_an_hour(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    await post.accept()
    now = post.clock.now + timedelta(hours=1)
    post.clock.now = datetime.fromtimestamp(now.timestamp() // 900 * 900, now.tzinfo)
    one = levels(post)
    for _ in range(15):
        await one.run()
        post.clock.now += timedelta(minutes=1)
    assert len(told(caplog, "queue waits")) == 1
    await one.run()
    assert len(told(caplog, "queue waits")) == 2


@pytest.mark.parametrize(("used", "warned"), [(79, False), (80, True)])
async def test_a_mailbox_whose_day_is_nearly_used_is_told(
    post: Post,
    make_governor: MakeGovernor,
    caplog: pytest.LogCaptureFixture,
    *,
    used: int,
    warned: bool,
) -> None:
    governor = make_governor(recipients_per_day=100)
    (slot,) = await governor.reserve(
        [BILLING], [Demand(recipients=used)], within=timedelta(seconds=30)
    )
    assert isinstance(slot, Slot)
    with caplog.at_level(logging.WARNING):
        await levels(post, governor).run()
    line = f"quota nearly used: of=mailbox:{BILLING} percent=80 used=80 limit=100"
    assert told(caplog, "quota nearly used") == ([line] if warned else [])
