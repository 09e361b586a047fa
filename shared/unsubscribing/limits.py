"""How often a link may change something: the table `visits`, a row for each link and day."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from shared.errors import AlreadyExistsError, ChangedError
from shared.storage.connection import StorageConnection
from shared.storage.names import VISITS
from shared.storage.tables import Row, Table, Write

MOST = 30  # changes by one link in an hour

_TRIES = 4  # against others who count at the same moment
_SPREAD = "0123456789abcdef"  # partitions of a day
_FORGOTTEN = range(2, 5)  # ages in days of what each night's runs delete


class VisitLimit:
    """Counts changes. Looking at the page costs nothing, and is not counted."""

    def __init__(self, storage: StorageConnection, *, clock: Callable[[], datetime]) -> None:
        self._table = Table(storage, VISITS)
        self._clock = clock

    async def admit(self, token: str) -> bool:
        """Counts one; False if that is too many. One read and one write."""
        digest = hashlib.sha256(token.encode()).hexdigest()[:32]
        now = self._clock()
        partition, hour = _partition(now, digest[0]), now.hour
        for _ in range(_TRIES):
            row = await self._table.read(partition, digest)
            count = row.values["count"] if row and row.values["hour"] == hour else 0
            if count >= MOST:
                return False
            values = {"hour": hour, "count": count + 1}
            new = Row(partition, digest, values, row.etag if row else "")
            try:
                await self._table.write(Write("merge" if row else "insert", new))
            except (AlreadyExistsError, ChangedError):
                continue
            return True
        return False  # so many at the same moment are too many

    async def forget(self, now: datetime) -> int:
        """Deletes the counts of days that are over; returns how many."""
        gone = 0
        for age in _FORGOTTEN:
            for letter in _SPREAD:
                partition = _partition(now - timedelta(days=age), letter)
                rows = [row async for row in self._table.query(partition, "", "~", limit=1000)]
                for row in rows:
                    await self._table.write(Write("delete", Row(partition, row.key)))
                gone += len(rows)
        return gone


def _partition(moment: datetime, letter: str) -> str:
    return f"{moment:%Y%m%d}-{letter}"
