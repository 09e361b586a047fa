"""Deletes what need not be kept any more: first content, later record and timeline.

Every final record has an index row with the time at which something of it expires, so that a run
costs what there is to delete, not what there is. Each step may be repeated; a crash leaves the
entry for the next run.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.concurrency import run_bounded
from shared.errors import ChangedError
from shared.messages.batches import Batches
from shared.messages.contents import Contents, has_content, without_content
from shared.messages.holding import Holding
from shared.messages.indexes import IndexEntry
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.timeline import Timeline
from shared.settings import Settings

logger = logging.getLogger(__name__)

_PAGE = 100  # entries of a partition at a time
_TIME_LIMIT = timedelta(minutes=8)  # what is left then is the next run's
_AT_ONCE = 4  # entries of a partition at a time; there are 16 partitions
_NEXT_REVIEW = timedelta(days=1)


class Retention:
    """The timer's work."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        contents: Contents,
        timeline: Timeline,
        batches: Batches,
        holding: Holding,
        others: Sequence[Callable[[datetime], Awaitable[int]]] = (),
        clock: Callable[[], datetime],
    ) -> None:
        """others: what else deletes what has expired by a time, and tells how much it was."""
        self._kept = timedelta(days=settings.timeline_days)
        self._ledger = ledger
        self._contents = contents
        self._timeline = timeline
        self._batches = batches
        self._others = others
        self._holding = holding
        self._clock = clock

    async def run(self) -> Counter[str]:
        """Deletes all that has expired, and ends what was held too long; returns how many
        contents, records and batches went, and how many messages were ended."""
        started = self._clock()
        counts: Counter[str] = Counter()
        await run_bounded(
            lambda partition: self._partition(partition, started, counts),
            PARTITIONS, at_once=len(PARTITIONS),
        )  # fmt: skip
        for delete_expired in self._others:
            if deleted := await delete_expired(started):
                counts["others"] += deleted
        if counts:
            logger.info("deleted what had expired", extra=dict(counts))
        return counts

    async def _partition(self, partition: str, started: datetime, counts: Counter[str]) -> None:
        for find, delete in (
            (self._ledger.expiring, self._delete),
            (self._batches.to_review, self._review),
            (self._holding.lapsing, self._lapse),
        ):
            while self._clock() - started < _TIME_LIMIT:
                entries = await find(partition, started, limit=_PAGE)
                counts.update(filter(None, await run_bounded(delete, entries, at_once=_AT_ONCE)))
                if len(entries) < _PAGE:
                    break

    async def _delete(self, entry: IndexEntry) -> str:
        try:
            return await self._expire(entry)
        except ChangedError:
            return ""  # somebody changed it: its new state has an entry of its own

    async def _lapse(self, entry: IndexEntry) -> str:
        return "lapsed" if await self._holding.lapse(entry) else ""

    async def _expire(self, entry: IndexEntry) -> str:
        """Deletes what has expired of one message; tells what it was, "" for nothing."""
        now = self._clock()
        found = await self._ledger.get_with_content(entry.message_id)
        if found is None:
            await self._ledger.forget(entry)
            return ""
        record, values = found
        finished_at = record.finished_at
        if record.expires_at is None or finished_at is None or record.expires_at > now:
            await self._ledger.forget(entry)
            return ""
        gone = without_content(values)
        if has_content(values):
            # First the record lets go of it: who sends the message again meanwhile finds it whole,
            # or finds it gone.
            older = values.get("content_gone", "")  # of a message that was redacted
            if older and older != gone["content_gone"]:
                await self._contents.delete_blobs(record, older)
            record = await self._ledger.change(record, record, also=gone)
        over = finished_at + self._kept
        await self._contents.delete_blobs(record, gone["content_gone"])
        if over > now:
            await self._ledger.change(
                record, replace(record, expires_at=over), also={"content_gone": ""}
            )
            return "contents"
        await self._timeline.delete(record.id)
        await self._ledger.remove(record)
        return "records"

    async def _review(self, entry: IndexEntry) -> str:
        """Deletes a batch's shared content if none of its messages needs it any more."""
        now = self._clock()
        batch = await self._batches.find(entry.message_id, now=now)
        if batch is None:
            await self._batches.forget(entry)
            return ""
        if batch.blob:
            for message_id in batch.message_ids():
                found = await self._ledger.get_with_content(message_id)
                if found is None or found[1].get("content_shared") != batch.blob:
                    continue
                expires_at = found[0].expires_at or now
                await self._batches.postpone(entry, max(expires_at, now) + _NEXT_REVIEW)
                return ""
            await self._contents.delete_shared(batch.blob)
        await self._batches.remove(entry)
        return "batches"
