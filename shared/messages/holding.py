"""Holding: messages that were kept back wait for somebody who releases or refuses them.

A decision is one write by compare and swap, and stands in the record: of two that meet one wins,
the same one again changes nothing, and another one afterwards is refused.
"""

import base64
import binascii
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.concurrency import run_bounded
from shared.errors import (
    ChangedError,
    ConflictError,
    FieldProblem,
    InvalidMessageError,
    NotFoundError,
)
from shared.findings import Finding
from shared.guard.inspection import redacted
from shared.messages.contents import Contents, replaced_content
from shared.messages.identity import is_message_id
from shared.messages.indexes import HeldEntry, IndexEntry
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import Hold, HoldDecision, Lane, MessageRecord
from shared.settings import Settings

logger = logging.getLogger(__name__)

_TRIES = 10  # against others who change the same record
_PAGE = 200  # index entries of a partition at a time
_SOON = timedelta(seconds=5)  # a message whose place is nearer than this goes to the gate at once
_CURSOR = re.compile(r"held-[0-9]{8}T[0-9]{12}-[A-Za-z0-9._:@+=-]{1,100}")


class Places(Protocol):
    """When a message of a lane is likely to get its turn (the quota governor)."""

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFilter:
    """Which held messages are meant; until itself is out."""

    sender: str = ""
    category: str = ""
    rule: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: HeldEntry) -> bool:
        """Whether an entry passes; its time is seen to by the query."""
        return (
            (not self.sender or self.sender.lower() == entry.sender.lower())
            and (not self.category or self.category == entry.category)
            and (not self.rule or self.rule in entry.rules)
        )


@dataclass(frozen=True, slots=True)
class HeldPage:
    """A page of held messages, longest held first; cursor: for the next page, "" after the last."""

    entries: tuple[HeldEntry, ...]
    cursor: str


def hold(record: MessageRecord, findings: Sequence[Finding], now: datetime) -> MessageRecord:
    """The record of a new message as it is kept back: nothing looks at it until it is released."""
    return replace(
        record, status="held", findings=tuple(findings), hold=Hold(at=now), not_before=None,
        due=None, detail="The guard holds it for somebody to decide: see its findings.",
        fix="Release or refuse it with POST /api/held/{id}/release or /refuse, or cancel it.",
    )  # fmt: skip


class Holding:
    """What people do about held messages, and what becomes of those that nobody looks at."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        contents: Contents,
        outbox: Outbox,
        places: Places,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._kept = timedelta(days=settings.held_days)
        self._ledger = ledger
        self._contents = contents
        self._outbox = outbox
        self._places = places
        self._clock = clock

    def lapses_at(self, entry: HeldEntry) -> datetime:
        """When a message fails that nobody decides about."""
        return entry.held_at + self._kept

    async def page(self, wanted: HeldFilter, *, limit: int, cursor: str = "") -> HeldPage:
        """A page of at most `limit` held messages.

        Raises InvalidMessageError for a cursor that no page had.
        """
        after = _read_cursor(cursor) if cursor else ""
        found = await run_bounded(
            lambda partition: self._matching(partition, wanted, after, limit + 1),
            PARTITIONS, at_once=len(PARTITIONS),
        )  # fmt: skip
        entries = sorted((entry for part in found for entry in part), key=lambda e: e.key)
        more = len(entries) > limit
        entries = entries[:limit]
        return HeldPage(tuple(entries), _cursor(entries[-1].key) if more else "")

    async def _matching(
        self, partition: str, wanted: HeldFilter, after: str, limit: int
    ) -> list[HeldEntry]:
        found: list[HeldEntry] = []
        until = wanted.until or self._clock() + timedelta(days=1)
        while len(found) < limit:
            entries = await self._ledger.held(
                partition, since=wanted.since, until=until, after=after, limit=_PAGE
            )
            found += filter(wanted.takes, entries)
            if len(entries) < _PAGE:
                break
            after = entries[-1].key
        return found[:limit]

    async def release(
        self, message_id: str, *, by: str, why: str, redact: bool = False
    ) -> MessageRecord:
        """The record of the message, on its way as a new one is; redact: with its findings masked.

        Again, it gives the record as it is now. Raises NotFoundError; ConflictError where it is
        decided otherwise, or what was found cannot be masked.
        """
        decision: HoldDecision = "redacted" if redact else "released"
        stored = ""
        for _ in range(_TRIES):
            record, values = await self._find(message_id)
            if stored and record.status != "held" and values.get("content_blob") != stored:
                await self._contents.delete_blobs(record, stored)  # somebody decided otherwise
            if (earlier := _decided(record, decision)) is not None:
                return earlier
            content = await self._redacted(record, values) if redact else {}
            stored = content.get("content_blob", "")
            released = await self._released(record, Hold(
                at=_held_at(record), decision=decision, decided_at=self._clock(), by=by, why=why,
            ))  # fmt: skip
            try:
                record = await self._ledger.change(record, released, also=content)
            except ChangedError:
                continue  # somebody was faster
            if gone := content.get("content_gone"):
                await self._contents.delete_blobs(record, gone)
            await self._outbox.enqueue(record)
            logger.info("held message released", extra={"message_id": record.id})
            return record
        raise _busy()

    async def _released(self, record: MessageRecord, decided: Hold) -> MessageRecord:
        """The record with its place in the line, as if it had just been accepted."""
        now = self._clock()
        scheduled = record.send_at is not None and record.send_at > now
        start = record.send_at if record.send_at is not None and scheduled else now
        if not scheduled:
            pool = self._settings.mailboxes_for(record.sender)
            place = await self._places.place(pool, record.priority) if pool else now
            start = place if place > now + _SOON else now
        return replace(
            record, status="scheduled" if scheduled else "queued", hold=decided,
            not_before=start if start > now else None,
            due=start + timedelta(seconds=self._settings.reconcile_after),
            checks=0, restarted_at=now, detail="", fix="",
        )  # fmt: skip

    async def _redacted(
        self, record: MessageRecord, values: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Stores the message with its findings masked; returns what the row has of it."""
        message = await self._contents.find(values)
        masked = redacted(message, policy=self._settings.guard_policy) if message else None
        if masked is None:
            raise ConflictError(
                "What was found stands in a file, a name or a header field: it cannot be masked.",
                fix='Release it "as": "original", or refuse it and have it posted anew.',
            )
        return replaced_content(values, await self._contents.keep(record.id, masked))

    async def refuse(self, message_id: str, *, by: str, why: str) -> MessageRecord:
        """The record of the message, failed; it cannot be replayed. Raises as `release` does."""
        for _ in range(_TRIES):
            record, _values = await self._find(message_id)
            if (earlier := _decided(record, "refused")) is not None:
                return earlier
            refused = self._ended(
                record, "refused", by, why, f"It was held, and {by} refused it: {why}"
            )
            try:
                record = await self._ledger.change(record, refused)
            except ChangedError:
                continue
            logger.info("held message refused", extra={"message_id": record.id})
            return record
        raise _busy()

    async def lapsing(self, partition: str, now: datetime, *, limit: int) -> list[IndexEntry]:
        """What of a partition has been held for longer than it is to be."""
        entries = await self._ledger.held(partition, until=now - self._kept, limit=limit)
        return [IndexEntry(entry.message_id, partition, entry.key) for entry in entries]

    async def lapse(self, entry: IndexEntry) -> bool:
        """Ends a message that nobody has decided about; tells whether it did."""
        record = await self._ledger.get(entry.message_id)
        if record is None or record.status != "held" or record.hold is None:
            await self._ledger.forget(entry)
            return False
        days = self._settings.held_days
        detail = f"It was held for {days} days (MAILROOM_HELD_DAYS), and nobody released it."
        try:
            await self._ledger.change(record, self._ended(record, "lapsed", "", "", detail))
        except ChangedError:
            return False
        logger.warning("held message lapsed", extra={"message_id": record.id})
        return True

    def _ended(
        self, record: MessageRecord, decision: HoldDecision, by: str, why: str, detail: str
    ) -> MessageRecord:
        now = self._clock()
        decided = Hold(at=_held_at(record), decision=decision, decided_at=now, by=by, why=why)
        fix = "Post it anew without what was found: its findings name it."
        return replace(
            record, status="failed", finished_at=now, hold=decided, detail=detail, fix=fix
        )

    async def _find(self, message_id: str) -> tuple[MessageRecord, Mapping[str, Any]]:
        known = is_message_id(message_id)
        found = await self._ledger.get_with_content(message_id) if known else None
        if found is None:
            raise NotFoundError(
                "There is no message with this id.", fix="GET /api/held lists those that are held."
            )
        return found


def _held_at(record: MessageRecord) -> datetime:
    return record.hold.at if record.hold is not None else record.accepted_at


def _decided(record: MessageRecord, decision: HoldDecision) -> MessageRecord | None:
    """The record if this was decided before; None while it is open. Raises ConflictError."""
    if record.status == "held":
        return None
    if record.hold is None:
        raise ConflictError(
            f"The message was never held; it is {record.status}.",
            fix="GET /api/held lists those that are held.",
        )
    if record.hold.decision == decision:
        return record
    what = record.hold.decision or record.status
    who = f" by {record.hold.by}" if record.hold.by else ""
    raise ConflictError(
        f"It is decided already: {what}{who}.", fix="See its timeline with GET /api/messages/{id}."
    )


def _busy() -> ConflictError:
    return ConflictError("The message is being changed all the time.", fix="Repeat it later.")


def _cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        key = ""
    if not _CURSOR.fullmatch(key):
        fix = "Use the cursor of the page before, with the same filter."
        raise InvalidMessageError([FieldProblem("/cursor", "It is no cursor of this list.", fix)])
    return key
