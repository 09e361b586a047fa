"""Settling what is `unknown`: its copy is looked for in the sender's Sent Items.

A copy proves that the server took the message. That there is none proves nothing by itself: a
mailbox may keep no copies, and Exchange may have replaced the Message-ID (it keeps ours in
X-Microsoft-Original-Message-ID, which cannot be searched for). So MAILROOM_UNKNOWN decides then.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from shared.concurrency import run_bounded
from shared.delivery.outcome import look_after
from shared.delivery.resolution import Resolution, Verdict
from shared.errors import ChangedError, ConflictError, CredentialError, InboxError
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord
from shared.settings import Settings

logger = logging.getLogger(__name__)

_TIME_LIMIT = 40.0  # seconds for one mailbox
_MAILBOXES_AT_ONCE = 4
_AGAIN = timedelta(minutes=15)  # where a mailbox cannot be looked at when its time is over
_GIVEN_UP = timedelta(days=1)  # …and for so long


class LooksForCopies(Protocol):
    """Looks in Sent Items."""

    async def copies(self, mailbox: str, message_ids: Sequence[str]) -> Mapping[str, int]:
        """How many copies a mailbox has, by Message-ID. Raises InboxError, CredentialError."""
        ...


class Settling:
    """What `reconcile` does about unknown messages when they are due."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        resolution: Resolution,
        sent_items: Callable[[], LooksForCopies],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._resolution = resolution
        self._sent_items = sent_items
        self._clock = clock

    async def claim(self, record: MessageRecord) -> MessageRecord:
        """The record with the time of its next look: this look is the caller's, who may die.

        Raises ChangedError where it is somebody else's.
        """
        now, end = self._clock(), self._end(record)
        looks = record.checks + 1
        due = now + look_after(min(looks, 16), self._settings.sent_items_of(record.mailbox))
        due = min(due, end) if now < end else now + _AGAIN
        return await self._ledger.change(record, replace(record, checks=looks, due=due))

    async def look(self, records: Iterable[MessageRecord]) -> int:
        """Looks for the copies of claimed records; returns how many messages were settled."""
        by_mailbox: dict[str, list[MessageRecord]] = {}
        for record in records:
            by_mailbox.setdefault(record.mailbox, []).append(record)
        counts = await run_bounded(
            lambda mailbox: self._look_in(mailbox, by_mailbox[mailbox]),
            by_mailbox, at_once=_MAILBOXES_AT_ONCE,
        )  # fmt: skip
        return sum(counts)

    async def _look_in(self, mailbox: str, records: Sequence[MessageRecord]) -> int:
        copies = await self._copies(mailbox, [record.message_id for record in records])
        return sum([await self._decide(record, copies) for record in records])

    async def _copies(self, mailbox: str, message_ids: Sequence[str]) -> Mapping[str, int] | None:
        """None where the mailbox cannot be looked at now."""
        if not self._settings.sent_items_of(mailbox):
            return dict.fromkeys(message_ids, 0)  # the settings have changed
        try:
            async with asyncio.timeout(_TIME_LIMIT):
                return await self._sent_items().copies(mailbox, message_ids)
        except TimeoutError:
            logger.warning("The Sent Items of %s were not seen in time.", mailbox)
        except (InboxError, CredentialError) as error:
            fix = f" {error.fix}" if error.fix else ""
            logger.warning("The Sent Items of %s were not seen: %s%s", mailbox, error, fix)
        return None

    async def _decide(self, record: MessageRecord, copies: Mapping[str, int] | None) -> bool:
        """Settles the message if the copies allow it, or when its time is over."""
        over = self._clock() - self._end(record)
        where = f"the Sent Items of {record.mailbox}"
        if copies is not None and copies[record.message_id] > _copies_before(record):
            return await self._resolve(record, "sent", f"a copy is in {where}.")
        if over < timedelta(0) or (copies is None and over < _GIVEN_UP):
            return False
        again = self._settings.unknown == "resend" and not self._overdue(record)
        note = f"no copy is in {where}."
        if copies is not None and again and await self._resolve(record, "resend", note):
            return True
        seen = "No copy was found in" if copies is not None else "Mailroom could not look in"
        fix = (
            f"{seen} {where}. Look there and in the message trace, and resolve it: it is not sent "
            "again by itself."
        )
        with suppress(ChangedError):  # somebody has resolved it
            await self._ledger.change(record, replace(record, due=None, fix=fix))
        return False

    async def _resolve(self, record: MessageRecord, verdict: Verdict, note: str) -> bool:
        try:
            await self._resolution.resolve(record.id, verdict, note=note, attempt=record.attempt)
        except ConflictError as error:
            about = {"message_id": record.id, "reason": str(error)}
            logger.warning("not resolved as %s", verdict, extra=about)
            return False
        return True

    def _end(self, record: MessageRecord) -> datetime:
        during = self._settings.sent_items_of(record.mailbox)
        return (record.finished_at or record.accepted_at) + during

    def _overdue(self, record: MessageRecord) -> bool:
        """Whether it was past its deadline already when it became unknown."""
        settings = self._settings
        seconds = settings.bulk_deadline if record.category == "bulk" else settings.deadline
        starts = (record.accepted_at, record.send_at, record.restarted_at)
        ended = record.finished_at or record.accepted_at
        return ended >= max(start for start in starts if start) + timedelta(seconds=seconds)


def _copies_before(record: MessageRecord) -> int:
    """How many copies earlier attempts have left in the mailbox: they had the same Message-ID."""
    earlier = {
        entry.attempt
        for entry in record.history
        if entry.type == "sent"
        and entry.attempt < record.attempt
        and entry.mailbox in {"", record.mailbox}
    }
    return len(earlier)
