"""Reserving: demands are planned on what is known of the mailboxes, then written, mailbox by
mailbox; what a lost race took away is planned again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.errors import ChangedError, StorageUnavailableError
from shared.quota.choice import Prospect, affinity, plan
from shared.quota.clock import StorageClock
from shared.quota.mailbox import Mailbox, Order, Want
from shared.quota.mailboxes import Mailboxes
from shared.quota.model import Closed, Demand, Slot
from shared.quota.tenant import FIXES, REASONS, Parts, TenantBudget

KNOWN_FOR = 10.0  # seconds that the rows are believed without reading them again
_KNOWN_HUNGRY = 1.0  # … where no slot has been found for so long
_FRESH = 1.0  # seconds that a row is believed where another process goes before this one
_ROUNDS = 3  # plans of one call
# Who goes first at a mailbox books its next slot this much ahead, in message intervals. In a small
# pool the second one books what the first has left, and so on: whoever has messages uses the slot,
# nobody takes it late, and few races are lost. In a large pool a process that has had no slot for
# long presses in.
_LEAD, _LEAD_STEP, _PRESSING_LEAD = 0.9, 0.3, 1.0
# Seconds that a process goes first at a mailbox before the next does, in small and larger pools.
_SMALL_TURN, _TURN = 8.0, 30.0
_SEEN = 0.2  # seconds that a row is believed by those who take what the first has left
_PATIENCE = 2.0  # seconds without a slot before a process presses into others' mailboxes
_FORGET = 5.0  # seconds without a call after which a process is not hungry any more
_SMALL_POOL = 2  # mailboxes
_STAGGERED = 12  # mailboxes of a pool up to which processes take turns; more have others to go to
# Slots still ahead that one write may take. Where processes take turns so few that an urgent
# message need not wait for more than three of them; in a larger pool it has others to go to.
_SMALL_BLOCK, _SMALL_BLOCK_SECONDS = 2, 4.1
# … and in a small pool that others use too: an urgent message that comes to another process finds
# one slot taken ahead of it, not two, and still has a second to be polled and one to be sent in.
_SHARED_BLOCK, _SHARED_BLOCK_SECONDS = 1, 2.1
_BLOCK, _BLOCK_SECONDS = 4, 8.2

_FULL = "The mailbox's {limit} recipients of 24 hours are used up."
_FULL_FIX = "Wait, or give this From address more mailboxes in MAILROOM_SENDERS."

type Answers = list[Slot | Closed | None]


def _block(mailboxes: int, interval: float, *, shared: bool) -> int:
    if mailboxes <= _SMALL_POOL and shared:
        return max(_SHARED_BLOCK, int(_SHARED_BLOCK_SECONDS / interval))
    if mailboxes <= _SMALL_POOL or shared:
        return max(_SMALL_BLOCK, int(_SMALL_BLOCK_SECONDS / interval))
    return max(_BLOCK, int(_BLOCK_SECONDS / interval))


@dataclass(slots=True)
class _Draw:
    """What a planned message has of the tenant's: its parts of the budgets, and probes."""

    parts: Parts = ()
    probes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Appetite:
    """When a pool was last asked for slots, and when it last had one for this process."""

    called: float
    fed: float


@dataclass(slots=True)
class Reservations:
    """The slots that this process reserves. Times are storage's."""

    mailboxes: Mailboxes
    tenant: TenantBudget
    clock: StorageClock
    _appetites: dict[tuple[str, ...], _Appetite] = field(default_factory=dict)
    _tenant_probes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def reserve(
        self, pool: Sequence[str], demands: Sequence[Demand], within: float
    ) -> Answers:
        """See Governor.reserve."""
        answers: Answers = [None] * len(demands)
        if not (pool and demands):
            return answers
        await self.mailboxes.rows.refresh(older_than=KNOWN_FOR)
        hungry = self._hunger(pool)
        try:
            await self._reserve(pool, demands, within, answers, hungry)
        except BaseException as error:
            slots = [answer for answer in answers if isinstance(answer, Slot)]
            lost_races = isinstance(error, ChangedError)
            if not lost_races and not (slots and isinstance(error, StorageUnavailableError)):
                for slot in slots:
                    self.put_back(slot)
                raise
            # What there is, is good; if storage stays away the next call tells.
        if any(isinstance(answer, Slot) for answer in answers):
            self._appetites[tuple(pool)].fed = self.clock.now()
        return answers

    def _hunger(self, pool: Sequence[str]) -> float:
        now = self.clock.now()
        appetite = self._appetites.setdefault(tuple(pool), _Appetite(now, now))
        if now - appetite.called > _FORGET:
            appetite.fed = now
        appetite.called = now
        return now - appetite.fed

    async def _reserve(
        self,
        pool: Sequence[str],
        demands: Sequence[Demand],
        within: float,
        answers: Answers,
        hungry: float,
    ) -> None:
        for _ in range(_ROUNDS):
            self._close(pool, demands, answers)
            open_ = [i for i, answer in enumerate(answers) if answer is None]
            if not open_:
                return
            await self._look_again(pool)
            latest = self.clock.now() + within
            urgent = any(demands[i].lane == "high" for i in open_)
            prospects = self._prospects(pool, hungry, latest if urgent else 0.0)
            plan(prospects, demands, open_, latest)
            chosen = [p for p in prospects if p.chosen]
            if chosen:
                if await self._fill(chosen, demands, answers, latest):
                    return
                continue
            small = len(pool) <= _STAGGERED
            if small or hungry < _KNOWN_HUNGRY or not self._shared(pool):
                return
            if not await self.mailboxes.rows.refresh(older_than=_KNOWN_HUNGRY):
                return

    def _prospects(self, pool: Sequence[str], hungry: float, urgent_until: float) -> list[Prospect]:
        """The mailboxes that may have a slot soon; urgent_until: or in this time, if at all."""
        now, limits, pace = self.clock.now(), self.mailboxes.limits, self.mailboxes.pace
        found: list[Prospect] = []
        shared = len(pool) <= _STAGGERED and self._shared(pool)
        press = min(_PRESSING_LEAD * pace.interval, max(0.0, hungry - _PATIENCE))
        for mailbox in pool:
            box = self.mailboxes.box(mailbox)
            pause = box.pause if box.pause is not None and box.pause.in_force else None
            if pause is not None and pause.closed_until(now) is not None:
                continue
            holding = self.mailboxes.holding(mailbox)
            own = holding.ahead(now)
            horizon = max(now + pace.interval, urgent_until)
            if not (own or box.spare) and pace.next_slot(box.slots, now) > horizon:
                continue
            held = holding.permit_until > now
            if not held and box.free_sessions(self._me, now, limits.connections) < 1:
                continue
            rank = self._rank(pool, mailbox, box, now)
            first, small = rank == 0, len(pool) <= _SMALL_POOL
            if not (first or own or small or self.mailboxes.age(mailbox) < _FRESH):
                continue  # who goes first has most likely written it meanwhile
            others = small and any(p.holder != self._me for p in box.live(now))
            block = _block(len(pool), pace.interval, shared=shared)
            lead = self._lead(rank) if first or small else 0.0
            lead = lead if small else max(press, lead)
            found.append(
                Prospect(
                    mailbox, box, own, pace, now, now + lead, block,
                    limits.recipients_per_day,
                    limits.recipients_per_day - box.day.used(now) + holding.spare_recipients,
                    held, affinity(self._me, mailbox), first, probe=pause is not None,
                    others=others,
                )
            )  # fmt: skip
        return found

    @property
    def _me(self) -> str:
        return self.mailboxes.holder

    def _shared(self, pool: Sequence[str]) -> bool:
        """Whether others use mailboxes of the pool, so that there may be news of them."""
        now = self.clock.now()
        return any(
            permit.holder != self._me
            for mailbox in pool
            for permit in self.mailboxes.box(mailbox).live(now)
        )

    def _rank(self, pool: Sequence[str], mailbox: str, box: Mailbox, now: float) -> int:
        """How many of the others that use the mailbox go before this process: the first books
        ahead, they take what it leaves. So two processes seldom want the same slot."""
        length = _SMALL_TURN if len(pool) <= _SMALL_POOL else _TURN
        turn = f"{now // length:.0f}" if len(pool) <= _STAGGERED else ""
        mine = affinity(self._me + turn, mailbox)
        return sum(affinity(p.holder + turn, mailbox) < mine for p in box.live(now))

    def _lead(self, rank: int) -> float:
        """How far ahead of a slot a process may book it."""
        return max(_LEAD - rank * _LEAD_STEP, _LEAD_STEP / 2) * self.mailboxes.pace.interval

    async def _look_again(self, pool: Sequence[str]) -> None:
        """In a small pool: who is not the first looks whether the next slot is still to be had
        when its time to book has come. One read for each slot that another process took."""
        if len(pool) > _STAGGERED:
            return
        now, stale = self.clock.now(), []
        for mailbox in pool:
            box = self.mailboxes.box(mailbox)
            rank = self._rank(pool, mailbox, box, now)
            if not rank or self.mailboxes.age(mailbox) < _SEEN:
                continue
            if self.mailboxes.pace.next_slot(box.slots, now) <= now + self._lead(rank):
                stale.append(mailbox)
        await asyncio.gather(*(self.mailboxes.look_again(mailbox) for mailbox in stale))

    async def _fill(
        self, chosen: Sequence[Prospect], demands: Sequence[Demand], answers: Answers, latest: float
    ) -> bool:
        """Reserves what was planned; False if something was lost to another process."""
        draws: dict[int, _Draw] = {}
        try:
            await self._draw(chosen, demands, answers, draws)
            results = await asyncio.gather(
                *(self._fill_one(p, demands, answers, latest, draws) for p in chosen),
                return_exceptions=True,
            )
        finally:
            undone = [draw for i, draw in draws.items() if not isinstance(answers[i], Slot)]
            for draw in undone:
                self.tenant.put_back(draw.parts)
        for draw in undone:
            if draw.probes:
                await self.tenant.end_probe(draw.probes, worked=False)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ChangedError):
                raise result
        return all(answers[i] is not None for p in chosen for i in p.chosen)

    async def _draw(
        self,
        chosen: Sequence[Prospect],
        demands: Sequence[Demand],
        answers: Answers,
        draws: dict[int, _Draw],
    ) -> None:
        """Draws on the tenant's budgets for all that is planned; Closed where they do not do."""
        indices = sorted(i for p in chosen for i in p.chosen)
        for i in indices:
            probes = self.tenant.due(demands[i])
            if not probes:
                draws[i] = _Draw()
            elif await self.tenant.claim_probe(probes):
                draws[i] = _Draw(probes=probes)
            else:
                answers[i] = self._tenant_closed(demands[i])
        wanted = list(draws)
        for i, parts in zip(
            wanted, await self.tenant.draw([demands[i] for i in wanted]), strict=True
        ):
            if parts is not None:
                draws[i].parts = parts
                continue
            until, budget = self.tenant.free_at(demands[i])
            answers[i] = self._closed(until, REASONS[budget], FIXES[budget])

    async def _fill_one(
        self,
        prospect: Prospect,
        demands: Sequence[Demand],
        answers: Answers,
        latest: float,
        draws: Mapping[int, _Draw],
    ) -> None:
        """Reserves one mailbox's part of the plan."""
        indices = [i for i in prospect.chosen if answers[i] is None]
        if not indices:
            return
        wants = tuple(Want(demands[i].recipients, demands[i].lane == "high") for i in indices)
        # In a large pool an urgent message may as well open the next block: it saves a write.
        opens = prospect.first and prospect.block >= _BLOCK and any(w.urgent for w in wants)
        order = Order(
            self._me, wants, latest if opens else prospect.begin, latest, prospect.block,
            ahead=prospect.first and not prospect.others,
            stock_recipients=-(-sum(want.recipients for want in wants) // len(wants)),
        )  # fmt: skip
        tickets = await self.mailboxes.fill(prospect.mailbox, order)
        for i, ticket in zip(indices, tickets, strict=True):
            if ticket is None:
                continue
            draw = draws[i]
            ticket.tenant, ticket.tenant_probes = draw.parts, draw.probes
            if draw.probes:
                self._tenant_probes[self._name(prospect.mailbox)] = draw.probes
            at = self.clock.to_local(ticket.time)
            answers[i] = Slot(prospect.mailbox, at, demands[i], ticket)

    def put_back(self, slot: Slot) -> bool:
        """Takes a slot back; False if it was taken back before."""
        ticket = slot.ticket
        if ticket is None:
            raise ValueError("This slot was not reserved here: give back what reserve returned.")
        if ticket.returned:
            return False
        ticket.returned = True
        self.mailboxes.holding(slot.mailbox).put_back(ticket)
        self.tenant.put_back(ticket.tenant)
        return True

    async def drop_probe(self, slot: Slot) -> None:
        """If the slot was a probe's, another one may be."""
        ticket = slot.ticket
        if ticket is not None and ticket.probe:
            await self.mailboxes.end_probe(slot.mailbox, worked=False)
        if ticket is not None and ticket.tenant_probes:
            self._tenant_probes.pop(self._name(slot.mailbox), None)
            await self.tenant.end_probe(ticket.tenant_probes, worked=False)

    async def worked(self, mailbox: str) -> None:
        """A message went through: if it was a probe, the pause is over."""
        await self.mailboxes.end_probe(mailbox, worked=True)
        probes = self._tenant_probes.get(self._name(mailbox))
        if probes:
            await self.tenant.end_probe(probes, worked=True)
            self._tenant_probes.pop(self._name(mailbox), None)

    def _name(self, mailbox: str) -> str:
        return self.mailboxes.key(mailbox).name

    def works(self, mailbox: str) -> bool:
        """Whether the mailbox is not paused, as far as is known."""
        pause = self.mailboxes.box(mailbox).pause
        return pause is None or not pause.in_force

    def _close(self, pool: Sequence[str], demands: Sequence[Demand], answers: Answers) -> None:
        """Answers the demands that the tenant or all mailboxes are closed for."""
        for i, demand in enumerate(demands):
            if answers[i] is None:
                answers[i] = self._tenant_closed(demand) or self._pool_closed(pool, demand)

    def _tenant_closed(self, demand: Demand) -> Closed | None:
        pause, now = self.tenant.closed(demand), self.clock.now()
        if pause is None:
            return None
        return self._closed(pause.closed_until(now) or now, pause.reason, pause.fix)

    def _pool_closed(self, pool: Sequence[str], demand: Demand) -> Closed | None:
        found: list[tuple[float, str, str]] = []
        now, limit = self.clock.now(), self.mailboxes.limits.recipients_per_day
        for mailbox in pool:
            box = self.mailboxes.box(mailbox)
            pause = box.pause
            until = pause.closed_until(now) if pause is not None and pause.in_force else None
            if pause is not None and until is not None:
                found.append((until, pause.reason, pause.fix))
                continue
            spare = self.mailboxes.holding(mailbox).spare_recipients
            free_at = box.day.free_at(now, max(0, demand.recipients - spare), limit)
            if free_at <= now:
                return None
            found.append((free_at, _FULL.format(limit=limit), _FULL_FIX))
        return self._closed(*min(found))

    def _closed(self, until: float, reason: str, fix: str) -> Closed:
        return Closed(self.clock.to_local(until), reason, fix)
