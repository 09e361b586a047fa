"""The host is killed again and again while it works off what came back: each report's effects
happen once."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import unquote

import pytest
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from local.stack import LocalStack, StackOptions
from shared.storage.names import QUEUES
from tests.end_to_end.caller import BILLING, Caller, Json, calling, mail_of, message
from tests.end_to_end.conftest import FAST, LIMITS, Witness
from tests.end_to_end.test_crash import CLAIMS, end_leases, progress

SEED = 4
KILLS = 6
SHARES = {"hard": 40, "soft": 25, "complaint": 20, "unsubscribe": 15}
LOCAL_PARTS = {
    "hard": "bounce-5.1.10",
    "soft": "mailbox-full",
    "complaint": "complains",
    "unsubscribe": "reader",
}
EVENTS = {
    "hard": "bounced",
    "soft": "bounced",
    "complaint": "complained",
    "unsubscribe": "unsubscribed",
}
STATUSES = {"hard": "bounced", "soft": "bounced", "complaint": "complained", "unsubscribe": "sent"}
PATIENCE = 40.0
# The timer runs when the test says so.
SETTINGS = {**FAST, "AzureWebJobs.read_returned_mail.Disabled": "true"}

pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Sent:
    """A message that something comes back of."""

    id: str
    kind: str
    recipient: str


@pytest.fixture
async def dying(witness: Witness) -> AsyncIterator[Caller]:
    """A stack of its own: its host dies."""
    options = StackOptions(limits=LIMITS, settings=SETTINGS, host_arguments=CLAIMS)
    async with LocalStack(options) as stack, calling(stack) as caller:
        witness.secrets.watch(stack)
        yield caller
        assert await witness.leaks(caller) == set()


async def send_all(caller: Caller) -> list[Sent]:
    """Sends the messages, in mixed order; they have all been sent, and all reports have come."""
    kinds = [kind for kind, count in SHARES.items() for _ in range(count)]
    random.Random(SEED).shuffle(kinds)
    places = asyncio.Semaphore(8)

    async def send(number: int, kind: str) -> Sent:
        recipient = f"{LOCAL_PARTS[kind]}@d{number}.example.com"
        bulk = {"category": "bulk", "topic": "news"} if kind == "unsubscribe" else {}
        async with places:
            body = message(**{"to": [{"email": recipient}], **bulk})
            sent = Sent(await caller.send(body), kind, recipient)
            await caller.finished(sent.id)
        if bulk:
            caller.stack.mailboxes.deliver(BILLING, request_to_leave(caller.stack, sent))
        return sent

    sent = await asyncio.gather(*(send(number, kind) for number, kind in enumerate(kinds)))
    mailbox = caller.stack.mailboxes.get(BILLING)
    assert mailbox is not None
    async with asyncio.timeout(PATIENCE):
        while len(mailbox.received()) < len(sent):
            await asyncio.sleep(0.05)
    return sent


def request_to_leave(stack: LocalStack, sent: Sent) -> bytes:
    """The mail that a mail program writes for the link in List-Unsubscribe."""
    head = message_from_bytes(mail_of(stack, sent.id).head, policy=policy.default)
    found = re.search(r"subject=([^>\s]+)", str(head["List-Unsubscribe"]).replace(" ", ""))
    assert found is not None
    lines = [f"From: <{sent.recipient}>", f"To: <{BILLING}>", f"Subject: {unquote(found[1])}"]
    return "\r\n".join([*lines, "", "", ""]).encode()


async def be_killed(caller: Caller) -> None:
    """Each life reads and handles, and ends in the midst of it: the first ones while mails are
    being read, the last ones while events are being handled."""
    chance, stack = random.Random(SEED), caller.stack
    for life in range(KILLS):
        await caller.run_timer("read_returned_mail")
        counted = read if life < KILLS // 2 else handled
        await progress(lambda count=counted: count(stack), chance.randint(2, 15))  # type: ignore[misc]
        await asyncio.sleep(chance.uniform(0, 0.05))
        await stack.host.kill()
        await end_leases(stack)
        await end_reading(stack)
        await stack.host.start()


def read(stack: LocalStack) -> int:
    return stack.graph.requests["value"]


def handled(stack: LocalStack) -> int:
    """How many times the app began to handle an event."""
    return len(re.findall(r"handle_\w+/\w+\] Executing", stack.host.log()))


async def end_reading(stack: LocalStack) -> None:
    """What a killed host has of a mailbox ends after two minutes: these are over now."""
    for row in await rows(stack, "settings"):
        if row["RowKey"] == "lease":
            async with table(stack, "settings") as settings:
                await settings.delete_entity(row)


def table(stack: LocalStack, name: str) -> TableClient:
    return TableClient.from_connection_string(stack.azurite.connection_string, name)


async def rows(stack: LocalStack, name: str) -> list[Json]:
    async with table(stack, name) as client:
        return [dict(row) async for row in client.list_entities()]


async def waiting(stack: LocalStack) -> Counter[str]:
    """How many messages are on each queue, those included that are in a host's hands."""
    counts: Counter[str] = Counter()
    async with QueueServiceClient.from_connection_string(stack.azurite.connection_string) as queues:
        for name in QUEUES:
            found = await queues.get_queue_client(name).get_queue_properties()
            counts[name] = found.approximate_message_count or 0
    return +counts


async def worked_off(caller: Caller, count: int) -> list[Json]:
    """The timeline's rows, once there are so many, and nothing waits any more."""
    told: list[Json] = []
    left: Counter[str] = Counter()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await caller.run_timer("read_returned_mail")
        await asyncio.sleep(1)
        told, left = await rows(caller.stack, "timeline"), await waiting(caller.stack)
        if len(told) >= count and not left:
            return told
    pytest.fail(f"{len(told)} of {count} are told, {left} wait: {caller.stack.host.log()[-3000:]}")


def effects(row: Json) -> dict[str, Any]:
    """What an address's row says: how it is suppressed, and how far its ladder was climbed."""
    entries, soft = json.loads(row["entries"]), json.loads(row["soft"] or "{}")
    return {
        "own": [(one["reason"], one["scope"], one["until"]) for one in entries],
        "level": soft.get("level", 0),
        "counted": len(soft.get("events", [])),
    }


EXPECTED = {
    "hard": {"own": [("bounced", "everything", None)], "level": 0, "counted": 0},
    "soft": {"own": [], "level": 1, "counted": 1},
    "complaint": {"own": [("complained", "everything", None)], "level": 0, "counted": 0},
    "unsubscribe": {"own": [("unsubscribed", "topic:news", None)], "level": 0, "counted": 0},
}


async def test_killed_at_random_moments_each_report_has_its_effects_once(
    dying: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    sent, stack = await send_all(dying), dying.stack
    began = time.monotonic()
    await be_killed(dying)
    killed = time.monotonic() - began
    told = await worked_off(dying, len(sent))

    by_address = {
        row["address"]: effects(row)
        for row in await rows(stack, "suppressions")
        if "entries" in row  # not the filter and the salt
    }
    counted = Counter(row["kind"] for row in await rows(stack, "reputation"))
    calls, fetched = handled(stack), read(stack)
    with capsys.disabled():
        print(
            f"\n{len(sent)} reports, {KILLS} kills, seed {SEED}: {len(by_address)} addresses "
            f"suppressed, {len(told)} entries told, counted {dict(counted)}; mails fetched "
            f"{fetched} times, events handled {calls} times; {killed:.1f} s of kills, "
            f"{time.monotonic() - began:.1f} s in all"
        )
    assert by_address == {one.recipient: EXPECTED[one.kind] for one in sent}
    entries = Counter((row["PartitionKey"], row["type"]) for row in told)
    assert entries == Counter((one.id, EVENTS[one.kind]) for one in sent)
    assert counted == {
        "bounced": SHARES["hard"] + SHARES["soft"],
        "complained": SHARES["complaint"],
    }
    assert await rows(stack, "returned") == []
    for one in sent:
        view = await dying.view(one.id)
        assert view is not None
        assert view["status"] == "sent"
        assert [r["status"] for r in view["recipients"]] == [STATUSES[one.kind]]
    # The kills did hit something: what had been begun was done again.
    assert fetched > len(sent)
    assert calls > len(sent)
