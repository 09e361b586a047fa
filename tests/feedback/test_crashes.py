"""A process that handles what came back is stopped at every step: each effect happens once.

Storage is in memory; whatever it does at a step (dies, fails, loses its answer, does it twice), the
mail or event is handled again by another process, as the host does it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args

import pytest

from shared.accounts.signing import Signing
from shared.errors import MailroomError
from shared.feedback.aftermath import Aftermath, EventQueue
from shared.feedback.bounces import BounceEvents
from shared.feedback.complaints import ComplaintEvents
from shared.feedback.deliveries import DeliveryEvents
from shared.feedback.intake import ReturnedMailIntake
from shared.feedback.kept import KeptMails
from shared.feedback.leaving import LeavingRequests
from shared.feedback.matching import Matching
from shared.feedback.reputation import Reputation
from shared.feedback.rules import FeedbackRules
from shared.feedback.unsubscribes import UnsubscribeEvents
from shared.inbox.mail import FetchedMail
from shared.messages.identity import message_id_header
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, RecipientRecord
from shared.messages.timeline import Timeline
from shared.preferences import Preferences, Topics
from shared.returned.report import Report, ReportedRecipient
from shared.suppression import Ladder, Suppressions
from shared.suppression.filter import PARTITION as FILTER
from shared.suppression.keys import AddressKeys
from shared.unsubscribing import Tokens
from tests.faults.memory import Account, Line, MemoryContainer, MemoryQueue, MemoryTable, Trouble

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
HEADER = message_id_header("m1", "billing@contoso.test", tag="a" * 16)
RULES = FeedbackRules(
    own={},
    trusted=frozenset({"signed", "message-id"}),
    ladder=Ladder(leases=(timedelta(hours=24), timedelta(hours=48)), forgiven=timedelta(days=7)),
)
TROUBLES: tuple[Trouble, ...] = tuple(
    trouble for trouble in get_args(Trouble.__value__) if trouble != "die half-way"
)

FULL = ReportedRecipient(
    address="ana@example.com", action="failed", status="5.2.2", reason="mailbox-full",
    permanent=True,
)  # fmt: skip
DEAD = replace(FULL, status="5.1.1", reason="user-unknown", hard=True)
TWO = (DEAD, replace(FULL, address="b@example.com"))
OURS: dict[str, Any] = {"original_message_ids": (HEADER,), "message_id": "<report@remote.test>"}
REPORTS = {
    "soft bounce": Report(kind="bounce", recipients=(FULL,), **OURS),
    "two bounces": Report(kind="bounce", recipients=TWO, **OURS),
    "complaint": Report(kind="complaint", recipients=(FULL,), feedback_type="abuse", **OURS),
    "delay": Report(kind="delayed", recipients=(replace(FULL, action="delayed"),), **OURS),
    "unmatched": Report(kind="bounce", recipients=(FULL,)),
    "not understood": Report(kind="other", understood=False, **OURS),
}


class Process:
    """One process on the account; it ends where its line dies."""

    def __init__(self, account: Account) -> None:
        nowhere: Any = None
        self.line = Line(Random(1), latency=(0, 0))

        def table(name: str) -> Any:
            return MemoryTable(account, name, self.line)

        def queue(name: str) -> Any:
            return MemoryQueue(account, name, self.line)

        ledger, timeline = Ledger(nowhere), Timeline(nowhere)
        ledger._table, timeline._table = table("messages"), table("timeline")
        suppressions, reputation, kept = (
            Suppressions(nowhere), Reputation(nowhere), KeptMails(nowhere),
        )  # fmt: skip
        suppressions._table, reputation._table = table("suppressions"), table("reputation")
        kept._table, kept._container = table("returned"), MemoryContainer(account, self.line)  # type: ignore[assignment]
        suppressions._keys = AddressKeys(suppressions._table)
        suppressions._keys._salt = b"salt" * 8
        topics = Topics(nowhere, clock=lambda: NOW)
        topics._table = table("topics")
        preferences = Preferences(suppressions, topics, clock=lambda: NOW)
        self.ledger = ledger
        names = [f"{kind}-events" for kind in ("bounce", "complaint", "unsubscribe", "delivery")]
        after = Aftermath(ledger, timeline)
        shared: dict[str, Any] = {
            "rules": RULES, "aftermath": after, "suppressions": suppressions,
        }  # fmt: skip
        events = [EventQueue(queue(name), queue(f"{name}-poison")) for name in names]
        self.handlers: dict[str, Any] = dict(
            zip(
                names,
                [
                    BounceEvents(events[0], reputation=reputation, **shared),
                    ComplaintEvents(events[1], reputation=reputation, **shared),
                    UnsubscribeEvents(events[2], aftermath=after, preferences=preferences),
                    DeliveryEvents(events[3], **shared),
                ],
                strict=True,
            )
        )
        signing = Signing(None, "", clock=lambda: NOW)
        matching = Matching(ledger, signing)
        self.intake = ReturnedMailIntake(
            parse=lambda content: REPORTS[content.decode()],
            matching=matching, leaving=LeavingRequests(matching, Tokens(signing), apply=False),
            queues={name: queue(name) for name in names}, kept=kept, reputation=reputation,
        )  # fmt: skip

    async def run(self, work: Callable[[], Awaitable[Any]]) -> bool:
        """Does the work; False if it failed, or the process died at it."""
        task = asyncio.ensure_future(work())
        while not task.done() and not self.line.dead:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if task.done() and not task.cancelled():
            error = task.exception()
            assert error is None or isinstance(error, MailroomError)
            return error is None and not self.line.dead
        self.line.buried = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False


class Place:
    """Storage with one message that was sent, and what is done with a returned mail there."""

    def __init__(self, name: str) -> None:
        self.account = Account(now=lambda: NOW)
        self.mail = FetchedMail(
            mailbox="billing@contoso.test", folder="INBOX", key="1", received_at=NOW,
            content=name.encode(),
        )  # fmt: skip
        self.troubles: list[tuple[int, Trouble]] = []
        self.steps = 0

    async def prepare(self) -> None:
        record = MessageRecord(
            id="m1", status="sent", accepted_at=NOW, finished_at=NOW, source="http",
            content_hash="h", sender="billing@contoso.test", message_id=HEADER,
            recipients=(
                RecipientRecord("ana@example.com", "sent"), RecipientRecord("b@example.com", "sent")
            ),
        )  # fmt: skip
        await Process(self.account).ledger.add(record, {})

    async def until_done(self, work: Callable[[Process], Awaitable[Any]]) -> None:
        """Does it, by new processes as long as it fails: each meets the next trouble."""
        for _ in range(5):
            process = Process(self.account)
            if self.troubles:
                process.line.plan(*self.troubles.pop())
            done = await process.run(lambda p=process: work(p))  # type: ignore[misc]
            self.steps = max(self.steps, process.line.steps)
            if done:
                return
        raise AssertionError("it is never done")

    async def take_in(self) -> None:
        await self.until_done(lambda process: process.intake.take(self.mail))

    async def handle_all(self) -> None:
        for name in list(self.account.queues):
            while message := self.account.take(name, 0.0):
                assert not name.endswith("-poison"), message.text
                body = message.text.encode()
                await self.until_done(lambda p, n=name, b=body: p.handlers[n].handle(b))  # type: ignore[misc]
                self.account.queues[name] = [
                    m for m in self.account.queues[name] if m.id != message.id
                ]

    def seen(self) -> dict[str, Any]:
        """All that is stored, but for ETags."""
        tables = {
            name: {
                place: dict(row.values)
                for place, row in sorted(rows.items())
                if place[0] != FILTER  # its versions are random; it has tests of its own
            }
            for name, rows in self.account.tables.items()
        }
        return {"tables": tables, "blobs": dict(self.account.blobs)}


async def outcome(name: str, *, taking: Any = None, handling: Any = None) -> tuple[Place, int, int]:
    """What is left of a mail; with a trouble each for a step of taking it in and of handling."""
    place = Place(name)
    await place.prepare()
    place.troubles = [taking] if taking else []
    await place.take_in()
    taken, place.steps = place.steps, 0
    place.troubles = [handling] if handling else []
    await place.handle_all()
    return place, taken, place.steps


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", list(REPORTS))
async def test_at_every_step_of_taking_it_in(name: str, trouble: Trouble) -> None:
    expected, steps, _ = await outcome(name)
    assert steps >= 2
    for step in range(1, steps + 1):
        found, _, _ = await outcome(name, taking=(step, trouble))
        assert found.seen() == expected.seen(), f"{trouble} at step {step}"


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("name", ["soft bounce", "two bounces", "complaint", "delay"])
async def test_at_every_step_of_handling_it(name: str, trouble: Trouble) -> None:
    expected, _, steps = await outcome(name)
    assert steps >= 3
    for step in range(1, steps + 1):
        found, _, _ = await outcome(name, handling=(step, trouble))
        assert found.seen() == expected.seen(), f"{trouble} at step {step}"


async def test_the_effects_are_those() -> None:
    """What the comparison above compares is not nothing."""
    place, _, _ = await outcome("two bounces")
    tables = place.seen()["tables"]
    rows = {row["address"]: row for row in tables["suppressions"].values()}
    assert json.loads(rows["ana@example.com"]["entries"])[0]["until"] is None
    assert json.loads(rows["b@example.com"]["soft"])["level"] == 1
    assert len(tables["timeline"]) == len(tables["reputation"]) == 2


async def test_two_processes_handle_one_event_at_once() -> None:
    place = Place("soft bounce")
    await place.prepare()
    await place.take_in()
    [message] = place.account.queues["bounce-events"]
    processes = [Process(place.account) for _ in range(3)]
    body = message.text.encode()
    done = await asyncio.gather(
        *(p.run(lambda p=p: p.handlers["bounce-events"].handle(body)) for p in processes)  # type: ignore[misc]
    )
    assert done == [True] * 3
    [row] = place.seen()["tables"]["suppressions"].values()
    assert json.loads(row["soft"])["level"] == 1
    assert len(place.seen()["tables"]["timeline"]) == 1
