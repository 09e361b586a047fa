"""An attempt's claim on its message: written ahead, with a lease that is renewed.

While it lasts nobody else sends the message; when it is over nobody can know how far it came.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import ChangedError, StorageUnavailableError
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord

logger = logging.getLogger(__name__)


class Claims:
    """What one process claims. lease: how long a claim lasts that nobody renews."""

    def __init__(self, ledger: Ledger, *, lease: timedelta, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._lease = lease
        self._clock = clock

    async def take(self, record: MessageRecord, mailbox: str) -> MessageRecord | None:
        """The record as `sending` and owned by this attempt; None if somebody else was faster."""
        owner = secrets.token_hex(8)
        claim = replace(
            record, status="sending", attempt=record.attempt + 1, owner=owner, mailbox=mailbox,
            lease_until=self._clock() + self._lease,
        )  # fmt: skip
        try:
            return await self._ledger.change(record, claim)
        except (ChangedError, StorageUnavailableError) as error:
            # The answer to the write may have been lost: it may be done, and may be ours.
            now = await self._ledger.get(record.id)
            if now is not None and now.owner == owner:
                return now
            if isinstance(error, StorageUnavailableError):
                raise
            return None

    @asynccontextmanager
    async def kept(self, record: MessageRecord) -> AsyncIterator[None]:
        """Renews the lease in the background, for the few hand-overs that take that long."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                try:
                    await self._ledger.extend_lease(record, self._clock() + self._lease)
                except (ChangedError, StorageUnavailableError) as error:
                    about = {
                        "message_id": record.id, "attempt": record.attempt, "reason": str(error)
                    }  # fmt: skip
                    logger.warning("lease not renewed", extra=about)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
