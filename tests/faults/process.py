"""One process of Mailroom: its real parts over a line of its own, and the host that feeds it."""

import asyncio
import json
from collections.abc import Collection, Coroutine, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bench.virtual import virtual_now
from shared.accounts.signing import Signing
from shared.delivery.delivery import Delivery
from shared.delivery.gate import Gate
from shared.delivery.marks import Marks
from shared.delivery.outbound import Outbound
from shared.delivery.poison import PoisonWatch
from shared.delivery.pool import SessionPool
from shared.delivery.reconcile import Reconciliation
from shared.delivery.refusals import RefusalEvents
from shared.delivery.resolution import Resolution
from shared.delivery.session import SignIn
from shared.delivery.settling import Settling
from shared.errors import ChangedError, StorageUnavailableError
from shared.messages.acceptance import Acceptance
from shared.messages.cancellation import Cancellation
from shared.messages.contents import Contents
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.timeline import Timeline
from shared.quota import Closed, Demand, Governor, Lane, PauseKind, Slot
from shared.settings import Settings
from shared.storage.names import BOUNCE_EVENTS, OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH, POISON
from shared.suppression import SuppressionCheck, Suppressions
from shared.suppression.keys import AddressKeys
from shared.unsubscribing import UnsubscribeLinks
from tests.faults.mail_server import MailServer
from tests.faults.memory import Account, Line, MemoryContainer, MemoryQueue, MemoryTable
from tests.messages.preparing import AsPosted

CLAIM = 60.0  # seconds for which a queue message is hidden from others
TRIES = 5
AT_ONCE = 24  # batchSize and newBatchThreshold of host.json
SHORTEST_POLL, LONGEST_POLL = 0.1, 2.0  # seconds
QUEUES = (OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH)


class Turnstile:
    """A governor that grants slots at once, unless it is told to refuse. Shared by all processes.

    troubles: what its next answers are instead, an error or the reason why all is closed.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.none = 0
        self.closed_until: datetime | None = None
        self.paused: dict[str, datetime] = {}
        self.errors: list[Exception] = []
        self.given = 0
        self.returned = 0

    def clear(self) -> None:
        self.none = 0
        self.closed_until = None
        self.errors.clear()

    def _maybe_fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def reserve(
        self, mailboxes: Sequence[str], demands: Sequence[Demand], *, within: timedelta
    ) -> list[Slot | Closed | None]:
        await asyncio.sleep(self._random.uniform(0, 0.02))
        self._maybe_fail()
        return [self._answer(mailboxes, demand) for demand in demands]

    def _answer(self, mailboxes: Sequence[str], demand: Demand) -> Slot | Closed | None:
        now = virtual_now()
        if self.closed_until is not None and self.closed_until > now:
            return Closed(self.closed_until, "Closed for the test.", "Wait.")
        if self.none:
            self.none -= 1
            return None
        open_ = [m for m in mailboxes if self.paused.get(m, now) <= now]
        if not open_:
            return Closed(min(self.paused.values()), "All are paused.", "Wait.")
        self.given += 1
        at = now + timedelta(seconds=self._random.choice((0, 0, 0.1, 2)))
        return Slot(self._random.choice(open_), at, demand)

    async def give_back(self, slots: Sequence[Slot]) -> None:
        self.returned += len(slots)

    async def pause(
        self, mailbox: str | None, *, reason: str, fix: str, kind: PauseKind
    ) -> datetime:
        self._maybe_fail()
        until = virtual_now() + timedelta(seconds=60)
        if mailbox is None:
            self.closed_until = until
        else:
            self.paused[mailbox] = until
        return until

    async def worked(self, mailbox: str) -> None:
        self._maybe_fail()
        self.paused.pop(mailbox, None)

    def late(self, slot: Slot, at: datetime) -> None:
        """There is no pace that it could hurt."""

    def connects(self, mailboxes: Sequence[str]) -> bool:
        return True

    async def places(
        self,
        pool: Sequence[str],
        lane: Lane,
        count: int,
        *,
        again: bool = False,
    ) -> list[datetime]:
        return [await self.place(pool, lane) for _ in range(count)]

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime:
        wait = self._random.choice((0, 0, 4, 9)) if lane != "high" else 0
        return virtual_now() + timedelta(seconds=wait)

    async def allow(self, mailbox: str, sessions: int) -> int:
        return sessions

    async def keep(self, mailboxes: Collection[str]) -> list[str]:
        return []


class Process:
    """The parts, as the application joins them. skew: how far its clock is ahead, in seconds."""

    def __init__(
        self,
        settings: Settings,
        account: Account,
        server: MailServer,
        turnstile: Turnstile | Governor,
        random: Random,
        *,
        skew: float = 0.0,
    ) -> None:
        self.account, self.line, self._random = account, Line(random), random
        self._tasks: set[asyncio.Task[Any]] = set()
        self.troubles: list[BaseException] = []
        self.came: dict[str, float] = {}  # when a queue message came for the first time, by text

        def clock() -> datetime:
            return virtual_now() + timedelta(seconds=skew)

        # Each asks the connection for clients only when it is used; all uses are replaced.
        nowhere: Any = None
        self.ledger = Ledger(nowhere)
        self.ledger._table = self._table("messages")
        timeline = Timeline(nowhere)
        timeline._table = self._table("timeline")
        contents = Contents(nowhere, size_limit=settings.size_limit)
        contents._container = MemoryContainer(account, self.line)  # type: ignore[assignment]
        outbox = Outbox(nowhere, clock=clock)
        outbox.ordinary, outbox.high = self._queue(OUTBOUND_MAIL), self._queue(OUTBOUND_MAIL_HIGH)
        self.pool = SessionPool(
            server.opener(self.line), self._sign_in, permits=turnstile, size=3, clock=clock
        )
        suppressions = Suppressions(nowhere)
        suppressions._table = self._table("suppressions")
        suppressions._keys = AddressKeys(suppressions._table)
        suppressions._keys._salt = b"salt" * 8
        signing = Signing(None, "", clock=clock)
        check = SuppressionCheck(suppressions, clock=clock)
        self.acceptance = Acceptance(
            settings, ledger=self.ledger, contents=contents, outbox=outbox, places=turnstile,
            preparation=AsPosted(), suppressions=check, clock=clock,
        )  # fmt: skip
        self.delivery = Delivery(
            settings, ledger=self.ledger, contents=contents, outbox=outbox, pool=self.pool,
            gate=Gate(turnstile, clock=clock), mailboxes=turnstile, clock=clock,
            refusals=RefusalEvents(self._queue(BOUNCE_EVENTS), clock=clock), jitter=random.random,
            marks=Marks(signing, UnsubscribeLinks(settings, signing)), suppressions=check,
        )  # fmt: skip
        self.outbound = Outbound(
            acceptance=self.acceptance, contents=contents, delivery=self.delivery, outbox=outbox,
            poison=self._queue(OUTBOUND_MAIL + POISON),
        )  # fmt: skip
        self.poison = PoisonWatch(
            acceptance=self.acceptance, ledger=self.ledger, contents=contents, timeline=timeline,
            outbox=outbox, grace=timedelta(seconds=settings.reconcile_after), clock=clock,
        )  # fmt: skip
        self.cancellation = Cancellation(ledger=self.ledger, timeline=timeline, clock=clock)
        self.resolution = Resolution(
            ledger=self.ledger, timeline=timeline, enqueue=outbox.enqueue,
            grace=timedelta(seconds=settings.reconcile_after), clock=clock,
        )  # fmt: skip
        settling = Settling(
            settings, ledger=self.ledger, resolution=self.resolution,
            sent_items=lambda: nowhere, clock=clock,
        )  # fmt: skip
        self.reconciliation = Reconciliation(
            settings, ledger=self.ledger, delivery=self.delivery, outbox=outbox,
            settling=settling, clock=clock,
        )  # fmt: skip

    def _table(self, name: str) -> Any:
        return MemoryTable(self.account, name, self.line)

    def _queue(self, name: str) -> Any:
        return MemoryQueue(self.account, name, self.line)

    async def _sign_in(self, mailbox: str, _rejected: SignIn | None) -> SignIn:
        return SignIn(mailbox, "token")

    @property
    def alive(self) -> bool:
        return not self.line.dead

    def start[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins some work of the process. What is not awaited must not fail unseen."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StorageUnavailableError | ChangedError):
            self.troubles.append(error)

    # The Functions host

    async def take(self, queue: str, most: int) -> int:
        """Claims visible messages and begins to handle them, as the host does."""
        for number in range(most):
            message = self.account.take(queue, CLAIM)
            if message is None:
                return number
            self.start(self._handle(queue, message))
        return most

    async def _handle(self, queue: str, message: Any) -> None:
        if message.dequeued > TRIES and not queue.endswith(POISON):
            self._poison(queue, message)
            return
        body = message.text.encode()
        try:
            if queue.endswith(POISON):
                origin = queue.removesuffix(POISON)
                await self.poison.handle(body, queue=origin, queue_id=message.id)
            else:
                await self.outbound.handle(body, queue_id=message.id)
        except Exception as error:  # noqa: BLE001 (kept, and judged at the end)
            if not isinstance(error, StorageUnavailableError | ChangedError):
                self.troubles.append(error)
            if self.alive:
                if message.dequeued >= TRIES and not queue.endswith(POISON):
                    self._poison(queue, message)
                else:
                    self.account.settle(queue, message, again_in=10.0)
            return
        if self.alive:
            self.account.settle(queue, message, again_in=None)

    def _poison(self, queue: str, message: Any) -> None:
        self.account.put(queue + POISON, message.text)
        self.account.settle(queue, message, again_in=None)

    async def serve(self, queue: str) -> None:
        """Feeds what comes, as the host does with Mailroom's host.json; until it is cancelled."""
        running: set[asyncio.Task[None]] = set()
        pause = SHORTEST_POLL
        while True:
            message = self.account.take(queue, CLAIM) if len(running) < AT_ONCE else None
            if message is not None:
                came = asyncio.get_running_loop().time()
                self.came.setdefault(message.text, came)
                task = self.start(self._handle(queue, message))
                running.add(task)
                task.add_done_callback(running.discard)
                pause = SHORTEST_POLL
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL)

    async def reconcile(self) -> None:
        await self.reconciliation.run()

    def bury(self) -> None:
        """The test is over."""
        self.line.kill()
        self.line.buried = True


def message_json(number: int, *, recipients: int, priority: str, send_at: str | None) -> bytes:
    """A message that is accepted."""
    body: dict[str, Any] = {
        "from": {"email": "billing@contoso.test"},
        "to": [{"email": f"r{n}@example.com"} for n in range(recipients)],
        "subject": f"Message {number}",
        "text": "Hello.\n",
        "priority": priority,
    }
    if send_at is not None:
        body["send_at"] = send_at
    return json.dumps(body).encode()
