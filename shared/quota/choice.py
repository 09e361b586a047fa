"""Which mailbox of a pool takes which message.

The earliest slot wins. Among slots that are about as early: the mailbox that has used less of its
24 hours, then one whose permit this process has, then by rendezvous hashing (Thaler and
Ravishankar 1998) of process and mailbox, so that processes prefer different mailboxes and seldom
write the same row at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from shared.quota.mailbox import LEFT, Mailbox
from shared.quota.model import Demand
from shared.quota.pacing import AT_ONCE, Pace

_FULLNESS_STEPS = 8


@lru_cache(maxsize=4096)
def affinity(holder: str, mailbox: str) -> int:
    """A process's liking for a mailbox; lower is dearer."""
    return int.from_bytes(blake2b(f"{holder}\n{mailbox.lower()}".encode(), digest_size=8).digest())


@dataclass(slots=True)
class Prospect:
    """A mailbox as a plan sees it. own: slots in hand. begin, block: as in an Order.

    room: recipients left of its 24 hours. first: this process goes before the others that use it.
    others: there are such, in turns with it. probe: it is paused and may be tried with one message.
    """

    mailbox: str
    box: Mailbox
    own: list[float]
    pace: Pace
    now: float
    begin: float
    block: int
    limit: int
    room: int
    held: bool
    affinity: int
    first: bool = True
    probe: bool = False
    others: bool = False
    chosen: list[int] = field(default_factory=list)
    _begun: bool = False
    _left: int = 0
    _kept: frozenset[float] = frozenset()  # from what is urgent
    _next: dict[bool, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._left = self.block
        self._kept = frozenset(s for s in self.box.spare if s > self.now + LEFT) - {*self.own}
        self.own = sorted({*self.own, *(s for s in self.box.spare if s >= self.now)})

    def when(self, *, urgent: bool) -> float:
        """Its earliest slot."""
        slot = self._next.get(urgent)
        if slot is None:
            own = (s for s in self.own if not (urgent and s in self._kept))
            slot = min(next(own, math.inf), self.pace.next_slot(self.box.slots, self.now))
            self._next[urgent] = slot
        return slot

    def offers(self, demand: Demand, latest: float) -> bool:
        """Whether it has a slot for the message in time."""
        if demand.recipients > self.room or (self.probe and self.chosen):
            return False
        slot = self.when(urgent=demand.lane == "high")
        if slot > latest:
            return False
        if demand.lane == "high" or slot <= max(self.begin, self.now + AT_ONCE) or slot in self.own:
            return True
        return self._begun and self._left > 0

    def rank(self, demand: Demand) -> tuple[float, ...]:
        """Lower is better."""
        slot = self.when(urgent=demand.lane == "high")
        span = 2 * self.pace.interval
        early = 0 if slot <= self.now + AT_ONCE else 1 + (slot - self.now) // span
        full = (self.limit - self.room) * _FULLNESS_STEPS // max(self.limit, 1)
        # A probe may fail: nothing urgent goes that way, the rest does, or no mailbox came back.
        probing = (1 if demand.lane == "high" else -1) * self.probe
        return (probing, early, full, not self.held, self.affinity, slot)

    def choose(self, index: int, demand: Demand) -> None:
        """Plans the message for its earliest slot."""
        slot = self.when(urgent=demand.lane == "high")
        self.chosen.append(index)
        self.room -= demand.recipients
        if slot in self.own:
            self.own.remove(slot)
        else:
            self.box = Mailbox(slots=self.pace.keep((*self.box.slots, slot)))
            if demand.lane != "high":
                self._begun = True
                self._left -= slot > self.now + AT_ONCE
        self._next.clear()


def plan(
    prospects: Sequence[Prospect], demands: Sequence[Demand], open_: Sequence[int], latest: float
) -> None:
    """Chooses a mailbox for each open demand (indices, in order) that can have a slot in time."""
    hopeless: set[tuple[bool, int]] = set()
    for index in open_:
        demand = demands[index]
        like = (demand.lane == "high", demand.recipients)
        if like in hopeless:  # offers only get fewer
            continue
        offers = [p for p in prospects if p.offers(demand, latest)]
        if offers:
            min(offers, key=lambda p: p.rank(demand)).choose(index, demand)
        else:
            hopeless.add(like)
