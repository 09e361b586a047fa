"""Delivery as the application joins it, with ways to look into what it keeps."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.office365 import KeptMessage, Office365Server
from shared.accounts.signing import Signing
from shared.delivery.delivery import Delivery
from shared.delivery.gate import Gate
from shared.delivery.marks import Marks
from shared.delivery.outbound import Outbound
from shared.delivery.pool import SessionPool
from shared.delivery.reconcile import Reconciliation
from shared.delivery.refusals import RefusalEvents
from shared.delivery.resolution import Resolution
from shared.delivery.settling import Settling
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import MessageRecord
from shared.messages.timeline import Timeline
from shared.quota import Governor, Lane
from shared.settings import Settings
from shared.storage.connection import StorageConnection
from shared.storage.names import (
    BOUNCE_EVENTS,
    OUTBOUND_MAIL,
    OUTBOUND_MAIL_HIGH,
    POISON,
    TABLES,
)
from shared.storage.queues import Queue
from shared.suppression import SuppressionCheck, Suppressions
from shared.unsubscribing import UnsubscribeLinks
from tests.marks import marked_id
from tests.messages.preparing import AsPosted
from tests.storage.account import StoppedClock


@dataclass(frozen=True)
class Process:
    """What each process has of its own besides its tasks."""

    governor: Governor
    pool: SessionPool


@dataclass
class SentFolders:
    """Sent Items: the Message-IDs of the copies in each mailbox. `looks` is who was looked for."""

    copies_of: dict[str, list[str]] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)
    error: Exception | None = None

    async def copies(self, mailbox: str, message_ids: Sequence[str]) -> Mapping[str, int]:
        self.looks += message_ids
        if self.error is not None:
            raise self.error
        return {one: self.copies_of.get(mailbox, []).count(one) for one in message_ids}


@dataclass(frozen=True)
class World:
    """What the processes share: storage, mail server, time, and the quotas' table.

    ticking: the clock of slots; it goes on by itself.
    """

    storage: StorageConnection
    office: Office365Server
    clock: StoppedClock
    ticking: Callable[[], datetime]
    start: Callable[[], Process]


@dataclass(frozen=True)
class StoppedPlaces:
    """The governor's places by the stopped clock: how long a test has taken delays nothing."""

    post: "Post"

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime:
        place = await self.post.governor.place(pool, lane)
        return place - (self.post.ticking() - self.post.clock())


class Post:
    """The parts of one process."""

    def __init__(self, settings: Settings, world: World, *, prefix: str) -> None:
        self.settings = settings
        self.world = world
        self.storage, self.office, self.clock = world.storage, world.office, world.clock
        self.ticking = world.ticking
        self.prefix = prefix
        self.process = world.start()
        self.pool, self.governor = self.process.pool, self.process.governor
        self.ledger = Ledger(self.storage)
        self.contents = Contents(self.storage, size_limit=settings.size_limit)
        self.outbox = Outbox(self.storage, clock=self.clock)
        self.queue = Queue(self.storage, OUTBOUND_MAIL)
        self.high = Queue(self.storage, OUTBOUND_MAIL_HIGH)
        self.poison = Queue(self.storage, OUTBOUND_MAIL + POISON)
        self.bounces = Queue(self.storage, BOUNCE_EVENTS)
        self.suppressions = Suppressions(self.storage)
        self.sent_items = SentFolders()
        self.join()

    def join(self) -> None:
        """Makes what is made of the parts; after a part has been replaced, again."""
        check = SuppressionCheck(self.suppressions, clock=self.clock)
        signing = Signing(None, "", clock=self.clock)
        self.delivery = Delivery(
            self.settings, ledger=self.ledger, contents=self.contents, outbox=self.outbox,
            pool=self.pool, gate=Gate(self.governor, clock=self.ticking),
            mailboxes=self.governor,
            refusals=RefusalEvents(self.bounces, clock=self.clock), clock=self.clock,
            jitter=lambda: 0.5, suppressions=check,
            marks=Marks(signing, UnsubscribeLinks(self.settings, signing)),
        )  # fmt: skip
        self.acceptance = Acceptance(
            self.settings, ledger=self.ledger, contents=self.contents, outbox=self.outbox,
            places=StoppedPlaces(self), preparation=AsPosted(), suppressions=check,
            clock=self.clock,
        )  # fmt: skip
        self.outbound = Outbound(
            acceptance=self.acceptance, contents=self.contents, delivery=self.delivery,
            outbox=self.outbox, poison=self.poison,
        )  # fmt: skip
        self.resolution = Resolution(
            ledger=self.ledger, timeline=Timeline(self.storage), enqueue=self.outbox.enqueue,
            grace=timedelta(seconds=self.settings.reconcile_after), clock=self.clock,
        )  # fmt: skip
        self.settling = Settling(
            self.settings, ledger=self.ledger, resolution=self.resolution,
            sent_items=lambda: self.sent_items, clock=self.clock,
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            self.settings, ledger=self.ledger, delivery=self.delivery, outbox=self.outbox,
            settling=self.settling, clock=self.clock,
        )  # fmt: skip

    def another(self) -> "Post":
        """Another process: it shares the world, nothing else."""
        return Post(self.settings, self.world, prefix=f"{self.prefix}-other")

    async def accept(self, **changes: Any) -> str:
        """Accepts a message by HTTP; returns its id. Its queue message is on the queue."""
        whole: dict[str, Any] = {
            "from": {"email": "billing@contoso.test"},
            "to": [{"email": "ana@example.com"}],
            "subject": "Your invoice 1042",
            "text": "Here it is.",
        } | changes
        return (await self.acceptance.accept(json.dumps(whole).encode(), key=None)).id

    async def record(self, message_id: str) -> MessageRecord:
        record = await self.ledger.get(message_id)
        assert record is not None
        return record

    async def told(self, message_id: str) -> list[tuple[int, str]]:
        """What its attempts brought, as attempts and types."""
        return [(e.attempt, e.type) for e in (await self.record(message_id)).history]

    def mails(self, message_id: str) -> list[KeptMessage]:
        """What the server has accepted of a message."""
        return [mail for mail in self.office.messages if marked_id(mail.head) == message_id]

    async def take(self, queue: Queue | None = None) -> list[str]:
        """Takes what is visible off a queue, as the Functions host does."""
        client = self.storage.queues.get_queue_client((queue or self.queue).name)
        taken = []
        async for message in client.receive_messages():
            await client.delete_message(message)
            taken.append(message.content)
        return taken

    async def run_queue(self) -> int:
        """Handles what is visible on the queues; returns how many messages that were."""
        bodies = [*await self.take(self.high), *await self.take()]
        for number, body in enumerate(bodies):
            await self.outbound.handle(body.encode(), queue_id=f"{self.prefix}{number}")
        return len(bodies)

    async def clear_queue(self) -> None:
        """Takes everything off the queue, the invisible ones too."""
        await self.storage.queues.get_queue_client(self.queue.name).clear_messages()

    async def clear(self) -> None:
        """Leaves nothing of an earlier test."""
        for name in TABLES:
            await self.storage.tables.delete_table(name)
        for queue in (self.queue, self.high, self.poison, self.bounces):
            await queue.create()
            await self.storage.queues.get_queue_client(queue.name).clear_messages()
