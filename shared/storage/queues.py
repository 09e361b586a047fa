"""A queue to send to. Taking messages off is the Functions host's work."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.storage.connection import StorageConnection, storage_errors

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

MAX_BODY = 48 * 1024  # 64 KiB on the wire, less base64
MAX_DELAY = timedelta(days=7) - timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Head:
    """The message at the head of a queue: when it was put there, and what it is."""

    inserted: datetime
    text: str


class Queue:
    """One queue of the storage account; it is created when found missing."""

    def __init__(self, storage: StorageConnection, name: str) -> None:
        self._storage = storage
        self.name = name
        self._client: QueueClient | None = None

    @property
    def _queue(self) -> "QueueClient":
        if self._client is None:
            self._client = self._storage.queues.get_queue_client(self.name)
        return self._client

    async def send(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Puts one message on the queue, never expiring; invisible for `delay` (MAX_DELAY at most).

        `text` goes as it is (host.json: messageEncoding none): it must be fit for XML.
        """
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        seconds = math.ceil(min(max(delay, timedelta(0)), MAX_DELAY).total_seconds())
        async with storage_errors(f"sending to queue {self.name}"):
            try:
                await self._send(text, seconds)
            except ResourceNotFoundError:
                await self.create()
                await self._send(text, seconds)

    async def _send(self, text: str, seconds: int) -> None:
        await self._queue.send_message(text, visibility_timeout=seconds or None, time_to_live=-1)

    async def create(self) -> None:
        """Creates the queue unless it is there: the queue trigger waits for one, but makes none."""
        from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415

        async with storage_errors(f"creating queue {self.name}"):
            try:
                await self._queue.create_queue()
            except ResourceExistsError:
                return

    async def head(self) -> Head | None:
        """What would be taken next; None if nothing is visible."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"peeking at queue {self.name}"):
            try:
                messages = await self._queue.peek_messages(max_messages=1)
            except ResourceNotFoundError:
                return None
        if not messages or messages[0].inserted_on is None:
            return None
        return Head(messages[0].inserted_on, str(messages[0].content))

    async def oldest_visible(self) -> datetime | None:
        """When the message at the head was inserted; None if none is visible."""
        head = await self.head()
        return head.inserted if head else None

    async def depth(self) -> int:
        """About how many messages are on the queue, invisible ones included; 0 without a queue."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415

        async with storage_errors(f"asking for the depth of queue {self.name}"):
            try:
                properties = await self._queue.get_queue_properties()
            except ResourceNotFoundError:
                return 0
        return properties.approximate_message_count or 0
