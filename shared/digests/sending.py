"""The timer's work: what is due becomes one message for each recipient, and goes the ordinary way.

A window is claimed by its ETag, so that one instance alone is at work on it; whoever crashes leaves
a lease that ends. The message's id follows from the window: handed over twice, it is one message.
"""

import heapq
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.concurrency import run_bounded
from shared.digests.content import compose_digest, fresh_items
from shared.digests.definition import Digest
from shared.digests.definitions import Definitions
from shared.digests.recipients import Readers
from shared.digests.schedule import LookBackSchedule
from shared.digests.window import Place, Window, claim_window, close_window, postpone_window
from shared.digests.windows import Gathered, Windows
from shared.errors import (
    ChangedError,
    ConflictError,
    FileUnavailableError,
    InvalidMessageError,
    MailroomError,
    StorageUnavailableError,
)
from shared.messages.ledger import PARTITIONS
from shared.messages.parsing import message_json
from shared.messages.record import MessageRecord

logger = logging.getLogger(__name__)

_PAGE = 100  # entries of a partition at a time
_AT_ONCE = 8  # recipients
_FIRST = 10  # recipients to whom urgent items go without the timer
_TIME_LIMIT = timedelta(seconds=45)  # the timer comes again each minute


class Accepting(Protocol):
    """The ordinary way out (shared.messages.acceptance)."""

    async def accept_queued(self, body: bytes, *, queue_id: str) -> MessageRecord: ...

    async def refuse_queued(self, body: bytes, *, queue_id: str, reason: str, fix: str) -> str: ...


class Enqueuing(Protocol):
    async def enqueue(self, record: MessageRecord) -> None: ...


class PageLinks(Protocol):
    """Leads to the page of a recipient's preferences (shared.unsubscribing.links)."""

    async def url(self, message_id: str, recipient: str, topic: str) -> str: ...


class DigestSending:
    """Every step may be repeated; a crash leaves the window due."""

    def __init__(
        self,
        *,
        definitions: Definitions,
        windows: Windows,
        readers: Readers,
        acceptance: Accepting,
        outbox: Enqueuing,
        links: PageLinks,
        lease: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._definitions = definitions
        self._windows = windows
        self._readers = readers
        self._acceptance = acceptance
        self._outbox = outbox
        self._links = links
        self._lease = lease
        self._clock = clock

    async def run(self) -> Counter[str]:
        """Sends what is due, in the order of due times, until nothing is or time is up."""
        started = self._clock()
        counts: Counter[str] = Counter()
        digests: dict[str, Digest | None] = {}
        while self._clock() - started < _TIME_LIMIT:
            due = await self._due(started)

            async def send(place: Place) -> None:
                if self._clock() - started < _TIME_LIMIT:
                    counts[await self._try_to_send(place, digests)] += 1

            await run_bounded(send, due, at_once=_AT_ONCE)
            if len(due) < _PAGE:
                break
        if counts:
            logger.info("digests were due", extra=dict(counts))
        return counts

    async def send(self, places: Sequence[Place]) -> None:
        """Sends what is due already of the first of these; the others, and what fails, are left to
        the timer."""
        first = places[:_FIRST]
        try:
            await run_bounded(lambda place: self._try_to_send(place, {}), first, at_once=_AT_ONCE)
        except StorageUnavailableError as error:
            logger.warning("left to the timer: %s", error)

    async def _due(self, now: datetime) -> list[Place]:
        """A page of what is due of all partitions, oldest first."""

        async def find(partition: str) -> list[tuple[str, Place]]:
            return await self._windows.due(partition, now, limit=_PAGE)

        found = await run_bounded(find, PARTITIONS, at_once=len(PARTITIONS))
        merged = heapq.merge(*found, key=lambda entry: entry[0])
        return [place for _, (_, place) in zip(range(_PAGE), merged, strict=False)]

    async def _try_to_send(self, place: Place, digests: dict[str, Digest | None]) -> str:
        """As `_send`; what should not fail in one recipient's window leaves the others to go."""
        try:
            return await self._send(place, digests)
        except StorageUnavailableError:
            raise
        except Exception:
            logger.exception("a digest failed; it is tried again when its lease is over")
            return "failed"

    async def _send(self, place: Place, digests: dict[str, Digest | None]) -> str:
        """What became of one recipient's window: sent, empty, refused, busy or quiet."""
        now, window = self._clock(), await self._windows.read(place)
        if window is None or window.wakes_at is None or window.wakes_at > now:
            return "busy"  # somebody has been here meanwhile
        try:
            if not (window.open or window.closing):
                await self._windows.change(window, close_window(window, None))
                return "quiet"
            claimed = await self._windows.change(
                window, claim_window(window, now, secrets.token_hex(8), now + self._lease)
            )
        except ChangedError:
            return "busy"
        if place.uid not in digests:
            digests[place.uid] = await self._definitions.of_window(window.digest, place.uid)
        return await self._close(claimed, digests[place.uid])

    async def _close(self, window: Window, digest: Digest | None) -> str:
        newest = digest is None or digest.definition.cap_keeps == "last"
        gathered = await self._windows.gathered(window.place, window.closing, newest=newest)
        sent = False
        if digest is not None:
            try:
                sent = await self._hand_over(window, digest, gathered)
            except (InvalidMessageError, FileUnavailableError) as error:
                await self._postpone(window, error)
                return "refused"
        quiet_until = None
        if sent and digest and isinstance(digest.definition.schedule, LookBackSchedule):
            minutes = digest.definition.schedule.minutes
            quiet_until = self._clock() + timedelta(minutes=minutes)
        await self._windows.close(window, gathered, lambda now: close_window(now, quiet_until))
        return "sent" if sent else "empty"

    async def _hand_over(self, window: Window, digest: Digest, gathered: Gathered) -> bool:
        """Whether there is a message of the window, recorded now or by an earlier try."""
        claimed_at = window.claimed_at or self._clock()
        fresh = fresh_items(gathered.items, digest.definition, claimed_at)
        reader = await self._readers.find(digest, window)
        if not fresh or reader.cadence == "none":
            return False
        message_id = window.message_id
        message = compose_digest(
            digest, window, reader, fresh, others=gathered.others, message_id=message_id,
            since=window.closing_opened_at or claimed_at, until=claimed_at,
            cadence_url=await self._links.url(message_id, window.email, digest.topic),
        )  # fmt: skip
        body = message_json(message)
        try:
            record = await self._acceptance.accept_queued(body, queue_id=message_id)
        except ConflictError:
            # The id is this window's alone: an earlier try has handed it over, and the digest or
            # the recipient's wishes have changed since. What it left undone, `reconcile` does.
            return True
        except InvalidMessageError as error:
            if claimed_at + timedelta(days=digest.definition.retention_days) > self._clock():
                raise
            await self._acceptance.refuse_queued(
                body, queue_id=message_id, reason=error.detail, fix=error.fix
            )
            return False
        if not record.final and record.status != "held":
            await self._outbox.enqueue(record)
        return True

    async def _postpone(self, window: Window, error: MailroomError) -> None:
        """Keeps what gathered until the digest, or its template, is mended."""
        logger.error(
            "a digest cannot be sent: %s", error.detail,
            extra={"digest": window.digest, "tries": window.tries},
        )  # fmt: skip
        try:
            now = await self._windows.read(window.place)
            if now is not None and now.claim == window.claim:
                await self._windows.change(now, postpone_window(now, self._clock(), error.detail))
        except ChangedError:
            logger.info("an item came; the lease ends by itself")
