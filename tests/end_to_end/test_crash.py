"""The host is killed again and again under load. Nothing is lost, and nobody gets two mails."""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from azure.data.tables.aio import TableClient

from local.stack import LocalStack, StackOptions
from tests.end_to_end.caller import (
    ALERTS,
    BILLING,
    FINAL,
    Caller,
    Json,
    arrival,
    calling,
    mail_of,
    message,
)
from tests.end_to_end.conftest import FAST, LIMITS, Witness
from tests.marks import marked_id

SEED = 1042
KILLS = int(os.environ.get("KILLS", "5"))  # `make kills` has 50, and 1,000 messages
MESSAGES = int(os.environ.get("MESSAGES", "200"))
AT_ONCE = 8
RTT = 0.03  # seconds: each message is in a session's hands for a while
SESSIONS = 6  # three for each of two mailboxes: so many messages can be in the server's hands
# Seconds after the last restart. What lost its queue message behind a backlog is brought back by
# the fourth look at the latest: after 10 + 20 + 40 + 80 seconds, and what this machine takes.
PATIENCE = 240.0
LOOK_AFTER = 3 if KILLS < 20 else 10  # a long row of short lives leaves too much to be looked at
RETURNS = 10.0  # seconds more for each kill: what was killed five times comes back after minutes
RECONCILE = 4.0

# Recovery in seconds rather than minutes: leases, the look at what is due, claims on the queue.
# What is unknown stays so: test_settling.py has it looked for.
QUICK = {
    **FAST,
    "MAILROOM_LEASE": "3",
    "MAILROOM_RECONCILE_AFTER": str(LOOK_AFTER),
    "MAILROOM_SENT_ITEMS": "0",
}
CLAIMS = ("--claim-seconds", "5")


@dataclass
class Load:
    """What was given to Mailroom: ids by the way they took, and what had to be repeated."""

    by_http: dict[str, str] = field(default_factory=dict)  # id by idempotency key
    by_queue: list[str] = field(default_factory=list)
    repeated: int = 0

    @property
    def ids(self) -> list[str]:
        return [*self.by_http.values(), *self.by_queue]


@pytest.fixture(scope="module")
async def crashing(witness: Witness) -> AsyncIterator[Caller]:
    """A stack of its own: its host dies."""
    options = StackOptions(limits=LIMITS, settings=QUICK, host_arguments=CLAIMS, rtt=RTT)
    async with LocalStack(options) as stack, calling(stack) as caller:
        witness.secrets.watch(stack)
        yield caller
        assert await witness.leaks(caller) == set()


def numbered(number: int) -> Json:
    sender = (BILLING, ALERTS)[number // 2 % 2]
    return message(**{"from": {"email": sender}, "subject": f"Message {number}"})


async def give(caller: Caller, number: int, load: Load) -> None:
    """Give one message to Mailroom, as often as it takes until it says that it has it."""
    if number % 2:
        message_id = f"crash-{number}"
        await caller.drop(json.dumps({**numbered(number), "id": message_id}))
        load.by_queue.append(message_id)
        return
    key = f"crash-{number}"
    while True:
        try:
            reply = await caller.post(numbered(number), key)
        except (aiohttp.ClientError, TimeoutError):
            status = 503
        else:
            status = reply.status
        if status == 202:
            load.by_http[key] = reply.json["id"]
            return
        assert status >= 500, reply.text
        load.repeated += 1
        await asyncio.sleep(0.1)


async def give_while_it_is_killed(caller: Caller, load: Load) -> None:
    """Each life of the host gets its share of the messages, and ends in the midst of them."""
    chance = random.Random(SEED)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await give(caller, number, load)

    def given() -> int:
        return len(load.ids)

    def sent() -> int:
        return len(caller.stack.office365.messages)

    async with asyncio.TaskGroup() as giving:
        for life in range(KILLS):
            for number in range(life, MESSAGES, KILLS):
                giving.create_task(one(number))
            # In turn: while requests are being answered, and while mails are being handed over.
            counted = given if life % 2 == 0 else sent
            await progress(counted, chance.randint(0, MESSAGES // KILLS // 2))
            await asyncio.sleep(chance.uniform(0, 0.1))
            await caller.stack.host.kill()
            await end_leases(caller.stack)
            await caller.stack.host.start()


async def end_leases(stack: LocalStack) -> None:
    """What a killed host had leave to do ends after 90 seconds: these are over now."""
    connection = stack.azurite.connection_string
    async with TableClient.from_connection_string(connection, "quotas") as quotas:
        async for row in quotas.list_entities(select=["PartitionKey", "RowKey"]):
            await quotas.delete_entity(row)


async def progress(count: Callable[[], int], more: int) -> None:
    """Wait until the count is so much higher: how long that takes is the machine's affair."""
    enough = count() + more
    async with asyncio.timeout(PATIENCE):
        while count() < enough:
            await asyncio.sleep(0.005)


async def settled(caller: Caller, ids: list[str]) -> dict[str, Json]:
    """The views of all messages once each has its final status; the timer is run often."""
    views: dict[str, Json] = {}
    deadline = time.monotonic() + PATIENCE + RETURNS * KILLS
    reconciled = 0.0
    while time.monotonic() < deadline:
        if time.monotonic() - reconciled > RECONCILE:  # runs that overlap only hinder each other
            await caller.reconcile()
            reconciled = time.monotonic()
        for message_id in ids:
            if message_id not in views and (view := await caller.view(message_id)):
                if view["status"] not in FINAL:
                    break  # this one is waited for; the others are asked about later
                views[message_id] = view
        else:
            if len(views) == len(ids):
                return views
        await asyncio.sleep(1)
    missing = {message_id: await caller.view(message_id) for message_id in ids}
    pytest.fail(
        "without a final status: "
        + json.dumps({k: v for k, v in missing.items() if not v or v["status"] not in FINAL})[:5000]
        + f"\nThe host's log ends:\n{caller.stack.host.log()[-5000:]}"
    )


@pytest.mark.timeout(60 + PATIENCE + (15 + RETURNS) * KILLS)
async def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(
    crashing: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    load, began = Load(), time.monotonic()
    await give_while_it_is_killed(crashing, load)
    under_load = time.monotonic() - began
    assert len(set(load.ids)) == MESSAGES
    views = await settled(crashing, load.ids)

    at_server = Counter(marked_id(kept.head) for kept in crashing.stack.office365.messages)
    statuses = Counter(view["status"] for view in views.values())
    unknown = [view["id"] for view in views.values() if view["status"] == "unknown"]
    with capsys.disabled():
        print(
            f"\n{MESSAGES} messages, {KILLS} kills, seed {SEED}: {dict(statuses)}, "
            f"{load.repeated} posts repeated; of {len(unknown)} unknown the server has "
            f"{sum(at_server[one] for one in unknown)}; {under_load:.1f} s under load, "
            f"{time.monotonic() - began:.1f} s until all were settled"
        )
    assert at_server.keys() <= set(load.ids)
    assert max(at_server.values()) == 1  # nobody got two
    assert set(statuses) <= {"sent", "unknown"}
    for view in views.values():
        assert view["finished_at"]
        if view["status"] == "sent":
            assert at_server[view["id"]] == 1
            assert view["server_id"]
        else:
            assert "not sent again by itself" in view["fix"]
    # What a kill leaves in doubt is what was in a session's hands at that moment, no more.
    assert len(unknown) <= KILLS * SESSIONS
    # The kills did hit something: requests without an answer.
    assert load.repeated > 0


async def test_what_was_killed_in_the_servers_hands_is_unknown_and_not_sent_again(
    crashing: Caller,
) -> None:
    """The server has the mail and holds its reply back: only it knows. The host dies there."""
    stack = crashing.stack
    await crashing.steer(
        "POST", "faults", {"stage": "end-of-data", "action": "accept-and-hang", "seconds": 30}
    )
    message_id = await crashing.send(message())
    await arrival(stack, message_id)
    await stack.host.kill()
    await end_leases(stack)
    await stack.host.start()
    view = (await settled(crashing, [message_id]))[message_id]
    assert view["status"] == "unknown"
    assert "Message-ID" in view["fix"]
    assert [event["type"] for event in view["timeline"]] == ["accepted", "unknown"]
    mail_of(stack, message_id)
    assert [recipient["status"] for recipient in view["recipients"]] == ["pending"]
