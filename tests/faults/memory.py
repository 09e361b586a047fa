"""A storage account in memory: tables with ETags and transactions, queues with visibility, blobs.

Several processes use one account, each through a `Line` of its own. A call over a line takes time,
and may fail, lose its answer, be done twice, or be the last thing that the process does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, Literal, Never

from shared.errors import (
    AlreadyExistsError,
    ChangedError,
    NotFoundError,
    StorageUnavailableError,
)
from shared.storage.tables import MAX_WRITES, Row, Write

type Trouble = Literal[
    "die before", "die after", "fail", "lose the answer", "do it twice", "die half-way"
]
type Commit = Callable[[Row | None, Row | None], None]


class Line:
    """What one process reaches the world by. Once it is dead nothing comes or goes.

    A killed process is not unwound: whoever waits for an answer of its line waits for ever.
    """

    def __init__(self, random: Random, latency: tuple[float, float] = (0.002, 0.05)) -> None:
        self._random = random
        self._latency = latency
        self._troubles: dict[int, Trouble] = {}
        self.steps = 0
        self.dead = False
        self.buried = False  # the test is over: what waits for ever may be unwound now

    def plan(self, steps: int, trouble: Trouble) -> None:
        """So many steps from now this happens."""
        self._troubles[self.steps + steps] = trouble

    def clear(self) -> None:
        self._troubles.clear()

    def kill(self) -> None:
        self.dead = True

    def step(self) -> Trouble | None:
        """Counts a step; returns what happens at it."""
        self.steps += 1
        return self._troubles.pop(self.steps, None)

    async def silence(self) -> Never:
        """The process is dead: it does not go on from here."""
        if self.buried:
            raise asyncio.CancelledError
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody resolves it")

    async def call(self, perform: Callable[[], Any]) -> Any:
        """One call of storage."""
        if self.dead:
            await self.silence()
        trouble = self.step()
        if trouble in {"die before", "die half-way"}:
            self.kill()
            await self.silence()
        await asyncio.sleep(self._random.uniform(*self._latency) / 2)
        if self.dead:
            await self.silence()  # type: ignore[unreachable]
        if trouble == "fail":
            raise StorageUnavailableError("Storage failed: 503 ServerBusy.")
        result = self._performed(perform, trouble)
        if trouble == "die after":
            self.kill()
        if trouble == "lose the answer":
            raise StorageUnavailableError("Storage does not answer: timeout.")
        await asyncio.sleep(self._random.uniform(*self._latency) / 2)
        if self.dead:
            await self.silence()  # type: ignore[unreachable]
        if isinstance(result, Exception):
            raise result
        return result

    @staticmethod
    def _performed(perform: Callable[[], Any], trouble: Trouble | None) -> Any:
        for last in (trouble != "do it twice", True):
            try:
                result = perform()
            except (AlreadyExistsError, ChangedError, NotFoundError) as error:
                result = error
            if last:
                break  # else: its answer was lost, and the client repeats it
        return result


@dataclass(slots=True)
class QueueMessage:
    """One message of a queue. visible: seconds of the loop."""

    id: str
    text: str
    inserted: Any
    visible: float
    dequeued: int = 0
    receipt: int = 0


@dataclass
class Account:
    """The account. `now` gives its time; `commits` are told of each changed row of a table."""

    now: Callable[[], Any]
    tables: dict[str, dict[tuple[str, str], Row]] = field(default_factory=dict)
    queues: dict[str, list[QueueMessage]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def number(self) -> int:
        return int(next(self._numbers))

    def transact(self, table: str, writes: Sequence[Write]) -> str:
        """All of the writes or none; returns the first row's ETag."""
        rows = self.tables.setdefault(table, {})
        places = [(write.row.partition, write.row.key) for write in writes]
        assert len(places) == len(set(places)) <= MAX_WRITES
        assert len({partition for partition, _ in places}) == 1
        after: dict[tuple[str, str], Row | None] = {}
        for place, write in zip(places, writes, strict=True):
            after[place] = self._after(rows.get(place), write, alone=len(writes) == 1)
        for place, row in after.items():
            before = rows.pop(place, None)
            if row is not None:
                rows[place] = row
            for commit in self.commits:
                commit(before, row)
        first = after[places[0]]
        return first.etag if first is not None else ""

    def _after(self, stored: Row | None, write: Write, *, alone: bool) -> Row | None:
        if write.how == "insert" and stored is not None:
            raise AlreadyExistsError("The row exists.")
        demands = write.how == "merge" or (write.how == "delete" and not alone)
        if (demands and stored is None) or (
            write.row.etag and (stored is None or stored.etag != write.row.etag)
        ):
            raise ChangedError("The row has been changed or deleted by somebody else.")
        if write.how == "delete":
            return None
        values = {n: v for n, v in write.row.values.items() if v is not None}
        if write.how == "merge" and stored is not None:
            values = {**stored.values, **values}
        return replace(write.row, values=values, etag=f'W/"{self.number()}"')

    def take(self, queue: str, claim: float) -> QueueMessage | None:
        """Claims the oldest visible message, as a receiver does."""
        time = asyncio.get_running_loop().time()
        for message in self.queues.get(queue, []):
            if message.visible <= time:
                message.visible = time + claim
                message.dequeued += 1
                message.receipt = self.number()
                return replace(message)
        return None

    def put(self, queue: str, text: str, delay: float = 0.0) -> str:
        """Puts a message on a queue; returns its id."""
        name = f"q{self.number()}"
        time = asyncio.get_running_loop().time()
        message = QueueMessage(name, text, self.now(), time + delay)
        self.queues.setdefault(queue, []).append(message)
        return name

    def settle(self, queue: str, claimed: QueueMessage, *, again_in: float | None) -> None:
        """Deletes a claimed message, or (again_in) lets it be seen again; if it is still ours."""
        for message in self.queues[queue]:
            if message.id == claimed.id and message.receipt == claimed.receipt:
                if again_in is None:
                    self.queues[queue].remove(message)
                else:
                    message.visible = asyncio.get_running_loop().time() + again_in
                return


class MemoryTable:
    """What `shared.storage.tables.Table` is, of one process."""

    def __init__(self, account: Account, name: str, line: Line) -> None:
        self._account, self._name, self._line = account, name, line

    async def read(
        self, partition: str, key: str, *, select: Sequence[str] | None = None
    ) -> Row | None:
        assert select is None
        rows = self._account.tables.setdefault(self._name, {})
        found: Row | None = await self._line.call(lambda: rows.get((partition, key)))
        return found

    async def query(
        self, partition: str, low: str, high: str, *, limit: int = 1000
    ) -> AsyncIterator[Row]:
        def find() -> list[Row]:
            rows = self._account.tables.setdefault(self._name, {})
            keys = sorted(k for p, k in rows if p == partition and low <= k < high)
            return [rows[partition, k] for k in keys[:limit]]

        for row in await self._line.call(find):
            yield row

    async def scan(self, low: str, high: str, *, select: Sequence[str]) -> AsyncIterator[Row]:
        def find() -> list[Row]:
            rows = self._account.tables.setdefault(self._name, {})
            return [rows[p, k] for p, k in sorted(rows) if low <= p < high]

        for row in await self._line.call(find):
            yield replace(row, values={n: v for n, v in row.values.items() if n in select})

    async def write(self, *writes: Write) -> str:
        etag: str = await self._line.call(lambda: self._account.transact(self._name, writes))
        return etag


class MemoryQueue:
    """What `shared.storage.queues.Queue` is, of one process."""

    def __init__(self, account: Account, name: str, line: Line) -> None:
        self._account, self._line = account, line
        self.name = name

    async def send(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        seconds = max(0.0, float(-(-delay.total_seconds() // 1)))
        await self._line.call(lambda: self._account.put(self.name, text, seconds))

    async def oldest_visible(self) -> Any:
        def find() -> Any:
            time = asyncio.get_running_loop().time()
            queue = self._account.queues.get(self.name, [])
            return next((m.inserted for m in queue if m.visible <= time), None)

        return await self._line.call(find)


class MemoryContainer:
    """What `shared.storage.blobs.Container` is, of one process."""

    def __init__(self, account: Account, line: Line) -> None:
        self._account, self._line = account, line

    async def write(
        self, name: str, content: bytes, *, content_type: str, new: bool = False
    ) -> None:
        def store() -> None:
            if new and name in self._account.blobs:
                raise AlreadyExistsError(f"Blob {name} exists.")
            self._account.blobs[name] = content

        await self._line.call(store)

    async def read(self, name: str, *, limit: int) -> bytes:
        def find() -> bytes:
            if name not in self._account.blobs:
                raise NotFoundError(f"There is no blob {name}.")
            return self._account.blobs[name]

        content: bytes = await self._line.call(find)
        return content
