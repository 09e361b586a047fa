"""Simulated instances of the app that share queues and a submission server, for `bench quota`.

Real, of the app: the governor, the gate with all that it decides of waiting (who goes, who is held,
who is put off until when), `host.json`. Real, of the local stack: the host's listeners and the
model of Office 365's limits, which judges. In memory: the table, the queues, a hand-over that takes
its time. What a delivery asks of the ledger is counted as `Delivery` does it.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from bench.queues import MemoryQueues
from bench.virtual import START, MemoryTable, virtual_now
from local.functions.bindings import FunctionDefinition, QueueTrigger
from local.functions.protocol import TypedData
from local.functions.queues import QueueListener
from local.functions.settings import read_host_json
from local.functions.worker import InvocationResult
from local.office365.counters import Counters
from local.office365.quota import Quotas
from local.office365.tenant import Limits, Mailbox
from shared.delivery.gate import AWAY, Gate, Refused
from shared.quota import Demand, Governor, Lane, QuotaLimits, Slot
from shared.storage.names import OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH
from shared.suppression.filter import SuppressionFilter

_ROOT = Path(__file__).resolve().parent.parent
_CLAIM = timedelta(minutes=10)
_IDLE = 60  # seconds after which a session is closed
_QUEUES = (OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH)


@dataclass(slots=True)
class Message:
    """One message of the backlog. Times are seconds of the simulation."""

    lane: Lane
    demand: Demand
    accepted: float
    number: int = 0
    pool: tuple[str, ...] = ()
    recipient: str = ""
    passes: int = 0  # how often a function was called with it
    cancelled: bool = False
    done: bool = False


class Server:
    """Office 365's limits, as the local stack counts them, over virtual time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counters = Counters()
        self.quotas = Quotas(self.counters)
        self.taken: list[tuple[float, str, Message]] = []
        self.refused = 0
        self.blocked: dict[str, tuple[float, float]] = {}
        self._sessions: Counter[str] = Counter()

    def open_session(self, mailbox: str) -> None:
        self._sessions[mailbox] += 1
        most = self.counters.concurrent_max
        most[mailbox] = max(most[mailbox], self._sessions[mailbox])

    def close_session(self, mailbox: str) -> None:
        self._sessions[mailbox] -= 1

    def submit(self, mailbox: str, message: Message) -> bool:
        """Counts one message at the moment of its final reply; False if the mailbox is blocked."""
        time = asyncio.get_running_loop().time()
        begin, end = self.blocked.get(mailbox, (0.0, 0.0))
        if begin <= time < end:
            self.refused += 1
            return False
        box, demand, now = Mailbox(mailbox), message.demand, virtual_now().timestamp()
        refusal = self.quotas.refusal(
            box, demand.recipients, demand.external, limits=self.limits, now=now
        )
        if refusal is None:
            self.quotas.take(box, demand.recipients, demand.external, limits=self.limits, now=now)
        self.taken.append((time, mailbox, message))
        return True

    @property
    def over_limit(self) -> int:
        return sum(self.counters.over_limit.values())

    @property
    def throttled(self) -> int:
        return self.counters.delayed


class Post:
    """The queues and the records that all instances share."""

    def __init__(self, latency: Callable[[], float]) -> None:
        self.queues = MemoryQueues(latency)
        self.messages: list[Message] = []
        self.ledger: Counter[str] = Counter()
        self.latency = latency

    async def accept(
        self,
        governor: Governor,
        check: "Suppressed",
        pool: Sequence[str],
        demands: Sequence[Demand],
        lane: Lane,
    ) -> list[Message]:
        """Asks who is suppressed, records messages and enqueues each for its place, as acceptance
        does."""
        now = asyncio.get_running_loop().time()
        found = []
        for demand, place in zip(
            demands, await governor.places(pool, lane, len(demands)), strict=True
        ):
            number = len(self.messages)
            message = Message(
                lane, demand, now, number, pool=tuple(pool),
                recipient=f"reader-{number}@example.com",
            )  # fmt: skip
            self.messages.append(message)
            await check.ask(message.recipient)
            self.ledger["write"] += 1
            await self.enqueue(message, place)
            found.append(message)
        return found

    async def enqueue(self, message: Message, until: datetime) -> None:
        queue = OUTBOUND_MAIL_HIGH if message.lane == "high" else OUTBOUND_MAIL
        delay = math.ceil(max(0.0, (until - virtual_now()).total_seconds()))
        await self.queues.queue(queue).send(str(message.number), delay)

    async def ask(self, name: str) -> None:
        """A transaction with the ledger."""
        self.ledger[name] += 1
        await asyncio.sleep(self.latency())


class Suppressed:
    """Who is suppressed, as `SuppressionCheck` asks: the filter, and a row where there may be one.
    Nobody that mail goes to is."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table
        self._filter = SuppressionFilter(table)

    async def fill(self, addresses: int) -> None:
        """So many that are suppressed."""
        await self._filter.announce(f"gone-{n}@example.com" for n in range(addresses))

    async def ask(self, recipient: str) -> None:
        for address in await self._filter.possible({recipient}, now=virtual_now()):
            await self._table.read("any", address)


@dataclass(slots=True)
class Instance:
    """One process of the app, with its host's listeners."""

    governor: Governor
    post: Post
    server: Server
    random: Random
    check: Suppressed
    latency: tuple[float, float] = (0.020, 0.150)
    gate: Gate = field(init=False)
    _sessions: dict[str, asyncio.Lock] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate = Gate(self.governor, clock=virtual_now)

    async def start(self) -> None:
        """Until it is cancelled."""
        settings = read_host_json(_ROOT, {}).queues
        listeners = [
            QueueListener(
                FunctionDefinition(queue, queue, QueueTrigger("msg", queue, "", binary=False)),
                self.post.queues, settings, self, claim=_CLAIM,  # type: ignore[arg-type]
                chance=self.random,
            )
            for queue in _QUEUES
        ]  # fmt: skip
        await asyncio.gather(self._keep(), *(listener.run() for listener in listeners))

    async def run(
        self,
        function: FunctionDefinition,  # noqa: ARG002
        value: TypedData,
        metadata: Mapping[str, TypedData],  # noqa: ARG002
        *,
        reason: str,  # noqa: ARG002
    ) -> InvocationResult:
        """One call of the function, as the listener makes it."""
        await self.deliver(self.post.messages[int(value.string)])
        return InvocationResult(succeeded=True)

    async def deliver(self, message: Message) -> None:
        """What `Delivery.deliver` does, without composing."""
        message.passes += 1
        await self.post.ask("read")
        accepted = START + timedelta(seconds=message.accepted, microseconds=message.number)
        for _ in range(len(message.pool) + 1):
            if message.cancelled or message.done:
                return
            slot = await self.gate.enter(message.pool, message.demand, accepted=accepted)
            if isinstance(slot, Refused):
                await self.post.enqueue(message, max(slot.until, virtual_now() + AWAY))
                return
            if await self._hand_over(message, slot):
                return
        await self.post.enqueue(message, virtual_now() + AWAY)

    async def _hand_over(self, message: Message, slot: Slot) -> bool:
        lock = self._sessions.get(slot.mailbox)
        if lock is None:
            lock = self._sessions[slot.mailbox] = asyncio.Lock()
            self.server.open_session(slot.mailbox)
        async with lock:
            await self.gate.until(slot)
            await self.check.ask(message.recipient)
            await self.post.ask("write")
            self.governor.late(slot, virtual_now())
            await asyncio.sleep(self.random.uniform(*self.latency))
            self._used[slot.mailbox] = asyncio.get_running_loop().time()
            taken = self.server.submit(slot.mailbox, message)
        if taken:
            message.done = True
            await self.post.ask("write")
            await self.governor.worked(slot.mailbox)
            return True
        await self.governor.pause(
            slot.mailbox, kind="throttled", reason="550 5.2.251 Sender throttled", fix="Wait."
        )
        return False

    async def _keep(self) -> None:
        """Sessions close after a minute without use; permits of the others are renewed."""
        while True:
            await asyncio.sleep(20)
            now = asyncio.get_running_loop().time()
            for mailbox in [m for m, used in self._used.items() if now - used > _IDLE]:
                del self._used[mailbox], self._sessions[mailbox]
                self.server.close_session(mailbox)
                await self.governor.release(mailbox)
            for mailbox in await self.governor.keep(list(self._sessions)):
                async with self._sessions.pop(mailbox):
                    self._used.pop(mailbox, None)
                    self.server.close_session(mailbox)


def fleet(
    table: MemoryTable,
    suppressions: MemoryTable,
    limits: QuotaLimits,
    *,
    instances: int,
    post: Post,
    server: Server,
    random: Random,
) -> list[Instance]:
    """So many instances over one table and the same queues."""
    return [
        Instance(
            Governor(
                table.client(), limits, holder=f"{n}-{random.getrandbits(48):x}",
                clock=virtual_now, random=random.random,
            ),
            post, server, random, Suppressed(suppressions.client()),
        )
        for n in range(instances)
    ]  # fmt: skip
