"""The host dies between the end of the data and the reply: what became of it is found out."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from local.stack import LocalStack, StackOptions
from tests.end_to_end.caller import (
    ALERTS,
    BILLING,
    Caller,
    Json,
    arrival,
    calling,
    mail_of,
    message,
)
from tests.end_to_end.conftest import LIMITS, Witness
from tests.end_to_end.test_crash import CLAIMS, QUICK, end_leases

PATIENCE = 100.0
LOOKING = {**QUICK, "MAILROOM_SENT_ITEMS": "60"}  # the first look is after a second


@pytest.fixture(scope="module")
async def looking(witness: Witness) -> AsyncIterator[Caller]:
    """A stack of its own: its host dies."""
    options = StackOptions(limits=LIMITS, settings=LOOKING, host_arguments=CLAIMS)
    async with LocalStack(options) as stack, calling(stack) as caller:
        witness.secrets.watch(stack)
        yield caller
        assert await witness.leaks(caller) == set()


async def killed_in_the_servers_hands(caller: Caller, sender: str) -> str:
    """A message that the server has taken; the host died before it was told so."""
    stack = caller.stack
    await caller.steer(
        "POST", "faults", {"stage": "end-of-data", "action": "accept-and-hang", "seconds": 30}
    )
    message_id = await caller.send(message(**{"from": {"email": sender}}))
    await arrival(stack, message_id)
    await stack.host.kill()
    await end_leases(stack)
    await stack.host.start()
    return message_id


async def until(caller: Caller, message_id: str, looks: int, *, status: str, told: str) -> Json:
    """The message's view once it has this status, its timeline tells so (it is written after the
    status), and Graph was asked so often."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await caller.reconcile()
        await asyncio.sleep(0.5)
        view = await caller.view(message_id)
        assert view is not None
        there = (view["status"], view["timeline"][-1]["type"]) == (status, told)
        if there and caller.stack.graph.requests["list"] >= looks:
            return view
    pytest.fail(f"{view}\n{caller.stack.host.log()[-3000:]}")


async def test_a_copy_in_sent_items_settles_it(looking: Caller) -> None:
    message_id = await killed_in_the_servers_hands(looking, BILLING)
    view = await until(looking, message_id, 1, status="sent", told="resolved")
    assert [recipient["status"] for recipient in view["recipients"]] == ["sent"]
    assert [event["type"] for event in view["timeline"]] == ["accepted", "unknown", "resolved"]
    assert view["timeline"][-1]["detail"].endswith(f"a copy is in the Sent Items of {BILLING}.")
    mail_of(looking.stack, message_id)  # the one that it took then


async def test_where_no_copies_are_kept_it_stays_unknown(looking: Caller) -> None:
    """Set-Mailbox -MessageCopyForSMTPClientSubmissionEnabled $false."""
    exchange = looking.stack.office365.exchange
    mailbox = exchange.mailbox(ALERTS)
    assert mailbox is not None
    exchange.put_mailbox(replace(mailbox, keeps_copies=False))
    before = looking.stack.graph.requests["list"]
    message_id = await killed_in_the_servers_hands(looking, ALERTS)
    view = await until(looking, message_id, before + 2, status="unknown", told="unknown")
    assert "Mailroom looks for the Message-ID" in view["fix"]
    assert [recipient["status"] for recipient in view["recipients"]] == ["pending"]
    mail_of(looking.stack, message_id)
