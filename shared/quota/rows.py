"""The governor's rows in storage: read all at once, changed one at a time by compare-and-swap.

All of the state is small rows of one partition of the table `quotas`: one a mailbox, one for the
tenant, one for the places of each sender pool. Why rows with ETags, and not leases on blobs: one
write reserves slots, counts recipients and renews a connection's permit, at once or not at all; one
query reads the limits of every mailbox; nobody waits for a lock of a process that died; and a table
transaction costs a tenth of a blob's.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, cast

from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.tables import DateObserver, Row, Write

PARTITION = "quota"
_TRIES = 8
_PAUSE = 0.05  # seconds, doubling, after a lost race


class QuotaTable(Protocol):
    """The part of `shared.storage.tables.Table` that the governor needs."""

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None: ...

    def query(
        self, partition: str, low: str, high: str, *, limit: int = 1000
    ) -> AsyncIterator[Row]: ...

    async def write(self, *writes: Write) -> str: ...

    def observe_dates(self, observer: DateObserver) -> None: ...


class State(Protocol):
    """What a row holds, as one JSON text."""

    @classmethod
    def decode(cls, text: str) -> Self:
        """The state in `text`; "" makes a new one."""
        ...

    def encode(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Key[S: State]:
    """A row's key and what is in it."""

    name: str
    state: type[S]


def row_key(kind: str, name: str) -> str:
    """A row's key: storage refuses some characters (/ \\ # ? and controls), addresses have them."""
    safe = re.sub(r"[^a-z0-9@._+-]", lambda found: f"={ord(found.group()):04x}", name.lower())
    return f"{kind}:{safe}"


@dataclass(slots=True)
class _Known:
    text: str
    etag: str
    at: float
    state: State | None = None  # decoded when first wanted


@dataclass(slots=True)
class Rows:
    """A memory of the rows, and their changes."""

    table: QuotaTable
    now: Callable[[], float]
    random: Callable[[], float]
    _known: dict[str, _Known] = field(default_factory=dict)
    _refreshed: float | None = None
    _changes: dict[str, int] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def age(self) -> float:
        """Seconds since all rows were read; infinite if they never were."""
        if self._refreshed is None:
            return float("inf")
        return abs(self.now() - self._refreshed)

    def age_of(self, key: Key[Any]) -> float:
        """Seconds since this row was read or written; infinite if nothing is known of it."""
        known = self._known.get(key.name)
        return min(self.age, abs(self.now() - known.at) if known else float("inf"))

    def get[S: State](self, key: Key[S]) -> S:
        """The state as last read or written; a new one where there is none."""
        known = self._known.get(key.name)
        if known is None:
            return key.state.decode("")
        if known.state is None:
            known.state = key.state.decode(known.text)
        return cast("S", known.state)

    async def refresh(self, *, older_than: float) -> bool:
        """Reads all rows (one transaction for a thousand) if what is known is older, in seconds.

        Tells whether it did. Raises StorageUnavailableError.
        """
        async with self._lock:
            if self.age <= older_than:
                return False
            before = dict(self._changes)
            asked = self.now()
            found = {
                row.key: _Known(str(row.values.get("state", "")), row.etag, asked)
                async for row in self.table.query(PARTITION, "", "\uffff", limit=100_000)
            }
            # What this process has written meanwhile is newer than what the query saw.
            mine = {n for n, count in self._changes.items() if before.get(n) != count}
            for name in mine:
                found.pop(name, None)
            self._known = {n: k for n, k in self._known.items() if n in mine} | found
            self._refreshed = asked
            return True

    async def read(self, key: Key[Any]) -> None:
        """Reads one row; not while it is being changed here. Raises StorageUnavailableError."""
        asked = self.now()
        row = await self.table.read(PARTITION, key.name)
        if row is None:
            self._known.pop(key.name, None)
            return
        self._changes[key.name] = self._changes.get(key.name, 0) + 1
        self._known[key.name] = _Known(str(row.values.get("state", "")), row.etag, asked)

    async def change[S: State, R](
        self,
        key: Key[S],
        edit: Callable[[S, str], tuple[S, R]],
        *,
        mark_of: Callable[[S], str] | None = None,
    ) -> R:
        """Changes a row: `edit` makes of its state and a mark the new state and the result.

        It is called again with the newer state when somebody else was faster; a result with the
        very same state writes nothing. A write whose answer was lost looks like a lost race: it
        is told apart by its mark, where `edit` keeps it in the row and `mark_of` finds it there.
        At most one call for each key at a time.

        Raises ChangedError after too many lost races, StorageUnavailableError.
        """
        attempts: dict[str, R] = {}
        for number in range(_TRIES):
            state, etag = await self._current(key)
            if mark_of is not None and (mark := mark_of(state)) in attempts:
                return attempts[mark]
            mark = secrets.token_hex(4)
            new, result = edit(state, mark)
            if new is state:
                return result
            attempts[mark] = result
            try:
                await self._write(key, new, etag)
            except (ChangedError, AlreadyExistsError):
                await asyncio.sleep(_PAUSE * 2**number * self.random())
                continue
            return result
        raise ChangedError("Too many instances change this quota at once.", fix="Try again.")

    async def _write(self, key: Key[Any], state: State, etag: str) -> None:
        text = state.encode()
        row = Row(PARTITION, key.name, {"state": text}, etag)
        self._changes[key.name] = self._changes.get(key.name, 0) + 1
        try:
            etag = await self.table.write(Write("merge" if etag else "insert", row))
        except BaseException:
            self._known.pop(key.name, None)  # nobody knows what is in storage now
            raise
        self._changes[key.name] += 1
        self._known[key.name] = _Known(text, etag, self.now(), state)

    async def _current[S: State](self, key: Key[S]) -> tuple[S, str]:
        known = self._known.get(key.name)
        if known is None and (key.name in self._changes or self._refreshed is None):
            asked = self.now()
            row = await self.table.read(PARTITION, key.name)
            if row is None:
                return key.state.decode(""), ""
            text = str(row.values.get("state", ""))
            known = self._known[key.name] = _Known(text, row.etag, asked)
        if known is None:
            return key.state.decode(""), ""
        return self.get(key), known.etag
