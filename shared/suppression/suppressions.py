"""The table `suppressions`: which addresses get no mail, or not all of it, and why.

An address has one row, whatever the number of reasons: what is against sending to it costs one
point read, however many addresses are suppressed; and that there is no row, which is the usual
case, costs next to nothing (`filter`). Whoever writes a row announces it to the filter first. Rows
are spread over 256 partitions by a salted hash (`keys`), so that an import can write them in
transactions of a hundred.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from shared.concurrency import run_bounded
from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.connection import StorageConnection
from shared.storage.tables import MAX_WRITES, Row, Table, Write
from shared.suppression.addresses import normalise
from shared.suppression.entry import (
    EVERYTHING,
    Entry,
    Removal,
    Suppression,
    entry_values,
    read_entry,
)
from shared.suppression.filter import SuppressionFilter
from shared.suppression.keys import AddressKeys
from shared.suppression.ladder import Ladder, SoftBounces, count, let_through, lift

_TRIES = 10  # against others who change the same address's row
_REMOVALS_KEPT = 20
_PARTITIONS = tuple(f"{number:02x}" for number in range(256))
_AT_ONCE = 16  # partitions


class Suppressions:
    """Reads and writes suppressions; addresses are normalised here, whatever form they come in."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, "suppressions")
        self._observers: list[Callable[[str], None]] = []

    @cached_property
    def _keys(self) -> AddressKeys:
        return AddressKeys(self._table)

    @cached_property
    def _filter(self) -> SuppressionFilter:
        return SuppressionFilter(self._table)

    async def possible(self, addresses: Collection[str], *, now: datetime) -> set[str]:
        """Those of the normalised addresses that may have a row; the others had none 1.5 seconds
        before `now`. Costs at most one read and what has changed in the filter since the last."""
        keys = {address: (await self._keys.place(address))[1] for address in addresses}
        found = await self._filter.possible(set(keys.values()), now=now)
        return {address for address, key in keys.items() if key in found}

    def observe(self, observer: Callable[[str], None]) -> None:
        """From now on the observer is told each address that this process changes, normalised."""
        self._observers.append(observer)

    async def find(self, address: str) -> tuple[Suppression, ...]:
        """All that is against sending to an address, leases that are over included; () if nothing
        is. One point read."""
        return (await self.entry(address)).suppressions

    async def entry(self, address: str) -> Entry:
        """What is stored of an address. One point read. Raises AddressError."""
        address = normalise(address)
        row = await self._table.read(*await self._keys.place(address))
        return read_entry(row, address) if row else Entry(address=address)

    async def add(self, suppression: Suppression) -> bool:
        """Stores a suppression; False if its scope is suppressed for the same reason already.

        The first one stays: its time and message tell how it came about. But what has no end takes
        the place of what has one, and a later end that of an earlier one.
        """

        def edit(entry: Entry) -> Entry:
            return with_suppression(entry, suppression)

        before, after = await self.change(suppression.address, edit)
        return before != after

    async def count_soft(self, bounce: Suppression, event: str, ladder: Ladder) -> Entry:
        """Counts a soft bounce; the entry afterwards tells its lease.

        bounce: of whom, when (`since`) and why. event: counted once, however often it comes.
        """

        def edit(entry: Entry) -> Entry:
            soft = count(entry.soft, event, bounce.since, ladder)
            climbed = soft.until != entry.soft.until
            return replace(entry, soft=soft, cause=bounce if climbed else entry.cause)

        return (await self.change(bounce.address, edit))[1]

    async def lift(self, address: str, event: str, at: datetime) -> bool:
        """Ends a lease, and forgets the soft bounces before it: a message has arrived."""

        def edit(entry: Entry) -> Entry:
            return replace(entry, soft=lift(entry.soft, event, at))

        before, after = await self.change(address, edit)
        return before.soft.level > after.soft.level

    async def let_through(self, address: str, at: datetime) -> None:
        """Notes that a message is sent to an address whose lease is over."""
        await self.change(address, lambda e: replace(e, soft=let_through(e.soft, at)))

    async def remove(
        self, address: str, *, scope: str = "", removal: Removal | None = None
    ) -> bool:
        """Removes the suppressions of one scope, or all; False if there were none.

        With `everything` its soft bounces are forgotten too. removal: who did it and why, which is
        kept if anything was removed.
        """

        def edit(entry: Entry) -> Entry:
            kept = tuple(s for s in entry.own if scope not in {"", s.scope})
            soft = SoftBounces() if scope in {"", EVERYTHING} else entry.soft
            gone = tuple(s.scope for s in entry.suppressions if scope in {"", s.scope})
            removals = entry.removals
            if removal is not None and gone:
                noted = replace(removal, scope=scope, scopes=gone)
                removals = (*removals, noted)[-_REMOVALS_KEPT:]
            return replace(entry, own=kept, soft=soft, removals=removals)

        before, after = await self.change(address, edit)
        return len(after.suppressions) < len(before.suppressions)

    async def erase(self, address: str) -> None:
        """Takes the address, preferences, messages and remarks out of its row; what suppresses it
        holds on, under the salted hash. Without suppressions the row goes."""

        def edit(entry: Entry) -> Entry:
            own = tuple(_bare(s) for s in entry.own)
            soft = replace(entry.soft, events=()) if entry.soft.level else SoftBounces()
            if not own and soft == SoftBounces():
                return Entry(address=entry.address)
            cause = _bare(entry.cause) if entry.cause else None
            return Entry(address=entry.address, own=own, soft=soft, cause=cause, erased=True)

        await self.change(address, edit)

    async def digest(self, address: str) -> str:
        """The salted hash under which the address is known. Raises AddressError."""
        return (await self._keys.place(normalise(address)))[1]

    async def add_new(self, entries: Sequence[Entry]) -> list[Entry]:
        """Stores entries of addresses that have no row, up to a hundred a transaction; returns
        those that could not be stored so: some of their partition have a row.

        entries: of normalised addresses, each address once.
        """
        places = await asyncio.gather(*(self._keys.place(entry.address) for entry in entries))
        groups: dict[str, list[tuple[Row, Entry]]] = {}
        for (partition, key), entry in zip(places, entries, strict=True):
            row = Row(partition, key, entry_values(entry))
            groups.setdefault(partition, []).append((row, entry))
        parts = [
            group[start : start + MAX_WRITES]
            for group in groups.values()
            for start in range(0, len(group), MAX_WRITES)
        ]

        await self._filter.announce(row.key for group in groups.values() for row, _ in group)

        async def store(part: list[tuple[Row, Entry]]) -> list[Entry]:
            try:
                await self._table.write(*(Write("insert", row) for row, _ in part))
            except AlreadyExistsError:
                return [entry for _, entry in part]
            self._tell(entry.address for _, entry in part)
            return []

        left = await run_bounded(store, parts, at_once=_AT_ONCE)
        return [entry for entries in left for entry in entries]

    async def page(self, *, after: str = "", limit: int = 100) -> list[Entry]:
        """A page of addresses, in no particular order: those behind the `cursor` of an entry."""
        first, _, key = after.partition(":")
        partitions = [p for p in _PARTITIONS if p >= first]
        page: list[Entry] = []
        at_once = 1  # a full partition is a page; of empty ones many are read at once
        while partitions and len(page) < limit:
            found = await run_bounded(
                lambda p: self._rows(p, key if p == first else "", limit),
                partitions[:at_once], at_once=at_once,
            )  # fmt: skip
            page += (entry for entries in found for entry in entries)
            partitions = partitions[at_once:]
            at_once = min(2 * at_once, _AT_ONCE)
        return page[:limit]

    async def _rows(self, partition: str, after: str, limit: int) -> list[Entry]:
        rows = self._table.query(partition, after, "~~", limit=limit + 1)
        return [read_entry(row) async for row in rows if row.key != after][:limit]

    async def change(self, address: str, edit: Callable[[Entry], Entry]) -> tuple[Entry, Entry]:
        """The entry before and after the change, which is not written where it changes nothing.

        edit: pure, for it is called again where another writer was faster. Raises AddressError,
        ChangedError after ten lost races, and what `edit` raises.
        """
        address = normalise(address)
        partition, key = await self._keys.place(address)
        for _ in range(_TRIES):
            row = await self._table.read(partition, key)
            before = read_entry(row, address) if row else Entry(address=address)
            after = edit(before)
            if after == before:
                return before, before
            try:
                await self._write(row or Row(partition, key), after)
            except (AlreadyExistsError, ChangedError):
                continue
            self._tell([address])
            return before, after
        raise ChangedError(
            "The address's suppressions are being changed all the time.", fix="Repeat it later."
        )

    def _tell(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            for observer in self._observers:
                observer(address)

    async def _write(self, row: Row, entry: Entry) -> None:
        if not entry.empty:
            await self._filter.announce([row.key])
        written = Row(row.partition, row.key, entry_values(entry), row.etag)
        if not row.etag:
            await self._table.write(Write("insert", written))
        elif entry.empty:
            await self._table.write(Write("delete", written))
        else:
            await self._table.write(Write("merge", written))


def with_suppression(entry: Entry, suppression: Suppression) -> Entry:
    """The entry with one more suppression, by the rules of `Suppressions.add`."""
    same = [s for s in entry.own if _is_same(s, suppression)]
    if any(not _outlasts(suppression, there) for there in same):
        return entry
    others = tuple(s for s in entry.own if s not in same)
    return replace(entry, own=(*others, replace(suppression, address=entry.address)))


def _bare(suppression: Suppression) -> Suppression:
    return replace(suppression, message_id="", detail="", by="")


def _is_same(one: Suppression, other: Suppression) -> bool:
    return (one.scope, one.reason) == (other.scope, other.reason)


def _outlasts(new: Suppression, there: Suppression) -> bool:
    if there.until is None:
        return False
    return new.until is None or new.until > there.until
