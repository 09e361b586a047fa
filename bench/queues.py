"""Storage queues in memory, in virtual time, for the local host's own listeners.

Times of visibility are the loop's; a delay is in whole seconds, as Azure's are. Each call takes
time and is counted.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueMessage


@dataclass(slots=True)
class _Entry:
    id: int
    text: str
    visible: float
    dequeued: int = 0
    receipt: int = 0


class _Page:
    """What `receive_messages` answers with: one page."""

    def __init__(self, queue: "MemoryQueue", count: int, claim: int) -> None:
        self._ask = (queue, count, claim)

    async def by_page(self) -> AsyncIterator[AsyncIterator[QueueMessage]]:
        queue, count, claim = self._ask
        found = await queue.receive(count, claim)

        async def page() -> AsyncIterator[QueueMessage]:
            for message in found:
                yield message

        yield page()


@dataclass(slots=True)
class MemoryQueue:
    """One queue: what a host's listener and a sender need of it."""

    name: str
    latency: Callable[[], float]
    transactions: Counter[str] = field(default_factory=Counter)
    _entries: dict[int, _Entry] = field(default_factory=dict)
    _order: list[tuple[float, int]] = field(default_factory=list)
    _next: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def send(self, text: str, delay: int) -> None:
        """Puts a message on the queue, invisible for so many seconds."""
        await self._call("send")
        self._next += 1
        entry = _Entry(self._next, text, asyncio.get_running_loop().time() + delay)
        self._entries[entry.id] = entry
        heapq.heappush(self._order, (entry.visible, entry.id))

    def receive_messages(self, *, messages_per_page: int, visibility_timeout: int) -> _Page:
        return _Page(self, messages_per_page, visibility_timeout)

    async def receive(self, count: int, claim: int) -> list[QueueMessage]:
        now = asyncio.get_running_loop().time()
        found: list[QueueMessage] = []
        while self._order and self._order[0][0] <= now and len(found) < count:
            visible, number = heapq.heappop(self._order)
            entry = self._entries.get(number)
            if entry is None or entry.visible != visible:
                continue  # deleted, or shown at another time by now
            self._next += 1
            entry.dequeued, entry.receipt = entry.dequeued + 1, self._next
            self._show(entry, now + claim)
            message = QueueMessage(content=entry.text)
            message.id, message.pop_receipt = str(entry.id), str(entry.receipt)
            message.dequeue_count = entry.dequeued
            found.append(message)
        await self._call("receive" if found else "empty poll")
        return found

    async def delete_message(self, message_id: str, receipt: str) -> None:
        await self._call("delete")
        del self._entries[self._owned(message_id, receipt).id]

    async def update_message(
        self, message_id: str, receipt: str, *, visibility_timeout: int
    ) -> QueueMessage:
        await self._call("update")
        entry = self._owned(message_id, receipt)
        self._next += 1
        entry.receipt = self._next
        self._show(entry, asyncio.get_running_loop().time() + visibility_timeout)
        message = QueueMessage(content=entry.text)
        message.pop_receipt = str(entry.receipt)
        return message

    def _show(self, entry: _Entry, at: float) -> None:
        entry.visible = at
        heapq.heappush(self._order, (at, entry.id))

    def _owned(self, message_id: str, receipt: str) -> _Entry:
        entry = self._entries.get(int(message_id))
        if entry is None or str(entry.receipt) != receipt:
            raise ResourceNotFoundError("The message is gone, or another's.")
        return entry

    async def _call(self, name: str) -> None:
        self.transactions[name] += 1
        await asyncio.sleep(self.latency())


@dataclass(slots=True)
class MemoryQueues:
    """The queue service, as far as a listener uses it."""

    latency: Callable[[], float]
    transactions: Counter[str] = field(default_factory=Counter)
    _queues: dict[str, MemoryQueue] = field(default_factory=dict)

    def get_queue_client(self, name: str) -> Any:
        return self.queue(name)

    def queue(self, name: str) -> MemoryQueue:
        if name not in self._queues:
            self._queues[name] = MemoryQueue(name, self.latency, self.transactions)
        return self._queues[name]
