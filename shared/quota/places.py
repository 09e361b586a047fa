"""Places: the rough time when a sender pool will get to a message, so that the visible queue stays
short whatever the backlog.

Each pool has a calendar: how many messages become visible in each half minute, by group. The groups
are the lanes, and `again`: ordinary messages that became visible at their place and got no slot. A
message is entered where the half minute is not full yet, or where its lane has not had its share of
it (the share that the weights give it beside the lanes that are there). So a lane is never behind
another one's backlog; what was there before is then too much for the half minute, gets no slot,
and is entered again: where a half minute is not full, or its group, `again`, has a little left. It
is older than what it meets then, and goes first.

What is visible may also be too little: messages that were cancelled, or failed, leave their places
empty. So a half minute takes a few more messages than it has slots; what that brings too early is
held at the gate for some seconds, or put off once.

Each process goes ahead on its own and adds what it has entered to the row after some places:
additions commute, and the places are rough anyway. In light load nothing is written at all.
"""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, Self

from shared.errors import ChangedError, StorageUnavailableError
from shared.quota.model import WEIGHTS, Lane
from shared.quota.rows import Key, Rows, row_key

type Group = Lane | Literal["again"]

GROUPS: tuple[Group, ...] = ("high", "normal", "low", "again")
PERIOD = 30.0  # seconds of one entry of the calendar
HORIZON = 2400  # periods: 20 hours; what is later is entered anew then. A row has 32 Ki characters
SURPLUS = 1.05  # messages entered for a slot
AGAIN = 1 / 13  # of a period's slots, whatever is there
EARLY = 4.0  # seconds before its turn that a message becomes visible: queues are polled
UNMERGED = 2  # places for each mailbox of the pool that a process keeps to itself; at least 4
# Messages of a slow pool that become visible at a time, so that one call brings them all; but none
# so early that the gate would not hold it until its turn.
TOGETHER, TOGETHER_SECONDS = 3, 6.0
_KNOWN_FOR = 10.0  # seconds
_NOTHING = (0.0,) * (len(GROUPS) + 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the calendar. period: seconds since the epoch, by PERIOD. at: within it, seconds
    since the epoch. void: slots before it in its period that are over without a message."""

    group: Group
    period: int
    at: float
    void: float = 0.0


@dataclass(slots=True)
class Calendar:
    """The row: messages by period and group, and (last) slots that are over."""

    periods: dict[int, list[float]] = field(default_factory=dict)

    @classmethod
    def decode(cls, text: str) -> Self:
        if not text:
            return cls()
        value = json.loads(text)
        calendar = cls()
        for index, column in value["counts"].items():
            for number, count in enumerate(column):
                if count:
                    calendar.counts(value["first"] + number)[int(index)] = count
        return calendar

    def encode(self) -> str:
        """JSON, small: a column for each group that is there."""
        if not self.periods:
            return ""
        first, last = min(self.periods), max(self.periods)
        rows = [self.periods.get(period, _NOTHING) for period in range(first, last + 1)]
        columns = {
            index: [int(x) if x == int(x) else round(x, 1) for x in column]
            for index, column in enumerate(zip(*rows, strict=True))
            if any(column)
        }
        return json.dumps({"first": first, "counts": columns}, separators=(",", ":"))

    def counts(self, period: int) -> list[float]:
        """A period's, to change."""
        return self.periods.setdefault(period, list(_NOTHING))

    def without_past(self, now: float) -> "Calendar":
        """A copy to change."""
        current = int(now // PERIOD)
        return Calendar({p: list(counts) for p, counts in self.periods.items() if p >= current})

    def enter(self, entry: Entry) -> None:
        counts = self.counts(entry.period)
        counts[GROUPS.index(entry.group)] += 1
        counts[-1] += entry.void

    def find(
        self,
        group: Group,
        now: float,
        interval: float,
        *,
        start: int = 0,
        last: Entry | None = None,
    ) -> Entry:
        """The earliest place for one more message; looked for from period `start` on. last: of
        its group, the next one is not nearer to it than its share."""
        current = int(now // PERIOD)
        for period in range(max(current, start), current + HORIZON):
            near = last.at if last is not None and last.period == period else None
            found = self._place(group, period, now, interval, near)
            if found is not None:
                return Entry(group, period, *found)
        end = current + HORIZON
        return Entry(group, end, end * PERIOD)

    def _place(
        self, group: Group, period: int, now: float, interval: float, last: float | None
    ) -> tuple[float, float] | None:
        """When, and what is void before it."""
        counts = self.periods.get(period, _NOTHING)
        begin, index = period * PERIOD, GROUPS.index(group)
        over = max(0.0, (now - begin) / PERIOD)
        places: list[tuple[float, float]] = []
        slots = _capacity(period, interval)
        own = _capacity(period, interval / _share(group, counts))
        void = max(0.0, over * slots - sum(counts))
        for before, room, over_without in (
            (sum(counts) + void, slots, void),
            (max(counts[index], over * own), own, 0.0),
        ):
            at = begin + before / room * PERIOD if before < room else math.inf
            if last is not None:
                at = max(at, last + PERIOD / room) if room else math.inf
            if at < begin + PERIOD:
                places.append((at, over_without))
        return min(places, default=None)


def _capacity(period: int, interval: float) -> int:
    """How many messages a period takes, whole ones; the mean is exact."""
    each = PERIOD / interval * SURPLUS
    return math.floor(each * (period + 1)) - math.floor(each * period)


def _share(group: Group, counts: Sequence[float]) -> float:
    """The part of a period's slots that a group can have whatever was entered before."""
    if group == "again":
        return AGAIN
    there = sum(w for w, n in zip(WEIGHTS.values(), counts, strict=False) if n > 0)
    mine = WEIGHTS[group]
    return mine / (there if counts[GROUPS.index(group)] > 0 else there + mine)


def _down(at: float, step: float) -> float:
    """The last multiple of a step."""
    return at - at % step if step else at


def pool_key(pool: Sequence[str]) -> Key[Calendar]:
    """The row of a pool: the same for the same mailboxes in any order."""
    names = "\n".join(sorted(name.lower() for name in pool))
    return Key(row_key("lane", blake2b(names.encode(), digest_size=12).hexdigest()), Calendar)


@dataclass(slots=True)
class _Ahead:
    """One process's view of a pool: the calendar, with what it has not merged yet."""

    calendar: Calendar = field(default_factory=Calendar)
    base: Calendar | None = None
    unmerged: list[Entry] = field(default_factory=list)
    merging: bool = False
    last: dict[Group, Entry] = field(default_factory=dict)
    full: dict[Group, int] = field(default_factory=dict)  # no place before this period

    def give(self, group: Group, now: float, interval: float) -> Entry:
        entry = self.calendar.find(
            group, now, interval, start=self.full.get(group, 0), last=self.last.get(group)
        )
        self.calendar.enter(entry)
        self.last[group], self.full[group] = entry, entry.period
        return entry

    def rebase(self, stored: Calendar, now: float) -> None:
        """After others' places have been read: one's own go on top of them."""
        if stored is self.base:
            return
        self.base, self.calendar = stored, stored.without_past(now)
        for entry in self.unmerged:
            self.calendar.enter(entry)
        self.full.clear()


@dataclass(slots=True)
class Places:
    """Gives places; times are storage's."""

    rows: Rows
    _pools: dict[str, _Ahead] = field(default_factory=dict)

    async def give(
        self, pool: Sequence[str], group: Group, count: int, interval: float
    ) -> list[float]:
        """The places of so many messages; at most two storage transactions, none in light load.

        Where storage is away or contended they are what this process knows: rough all the same.
        """
        key = pool_key(pool)
        ahead = self._pools.setdefault(key.name, _Ahead())
        with suppress(StorageUnavailableError):  # a rough place is better than none
            await self.rows.refresh(older_than=_KNOWN_FOR)
        now = self.rows.now()
        ahead.rebase(self.rows.get(key), now)
        entries = [ahead.give(group, now, interval) for _ in range(count)]
        ahead.unmerged.extend(entries)
        if ahead.merging:
            pass
        elif all(entry.at <= now + EARLY for entry in ahead.unmerged):
            # They go at once: nobody else needs to know.
            current = int(now // PERIOD)
            ahead.unmerged = [entry for entry in ahead.unmerged if entry.period >= current]
        elif len(ahead.unmerged) >= max(4, UNMERGED * len(pool)):
            await self._merge(key, ahead)
        step = min(TOGETHER * interval, TOGETHER_SECONDS) if group != "high" else 0.0
        return [max(now, _down(entry.at, step) - EARLY) for entry in entries]

    async def _merge(self, key: Key[Calendar], ahead: _Ahead) -> None:
        merged = list(ahead.unmerged)

        def edit(stored: Calendar, _mark: str) -> tuple[Calendar, None]:
            new = stored.without_past(self.rows.now())
            for entry in merged:
                new.enter(entry)
            return new, None

        ahead.merging = True
        try:
            await self.rows.change(key, edit)
        except (ChangedError, StorageUnavailableError):
            return  # with the next ones
        finally:
            ahead.merging = False
        del ahead.unmerged[: len(merged)]
        ahead.rebase(self.rows.get(key), self.rows.now())
