"""Warns before limits are reached: how long mail waits in its queues, how much of a day is used.

The lines are text, which infra/alerts reads; below their marks nothing is logged.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.errors import StorageUnavailableError
from shared.messages.identity import read_queue_reference
from shared.messages.ledger import Ledger
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=15)
LONG = timedelta(minutes=5)  # what a queue needs when instances are started
NEARLY = 80  # percent of a limit


class Headroom(Protocol):
    """What is asked of the quota governor."""

    async def view(self, mailboxes: Sequence[str]) -> dict[str, Any]: ...


class Levels:
    """The look of one process, at most once in a quarter of an hour."""

    def __init__(
        self,
        mailboxes: Sequence[str],
        *,
        queues: Sequence[Queue],
        ledger: Ledger,
        headroom: Headroom,
        clock: Callable[[], datetime],
    ) -> None:
        self._mailboxes = mailboxes
        self._queues = queues
        self._ledger = ledger
        self._headroom = headroom
        self._clock = clock
        self._quarter = -1

    async def run(self) -> None:
        """Logs what is near its limit. Storage that is away raises nothing: others tell of it."""
        quarter = int(self._clock().timestamp() // EVERY.total_seconds())
        if quarter == self._quarter:
            return
        self._quarter = quarter
        try:
            for queue in self._queues:
                await self._look_at(queue)
            self._tell(await self._headroom.view(self._mailboxes))
        except StorageUnavailableError as error:
            logger.warning("levels not read: %s", error)

    async def _look_at(self, queue: Queue) -> None:
        """How long the message at the head could have been taken: a message that had to wait for
        its time counts from then."""
        head = await queue.head()
        if head is None:
            return
        since = head.inserted
        message_id = read_queue_reference(head.text.encode())
        record = await self._ledger.get(message_id) if message_id else None
        if record is not None and record.not_before is not None:
            since = max(since, record.not_before)
        waited = self._clock().astimezone(UTC) - since
        if waited >= LONG:
            logger.warning(
                "queue waits: queue=%s minutes=%d", queue.name, waited // timedelta(minutes=1)
            )

    def _tell(self, view: Mapping[str, Any]) -> None:
        budgets = [(f"mailbox:{b['mailbox']}", b["recipients_24h"]) for b in view["mailboxes"]]
        tenant = view["tenant"]
        budgets += [(f"tenant:{name}", tenant[f"{name}_24h"]) for name in _OF_THE_TENANT]
        for name, budget in budgets:
            used, limit = budget["used"], budget["limit"]
            if limit and used * 100 >= limit * NEARLY:
                logger.warning(
                    "quota nearly used: of=%s percent=%d used=%d limit=%d",
                    name, used * 100 // limit, used, limit,
                )  # fmt: skip


_OF_THE_TENANT = ("external", "onmicrosoft")
