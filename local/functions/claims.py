"""A claim on a queue message: invisible to others while its function runs."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

_log = logging.getLogger("Host.Queues")


class Claim:
    """Renewed at each half of its time, with the pop receipt that changes each time."""

    def __init__(self, queue: QueueClient, message: QueueMessage, duration: timedelta) -> None:
        self._queue = queue
        self._duration = max(1.0, duration.total_seconds())
        self._receipt = message.pop_receipt
        self.id: str = message.id
        self.content: str = message.content
        self.dequeue_count: int = message.dequeue_count or 0
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._closed = False

    def keep(self) -> None:
        """Renew until settled. A timer, not a task: most functions end long before."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._duration / 2, self._start_renewal)

    async def delete(self) -> None:
        await self.close()
        try:
            await self._queue.delete_message(self.id, self._receipt)
        except HttpResponseError as error:
            self._raise_unless_lost(error)

    async def release(self, delay: timedelta) -> None:
        """Let others see the message after a delay."""
        await self.close()
        try:
            await self._queue.update_message(
                self.id, self._receipt, visibility_timeout=round(delay.total_seconds())
            )
        except HttpResponseError as error:
            self._raise_unless_lost(error)

    async def close(self) -> None:
        """Renew no more. A renewal under way is waited for: it changes the pop receipt."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._renewal:
            await asyncio.wait({self._renewal})

    def _start_renewal(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            renewed = await self._queue.update_message(
                self.id, self._receipt, visibility_timeout=round(self._duration)
            )
            self._receipt = renewed.pop_receipt
        except ResourceNotFoundError:
            _log.warning("Message %s is gone or claimed elsewhere while it runs here", self.id)
            return
        except AzureError as error:
            _log.warning("The claim on message %s is not renewed: %s", self.id, error)
        if not self._closed:
            self.keep()

    def _raise_unless_lost(self, error: HttpResponseError) -> None:
        """404 MessageNotFound, 400 PopReceiptMismatch: another has it, or it was deleted."""
        if error.status_code not in (400, 404):
            raise error
        _log.warning(
            "Message %s was no longer ours when its function ended: it may run again", self.id
        )
