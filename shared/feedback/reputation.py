"""What servers and recipients think of us: bounces and complaints, by day, mailbox and domain.

Each is a row of its own under a key that follows from its event: counted twice, it stands once, and
nobody waits for anybody. A day is one partition; reading it costs what happened on that day.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from shared.storage.connection import StorageConnection
from shared.storage.names import REPUTATION
from shared.storage.tables import MAX_WRITES, Row, Table, Write

_DAYS_SWEPT = 7  # behind the last day kept: what earlier runs missed


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What is counted. kind: bounced, complained, unmatched or not-understood. domain: the
    recipient's, "" where none is known."""

    mailbox: str
    domain: str
    kind: str
    reason: str


class Reputation:
    """Counts, and tells what was counted."""

    def __init__(self, storage: StorageConnection) -> None:
        self._table = Table(storage, REPUTATION)

    async def count(self, event: str, at: datetime, occurrence: Occurrence) -> None:
        """Counts what an event tells of; the same event again changes nothing."""
        values = {
            "mailbox": occurrence.mailbox[:320],
            "domain": occurrence.domain[:255],
            "kind": occurrence.kind,
            "reason": occurrence.reason[:100],
        }
        await self._table.write(Write("put", Row(_day(at.astimezone(UTC).date()), event, values)))

    async def read(self, day: date, *, limit: int = 100_000) -> Counter[Occurrence]:
        """How often each happened on a day (UTC)."""
        counts: Counter[Occurrence] = Counter()
        async for row in self._table.query(_day(day), "", "~", limit=limit):
            values = row.values
            counts[
                Occurrence(values["mailbox"], values["domain"], values["kind"], values["reason"])
            ] += 1
        return counts

    async def forget(self, before: date) -> int:
        """Deletes what is older; returns how many."""
        deleted = 0
        for back in range(1, _DAYS_SWEPT + 1):
            partition = _day(before - timedelta(days=back))
            while True:
                rows = [r async for r in self._table.query(partition, "", "~", limit=MAX_WRITES)]
                if rows:
                    await self._table.write(*(Write("delete", Row(partition, r.key)) for r in rows))
                deleted += len(rows)
                if len(rows) < MAX_WRITES:
                    break
        return deleted


def _day(day: date) -> str:
    return f"day-{day.isoformat()}"


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()
