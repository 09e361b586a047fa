"""Puts references to recorded messages on the queues that lead out."""

import logging
from collections.abc import Callable
from datetime import datetime

from shared.errors import StorageUnavailableError
from shared.messages.identity import queue_reference
from shared.messages.record import MessageRecord
from shared.storage.connection import StorageConnection
from shared.storage.names import OUTBOUND_MAIL, OUTBOUND_MAIL_HIGH
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)


class Outbox:
    """The queue of high priority, and the one of everything else.

    High priority has a queue of its own, so that no backlog on the other stands before it.
    """

    def __init__(self, storage: StorageConnection, *, clock: Callable[[], datetime]) -> None:
        self.ordinary = Queue(storage, OUTBOUND_MAIL)
        self.high = Queue(storage, OUTBOUND_MAIL_HIGH)
        self._clock = clock

    async def enqueue(self, record: MessageRecord) -> None:
        """Puts a reference to a recorded message on its queue, invisible until its time.

        If that fails the message is found due a little later: `reconcile` enqueues it.
        """
        delay = (record.not_before or self._clock()) - self._clock()
        try:
            await self.queue_of(record).send(queue_reference(record.id), delay=delay)
        except StorageUnavailableError as error:
            about = {"message_id": record.id, "reason": str(error)}
            logger.warning("not enqueued; left to reconcile", extra=about)

    def queue_of(self, record: MessageRecord) -> Queue:
        return self.high if record.priority == "high" else self.ordinary
