"""What this process holds of one mailbox: reserved slots that no message has yet, and recipients
that were counted for them. It is used before anything new is reserved."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.quota.limits import QuotaLimits
from shared.quota.mailbox import Mailbox, Order, Taken, take
from shared.quota.model import Ticket
from shared.quota.pacing import Pace
from shared.quota.windows import usable_until

_PERMIT_MARGIN = 20.0  # seconds that a permit must last beyond the slot that is handed out


@dataclass(slots=True)
class Holding:
    """Slots, counted recipients and the permit. What changes it holds `lock`, but `put_back` and
    `note_late`, which only add to what the next change works in."""

    holder: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    slots: list[float] = field(default_factory=list)
    unused: dict[int, int] = field(default_factory=dict)
    permit_until: float = 0.0
    _late: float = 0.0
    _back_slots: list[float] = field(default_factory=list)
    _back_unused: list[tuple[int, int]] = field(default_factory=list)
    # Orders that were written with nobody knowing whether they arrived, by their marks.
    _pending: dict[str, tuple[Order, Taken]] = field(default_factory=dict)

    def put_back(self, ticket: Ticket) -> None:
        """Takes a slot back that no message used. Its time may be over."""
        self._back_slots.append(ticket.time)
        self._back_unused.extend(ticket.counted)

    def note_late(self, seconds: float) -> None:
        """A message was handed over so much later than its slot allowed."""
        self._late = max(self._late, seconds)

    def settle(self, now: float) -> None:
        """Works in what was put back; slots that are over go."""
        self.slots = sorted(s for s in {*self.slots, *self._back_slots} if s >= now)
        for bucket, count in self._back_unused:
            self.unused[bucket] = self.unused.get(bucket, 0) + count
        self._back_slots, self._back_unused = [], []

    @property
    def clean(self) -> bool:
        """Nothing in hand, nothing to give back."""
        return not (self.slots or self.unused or self._back_slots or self._back_unused)

    def ahead(self, now: float) -> list[float]:
        """The slots in hand that are still to come."""
        return sorted(s for s in {*self.slots, *self._back_slots} if s >= now)

    @property
    def spare_recipients(self) -> int:
        """Recipients that are counted for nothing so far."""
        return sum(self.unused.values()) + sum(count for _, count in self._back_unused)

    def spend(self, recipients: int, *, now: float, latest: float) -> Ticket | None:
        """A slot in hand for a message, or None; nothing is written for it."""
        self.settle(now)
        if self._pending or not self.slots or self.slots[0] > latest:
            return None
        if self.permit_until < self.slots[0] + _PERMIT_MARGIN:
            return None
        usable = [b for b in sorted(self.unused) if usable_until(b) > now]
        if sum(self.unused[b] for b in usable) < recipients:
            return None
        counted = []
        for bucket in usable:
            count = min(recipients, self.unused[bucket])
            self.unused[bucket] -= count
            recipients -= count
            counted.append((bucket, count))
        self.unused = {b: n for b, n in self.unused.items() if n}
        return Ticket(self.slots.pop(0), tuple(c for c in counted if c[1]))

    def order(self, box: Mailbox, order: Order, *, now: float) -> Order:
        """The order, with all that is in hand put in."""
        self._absorb(box)
        self.settle(now)
        return Order(
            order.holder, order.wants, order.begin, order.latest, order.block, order.ahead,
            order.stock_recipients, tuple(self.slots), tuple(self.unused.items()), self._late,
        )  # fmt: skip

    def try_order(
        self, box: Mailbox, order: Order, mark: str, *, now: float, pace: Pace, limits: QuotaLimits
    ) -> tuple[Mailbox, tuple[Order, Taken]]:
        """One attempt at an order; remembered until its result is known."""
        order = self.order(box, order, now=now)
        new, taken = take(box, order, now=now, mark=mark, pace=pace, limits=limits)
        if new is not box:
            self._pending[mark] = (order, taken)
        return new, (order, taken)

    def _absorb(self, box: Mailbox) -> None:
        """If an order of unknown result did arrive, all that it took is in hand, unused."""
        found = self._pending.get(box.mark(self.holder))
        if found is None:
            return
        order, taken = found
        self._pending.clear()
        granted = [s for s in taken.slots if s is not None]
        wanted = sum(
            w.recipients for w, s in zip(order.wants, taken.slots, strict=True) if s is not None
        )
        self.slots = [*granted, *taken.stock]
        self.unused = dict(taken.unused)
        self.unused[taken.bucket] = self.unused.get(taken.bucket, 0) + wanted
        self._late = max(0.0, self._late - order.late)

    def accept(self, order: Order, taken: Taken) -> Sequence[Ticket | None]:
        """Takes over what an order has brought; the tickets of its wants."""
        if not taken.until:
            return [None] * len(taken.slots)
        self._pending.clear()  # a write that was under way till now can no longer succeed
        self.slots, self.unused = list(taken.stock), dict(taken.unused)
        self._late = 0.0 if self._late <= order.late else self._late
        self.permit_until = taken.until
        return [
            None if slot is None else Ticket(
                slot, ((taken.bucket, want.recipients),), probe=taken.probe
            )
            for want, slot in zip(order.wants, taken.slots, strict=True)
        ]  # fmt: skip

    def failed(self, marks: Sequence[str]) -> None:
        """Orders that are known not to have arrived."""
        for mark in marks:
            self._pending.pop(mark, None)

    def forget(self) -> None:
        """After the permit was released with everything in hand."""
        self.slots, self.unused, self.permit_until = [], {}, 0.0
        self._pending.clear()
