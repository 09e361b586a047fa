"""Deletes files whose links have all expired, and later what is known of the links."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from shared.concurrency import run_bounded
from shared.errors import ChangedError
from shared.links.register import LinkRegister
from shared.messages.ledger import PARTITIONS
from shared.storage.blobs import Container
from shared.storage.connection import StorageConnection
from shared.storage.names import SECURE_FILES

logger = logging.getLogger(__name__)

_PAGE = 100
_TIME_LIMIT = timedelta(minutes=5)


class LinkRetention:
    """The timer's work. Each step may be repeated."""

    def __init__(
        self,
        *,
        storage: StorageConnection,
        register: LinkRegister,
        clock: Callable[[], datetime],
    ) -> None:
        self._files = Container(storage, SECURE_FILES)
        self._register = register
        self._clock = clock

    async def run(self) -> Counter[str]:
        """Deletes all that has expired; returns how many files and links went."""
        started = self._clock()
        counts: Counter[str] = Counter()
        # A file's name begins with the day on which its links end: days that are over come first.
        while self._clock() - started < _TIME_LIMIT:
            names = await self._files.names(before=f"{started:%Y-%m-%d}/", limit=_PAGE)
            await run_bounded(self._files.delete, names, at_once=8)
            counts["files"] += len(names)
            if len(names) < _PAGE:
                break
        for partition in PARTITIONS:
            for link_id in await self._register.forgettable(partition, started, limit=1000):
                counts["links"] += await self._forget(link_id)
        if counts.total():
            logger.info("deleted expired links", extra=dict(counts))
        return +counts

    async def _forget(self, link_id: str) -> int:
        link = await self._register.get(link_id)
        if link is None:
            return 0
        try:
            await self._register.remove(link)
        except ChangedError:
            return 0  # the next run's
        return 1
