"""Digests that are due on two hosts of one storage, of which one is killed in the midst."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from local.functions.process import FunctionsHost
from local.stack import ROOT, LocalStack, StackOptions
from tests.end_to_end.caller import BILLING, Caller, Json, calling
from tests.end_to_end.conftest import LIMITS, Witness
from tests.end_to_end.test_crash import CLAIMS, QUICK

RECIPIENTS = int(os.environ.get("DIGEST_RECIPIENTS", "200"))  # `make kills` has 2,000
PATIENCE = 300.0 + RECIPIENTS / 3  # seconds; the killed host's sessions count for 90

TIMERS_EVERY = 15.0  # seconds

# What is in doubt is looked for in Sent Items, and sent again if it is not there.
SETTINGS = {
    **QUICK,
    # A backlog is not to be looked for before it had a chance.
    "MAILROOM_RECONCILE_AFTER": "30",
    "MAILROOM_SENT_ITEMS": "10",
    "MAILROOM_UNKNOWN": "resend",
}


@dataclass
class Pair:
    """Two hosts; the stack's own one survives."""

    caller: Caller
    victim: Caller

    @property
    def arrived(self) -> Counter[str]:
        mails = self.caller.stack.office365.messages
        return Counter(address for mail in mails for address in mail.addresses)


@asynccontextmanager
async def beside(stack: LocalStack) -> AsyncIterator[Caller]:
    """A second host of the same app, settings and storage."""
    second = LocalStack(stack.options)
    second.host = FunctionsHost(
        ROOT, settings=stack.settings, keys=stack.folder / "functions-keys.json",
        arguments=CLAIMS,
    )  # fmt: skip
    await second.host.start()
    try:
        async with calling(second) as caller:
            yield caller
    finally:
        await second.host.stop()


@pytest.fixture(scope="module")
async def pair(witness: Witness) -> AsyncIterator[Pair]:
    options = StackOptions(limits=LIMITS, settings=SETTINGS, host_arguments=CLAIMS)
    async with LocalStack(options) as stack, calling(stack) as caller, beside(stack) as victim:
        witness.secrets.watch(stack)
        yield Pair(caller, victim)
        assert await witness.leaks(caller) == set()


async def define(caller: Caller) -> datetime:
    """A digest that is due at a full minute, after there has been time to add all items."""
    due = datetime.now(UTC) + timedelta(seconds=75 + RECIPIENTS / 12)
    due = due.replace(second=0, microsecond=0)
    definition = {
        "from": {"email": BILLING}, "title": "News", "category": "transactional",
        "schedule": {"kind": "cron", "expression": f"{due.minute} {due.hour} * * *"},
    }  # fmt: skip
    reply = await caller.request("PUT", "digests/crowd", json=definition)
    assert reply.status == 201, reply.text
    return due


def items(people: list[str]) -> list[Json]:
    return [
        {"to": [{"email": email} for email in people[first : first + 100]],
         "data": {"title": "The same for all"}}
        for first in range(0, len(people), 100)
    ]  # fmt: skip


async def arrival(pair: Pair, count: int, pause: float, *timers: str) -> None:
    """Waits until so many readers have mail; runs the survivor's timers meanwhile, not so often
    that their runs overlap."""
    deadline, due = time.monotonic() + PATIENCE, 0.0
    while len(pair.arrived) < count:
        if time.monotonic() > due:
            due = time.monotonic() + TIMERS_EVERY
            for timer in timers:
                await pair.caller.run_timer(timer)
        await asyncio.sleep(pause)
        if time.monotonic() > deadline:
            log = pair.caller.stack.host.log()[-5000:]
            pytest.fail(f"{len(pair.arrived)} of {count} have mail; the survivor's log ends\n{log}")


@pytest.mark.timeout(120 + 2 * PATIENCE + RECIPIENTS / 12)
async def test_of_two_hosts_one_is_killed_and_each_reader_gets_one_mail(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [f"p{n}@example.com" for n in range(RECIPIENTS)]
    due = await define(pair.caller)
    for first in range(0, RECIPIENTS, 200):
        body = {"items": items(people[first : first + 200])}
        reply = await pair.caller.request("POST", "digests/crowd/items", json=body)
        assert reply.status == 202, reply.text
    assert not pair.arrived
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))

    began = time.monotonic()
    await asyncio.gather(*(one.run_timer("send_due_digests") for one in (pair.caller, pair.victim)))
    await arrival(pair, RECIPIENTS // 4, 0.02)
    await pair.victim.stack.host.kill()
    at_kill = len(pair.arrived)
    await arrival(pair, RECIPIENTS, 1.0, "send_due_digests", "reconcile")
    took = time.monotonic() - began
    for _ in range(3):  # whatever is still on its way would be a double
        await pair.caller.run_timer("send_due_digests")
        await pair.caller.reconcile()
        await asyncio.sleep(2)
    arrived = pair.arrived
    with capsys.disabled():
        print(
            f"\n{RECIPIENTS} readers due at once on two hosts, one killed after {at_kill} mails: "
            f"{len(arrived)} readers got {arrived.total()} mails in {took:.1f} s"
        )
    assert at_kill < RECIPIENTS
    assert arrived == Counter(people)
