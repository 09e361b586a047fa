"""One mailbox's row: its slots, recipients of 24 hours, connection permits and pause.

Pure: each change makes a new state. Times are seconds since the epoch, of storage.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from shared.quota.limits import QuotaLimits
from shared.quota.pacing import AT_ONCE, Pace
from shared.quota.pauses import Pause
from shared.quota.windows import Window, bucket_of

LEASE = 90.0  # a permit that nobody renews for so long is free
RUN = 3  # urgent slots ahead after which one is left to what is not urgent…
LEFT = 1.0  # …until so many seconds before its time: then anybody takes it
MAX_LATE = 30.0  # a hand-over's lateness that later slots make up for


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave of one process to have so many sessions of the mailbox open.

    mark: of the last write in which its holder reserved.
    """

    holder: str
    until: float
    sessions: int = 1
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Want:
    """One message in an order. `urgent`: it may take any slot up to the order's `latest`."""

    recipients: int
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What one write is to bring to `holder`.

    own: unused slots that it still has from before; unused: recipients counted for them, all of
    which are uncounted first. late: seconds by which its last hand-overs were late.
    begin: the first new slot must not be later, unless for an urgent want; latest: nor any slot.
    block: how many slots that are still ahead one write may take for what is not urgent. ahead:
    take the whole block if the mailbox is busy, what is not wanted yet goes in stock, with
    stock_recipients counted for each.
    """

    holder: str
    wants: tuple[Want, ...]
    begin: float
    latest: float
    block: int = 1
    ahead: bool = False
    stock_recipients: int = 1
    own: tuple[float, ...] = ()
    unused: tuple[tuple[int, int], ...] = ()
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What an order got: a slot or None for each want, and what stays in hand.

    unused: (bucket, recipients) counted for `stock`; bucket: where the rest was counted.
    probe: the only slot is a probe's. until: how long the permit lasts, 0 if there is none.
    """

    slots: tuple[float | None, ...]
    stock: tuple[float, ...] = ()
    unused: tuple[tuple[int, int], ...] = ()
    bucket: int = 0
    probe: bool = False
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The row. slots: the last ones, as many as pacing needs; spare: given back or left over, still
    ahead. run: how many slots in a row urgent messages have booked."""

    slots: tuple[float, ...] = ()
    spare: tuple[float, ...] = ()
    day: Window = field(default_factory=Window)
    permits: tuple[Permit, ...] = ()
    pause: Pause | None = None
    run: int = 0

    @classmethod
    def decode(cls, text: str) -> Self:
        if not text:
            return cls()
        value = json.loads(text)
        return cls(
            slots=tuple(value["slots"]),
            spare=tuple(value["spare"]),
            day=Window.of(value["day"]),
            permits=tuple(Permit(*permit) for permit in value["permits"]),
            pause=Pause.of(value["pause"]),
            run=value.get("run", 0),
        )

    def encode(self) -> str:
        return json.dumps(
            {
                "slots": self.slots,
                "spare": self.spare,
                "day": self.day.as_json(),
                "permits": [[p.holder, p.until, p.sessions, p.mark] for p in self.permits],
                "pause": self.pause.as_json() if self.pause else None,
                "run": self.run,
            },
            separators=(",", ":"),
        )

    def live(self, now: float) -> tuple[Permit, ...]:
        """The permits that are not over."""
        return tuple(p for p in self.permits if p.until > now)

    def permit(self, holder: str) -> Permit | None:
        return next((p for p in self.permits if p.holder == holder), None)

    def mark(self, holder: str) -> str:
        permit = self.permit(holder)
        return permit.mark if permit else ""

    def free_sessions(self, holder: str, now: float, connections: int) -> int:
        """How many sessions `holder` could have beside the other holders'."""
        return connections - sum(p.sessions for p in self.live(now) if p.holder != holder)

    def with_permit(self, permit: Permit, now: float) -> "Mailbox":
        """With the holder's permit replaced; permits that are over go."""
        others = tuple(p for p in self.live(now) if p.holder != permit.holder)
        return replace(self, permits=(*others, permit))

    def renewed(self, holder: str, now: float, *, mark: str, connections: int) -> "Mailbox | None":
        """With the holder's permit prolonged, or a new one; None if others hold all of them."""
        free = self.free_sessions(holder, now, connections)
        if free < 1:
            return None
        held = self.permit(holder)
        sessions = min(held.sessions, free) if held else 1
        mark = mark or (held.mark if held else "")
        return self.with_permit(Permit(holder, now + LEASE, sessions, mark), now)

    def released(
        self, holder: str, now: float, spare: Iterable[float], unused: Iterable[tuple[int, int]]
    ) -> "Mailbox":
        """Without the holder's permit; its unused slots may be taken by anybody."""
        return replace(
            self,
            permits=tuple(p for p in self.live(now) if p.holder != holder),
            spare=tuple(sorted(s for s in {*self.spare, *spare} if s > now)),
            day=self.day.subtract(unused),
        )

    def shifted(self, late: float) -> "Mailbox":
        """With all further slots later, since a hand-over was: the minute counts from then."""
        late = min(late, MAX_LATE)
        return replace(self, slots=tuple(s + late for s in self.slots)) if late > 0 else self


def take(
    box: Mailbox, order: Order, *, now: float, mark: str, pace: Pace, limits: QuotaLimits
) -> tuple[Mailbox, Taken]:
    """Reserves what an order asks for, as far as the limits allow. The same state: nothing.

    An order without wants renews the permit and gives back what was counted for no slot.
    """
    nothing = Taken((None,) * len(order.wants))
    pause = box.pause
    probe = bool(order.wants) and pause is not None and pause.in_force
    if probe and pause is not None and pause.closed_until(now) is not None:
        return box, nothing
    renewed = box.renewed(order.holder, now, mark=mark, connections=limits.connections)
    if renewed is None:
        return box, nothing
    if probe and pause is not None:
        order = replace(order, ahead=False)
        renewed = replace(renewed, pause=pause.probed(now))
    taking = _Taking(renewed.shifted(order.late), order, now, pace, limits.recipients_per_day)
    slots = [taking.fill(want, only=probe) for want in order.wants]
    if order.wants and all(slot is None for slot in slots):
        return box, nothing
    bucket = bucket_of(now)
    spare_recipients = taking.fill_stock()
    unused = ((bucket, spare_recipients),) if spare_recipients else ()
    return taking.result(), Taken(
        tuple(slots), tuple(taking.own), unused, bucket, probe=probe, until=now + LEASE
    )


class _Taking:
    """One order being filled."""

    def __init__(self, box: Mailbox, order: Order, now: float, pace: Pace, limit: int) -> None:
        self._box, self._order, self._now, self._pace = box, order, now, pace
        self._ring = box.slots
        self._spare = [s for s in box.spare if s >= now]
        self._room = limit - box.day.subtract(order.unused).used(now)
        self._counted = 0
        self._run = box.run
        self._any = False  # a slot has been filled
        self._begun = False  # the first new slot for what is not urgent came early enough
        self._block = 0  # slots taken that are still ahead
        self.own = sorted(s for s in order.own if s >= now)

    def fill(self, want: Want, *, only: bool) -> float | None:
        """A slot for the want, or None. only: no second one."""
        if want.recipients > self._room or (only and self._any):
            return None
        slot = self._next(want)
        if slot is not None:
            self._any = True
            self._count(want.recipients)
        return slot

    def _next(self, want: Want) -> float | None:
        spare_until = self._now + LEFT if want.urgent else self._order.latest
        for slots, latest in ((self.own, self._order.latest), (self._spare, spare_until)):
            if slots and slots[0] <= min(latest, self._order.latest):
                return slots.pop(0)
        slot = self._pace.next_slot(self._ring, self._now)
        begin = max(self._order.begin, self._now + AT_ONCE)
        if slot > self._order.latest or not (want.urgent or self._begun or slot <= begin):
            return None
        if want.urgent:
            slot = self._urgent(slot)
        else:
            self._run = 0
        if not want.urgent or slot <= begin:
            self._begun = True
            if slot > self._now + AT_ONCE:
                if self._block >= self._order.block and not want.urgent:
                    return None
                self._block += 1
        return self._take(slot)

    def _urgent(self, slot: float) -> float:
        """The slot, or the next one after it: what is urgent must not book everything ahead."""
        if self._run >= RUN and slot > self._now + LEFT:
            after = self._pace.next_slot((*self._ring, slot), self._now)
            if after <= self._order.latest:
                self._spare = sorted((*self._spare, self._take(slot)))
                slot, self._run = after, 0
        self._run += 1
        return slot

    def _take(self, slot: float) -> float:
        self._ring = self._pace.keep((*self._ring, slot))
        return slot

    def _count(self, recipients: int) -> None:
        self._room -= recipients
        self._counted += recipients

    def fill_stock(self) -> int:
        """Completes the block if the mailbox is busy; returns the recipients counted for it."""
        each = self._order.stock_recipients
        if self._order.ahead and self._block:
            while self._block < self._order.block and self._room >= each * (len(self.own) + 1):
                self.own.append(self._take(self._pace.next_slot(self._ring, self._now)))
                self._block += 1
        recipients = each * len(self.own)
        if recipients > self._room:
            return 0  # with nothing counted for them, they are of use to the next order
        self._count(recipients)
        return recipients

    def result(self) -> Mailbox:
        day = self._box.day.subtract(self._order.unused).add(self._now, self._counted)
        return replace(
            self._box, slots=self._ring, spare=tuple(self._spare), day=day, run=self._run
        )


def earliest(box: Mailbox, own: Sequence[float], pace: Pace, now: float) -> float:
    """When the mailbox can hand its next message over."""
    ahead = [s for s in (*own, *box.spare) if s >= now]
    return min([*ahead, pace.next_slot(box.slots, now)])
