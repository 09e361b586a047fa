"""A simulated hour in seconds: an event loop whose clock jumps, and a table in memory.

The loop never waits: when nothing can run it moves its clock to the next timer. The table has the
semantics of a storage table that the quota governor relies on: ETags, one transaction a call, an
answer that takes time, and a Date in whole seconds.
"""

import asyncio
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from shared.errors import AlreadyExistsError, ChangedError, StorageUnavailableError
from shared.storage.tables import DateObserver, Row, Write

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the time that it was to wait for passes at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("every task waits for something that never comes")
            self.passed += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed


def run_virtual[T](main: Callable[[], Awaitable[T]]) -> T:
    """Runs a coroutine function in virtual time."""

    async def whole() -> T:
        return await main()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


def virtual_now() -> datetime:
    """The true time inside of a virtual loop."""
    return START + timedelta(seconds=asyncio.get_running_loop().time())


# What happens to one call: named as the method; it may wait, and raise before or after `perform`.
type Fault = Callable[[str, Callable[[], Any]], Awaitable[Any]]


class MemoryTable:
    """One client's view of a table in memory; `client()` makes another client of the same rows."""

    def __init__(
        self,
        *,
        latency: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], datetime] = virtual_now,
    ) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.transactions: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.fault: Fault | None = None
        self._latency = latency
        self._clock = clock
        self._versions = count(1)
        self._observer: DateObserver | None = None

    def client(self) -> "MemoryTable":
        """The same rows and counts, for another process."""
        other = MemoryTable(latency=self._latency, clock=self._clock)
        other.rows, other.transactions, other.lost = self.rows, self.transactions, self.lost
        other._versions = self._versions
        return other

    def observe_dates(self, observer: DateObserver) -> None:
        self._observer = observer

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None:
        def find() -> Row | None:
            stored = self.rows.get((partition, key))
            if stored is None or select is None:
                return stored
            values = {n: v for n, v in stored.values.items() if n in select}
            return replace(stored, values=values)

        found: Row | None = await self._answer("read", find)
        return found

    async def query(
        self, partition: str, low: str, high: str, *, limit: int = 1000
    ) -> AsyncIterator[Row]:
        def find() -> list[Row]:
            keys = sorted(k for p, k in self.rows if p == partition and low <= k < high)
            return [self.rows[partition, k] for k in keys[:limit]]

        for row in await self._answer("query", find):
            yield row

    async def scan(self, low: str, high: str, *, select: Sequence[str]) -> AsyncIterator[Row]:
        def find() -> list[Row]:
            return [self.rows[p, k] for p, k in sorted(self.rows) if low <= p < high]

        for row in await self._answer("query", find):
            yield replace(row, values={n: v for n, v in row.values.items() if n in select})

    async def write(self, *writes: Write) -> str:
        def change() -> str:
            # The first one alone has conditions, here: if it is refused nothing has been done.
            assert not any(w.row.etag or w.how == "insert" for w in writes[1:])
            return [self._change(write) for write in writes][0]  # noqa: RUF015 (all are done)

        etag: str = await self._answer("write", change)
        return etag

    def _change(self, write: Write) -> str:
        where = (write.row.partition, write.row.key)
        stored = self.rows.get(where)
        if write.how == "insert" and stored is not None:
            self.lost["write"] += 1
            raise AlreadyExistsError("The row exists.")
        if write.how == "merge" and (stored is None or stored.etag != write.row.etag):
            self.lost["write"] += 1
            raise ChangedError("The row has been changed or deleted by somebody else.")
        etag = f'W/"{next(self._versions)}"'
        values = {**(stored.values if stored else {}), **write.row.values}
        self.rows[where] = replace(write.row, values=values, etag=etag)
        return etag

    async def _answer(self, name: str, perform: Callable[[], Any]) -> Any:
        self.transactions[name] += 1
        sent = self._observer.local_now() if self._observer else None
        try:
            if self.fault is not None:
                return await self.fault(name, perform)
            await asyncio.sleep(self._latency() / 2)
            return perform()
        except StorageUnavailableError:
            sent = None  # there was no answer
            raise
        finally:
            date = self._clock().replace(microsecond=0)
            await asyncio.sleep(self._latency() / 2)
            if self._observer is not None and sent is not None:
                self._observer.observe(date, sent)
