"""Brings back what got lost on its way: messages that are due and that nobody is at work on."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.concurrency import run_bounded
from shared.delivery.delivery import Delivery
from shared.delivery.settling import Settling
from shared.errors import ChangedError
from shared.messages.indexes import IndexEntry
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import MessageRecord
from shared.settings import Settings

logger = logging.getLogger(__name__)

_PAGE = 100  # entries of a partition at a time
_AT_ONCE = 4  # partitions: deliveries of the same process are to go on
_TIME_LIMIT = timedelta(seconds=45)  # the timer comes again each minute
_LONGEST_WAIT = timedelta(hours=6)
_SURE_AFTER = 3  # checks after which a message is enqueued whatever the queue looks like


@dataclass(frozen=True, slots=True)
class _Run:
    """One run. heads: when what stands at the head of each queue was put there; None if nothing is
    visible. unknown: messages whose copies this run is to look for."""

    started: datetime
    heads: dict[str, datetime | None]
    unknown: list[MessageRecord] = field(default_factory=list)


class Reconciliation:
    """The timer's work. Every step may be repeated; a crash leaves entries due."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        delivery: Delivery,
        outbox: Outbox,
        settling: Settling,
        clock: Callable[[], datetime],
    ) -> None:
        self._grace = timedelta(seconds=settings.reconcile_after)
        self._ledger = ledger
        self._delivery = delivery
        self._outbox = outbox
        self._settling = settling
        self._clock = clock

    async def run(self) -> int:
        """Looks at everything due; returns how many messages were enqueued again or settled."""
        started = self._clock()
        run = _Run(started, await self._heads())  # before it puts anything on the queues itself
        # In any order, or after an outage the last ones would never have their turn.
        partitions = random.sample(PARTITIONS, len(PARTITIONS))
        counts = await run_bounded(lambda p: self._partition(p, run), partitions, at_once=_AT_ONCE)
        count = sum(counts) + await self._settling.look(run.unknown)
        if count:
            logger.warning("brought back", extra={"messages": count})
        return count

    async def _partition(self, partition: str, run: _Run) -> int:
        count = 0
        while self._clock() - run.started < _TIME_LIMIT:
            entries = await self._ledger.due(partition, run.started, limit=_PAGE)
            if not entries:
                break
            for entry in entries:
                try:
                    count += await self._look_at(entry, run)
                except ChangedError:
                    continue  # somebody is at work on it after all
            if len(entries) < _PAGE:
                break
        return count

    async def _look_at(self, entry: IndexEntry, run: _Run) -> bool:
        record = await self._ledger.get(entry.message_id)
        now = self._clock()
        if record is None or record.due is None or record.due > now:
            await self._ledger.forget(entry)
            return False
        if record.status == "unknown":
            run.unknown.append(await self._settling.claim(record))
            return False
        if record.status == "sending":
            if record.lease_until is not None and record.lease_until > now:
                await self._ledger.change(record, replace(record, due=record.lease_until))
                return False
            record = await self._delivery.settle_interrupted(record)
            if record.status == "queued":
                await self._outbox.enqueue(record)
            return True
        return await self._enqueue(record, run, now)

    async def _heads(self) -> dict[str, datetime | None]:
        ordinary, high = self._outbox.ordinary, self._outbox.high
        return {
            ordinary.name: await ordinary.oldest_visible(),
            high.name: await high.oldest_visible(),
        }

    async def _enqueue(self, record: MessageRecord, run: _Run, now: datetime) -> bool:
        """Enqueues a waiting message, unless its queue message is most likely still there: what
        is at the head of the queue was put there before it."""
        head = run.heads[self._outbox.queue_of(record).name]
        waiting_since = record.not_before or record.accepted_at
        behind = head is not None and head <= waiting_since and record.checks < _SURE_AFTER
        if not behind:
            await self._outbox.enqueue(record)
        wait = min(self._grace * 2 ** min(record.checks + 1, 16), _LONGEST_WAIT)
        checked = replace(record, checks=record.checks + 1, due=now + wait)
        await self._ledger.change(record, checked)
        return not behind
