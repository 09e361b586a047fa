"""Replaying: messages that ended `failed` or `unknown` are found by a filter, and put back."""

import base64
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.concurrency import run_bounded
from shared.delivery.replies import Reply, read_reply
from shared.delivery.restart import restart
from shared.errors import (
    ChangedError,
    ConflictError,
    FieldProblem,
    InvalidMessageError,
    NotFoundError,
)
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents, has_content
from shared.messages.indexes import EndedEntry
from shared.messages.ledger import PARTITIONS, Ledger
from shared.messages.record import MessageRecord, RecipientRecord, TimelineEntry
from shared.messages.timeline import Timeline

logger = logging.getLogger(__name__)

MAX_LIMIT = 1000

_PAGE = 250
_MOST_SEEN = 10_000  # index entries that one call looks at
_AT_ONCE = 8

Outcome = Literal["would be replayed", "replayed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """Which ended messages are meant.

    reason: what the message's detail holds, in any case, or a status code of one of its recipients.
    since, until: bounds of the time of the final status; until itself is out.
    """

    statuses: tuple[str, ...] = ("failed",)
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None
    mailbox: str = ""
    category: str = ""

    def takes(self, entry: EndedEntry) -> bool:
        """Whether an entry of the index passes; its status and time are seen to by the query."""
        return (
            (not self.reason or self.names(entry.detail, *entry.codes))
            and (not self.mailbox or self.mailbox.lower() == entry.mailbox.lower())
            and (not self.category or self.category == entry.category)
        )

    def names(self, text: str, *codes: str) -> bool:
        """Whether the reason asked for is in the text, or is one of the codes."""
        return bool(self.reason) and (self.reason.lower() in text.lower() or self.reason in codes)


@dataclass(frozen=True, slots=True)
class ReplayItem:
    """One message found: what became of it, and why where it was skipped."""

    entry: EndedEntry
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """A page of messages; cursor: where the next one begins, "" after the last."""

    items: tuple[ReplayItem, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class _Position:
    """How far a replay has come: status, partition, last key seen; `until` is that of its start,
    so that what fails again meanwhile is not found again."""

    until: datetime
    status: int = 0
    partition: int = 0
    after: str = ""


class Replay:
    """Finds ended messages and puts them back. Paging goes partition by partition."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        contents: Contents,
        timeline: Timeline,
        acceptance: Acceptance,
        enqueue: Callable[[MessageRecord], Awaitable[None]],
        grace: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._contents = contents
        self._timeline = timeline
        self._acceptance = acceptance
        self._enqueue = enqueue
        self._grace = grace
        self._clock = clock

    async def run(
        self, wanted: ReplayFilter, *, limit: int, dry_run: bool, cursor: str = ""
    ) -> ReplayPage:
        """A page of at most `limit` messages that pass the filter; put back unless `dry_run`.

        Raises InvalidMessageError for a cursor that no page had.
        """
        now = self._clock()
        start = min(wanted.until or now, now)
        position = _read_cursor(cursor, len(wanted.statuses)) if cursor else _Position(start)
        entries, next_position = await self._find(wanted, position, limit)
        if dry_run:
            items = [ReplayItem(entry, "would be replayed") for entry in entries]
        else:
            items = await run_bounded(
                lambda entry: self._replay(entry, wanted), entries, at_once=_AT_ONCE
            )
            logger.info("replay", extra={"messages": sum(i.outcome == "replayed" for i in items)})
        return ReplayPage(tuple(items), _cursor(next_position) if next_position else "")

    async def _find(
        self, wanted: ReplayFilter, position: _Position, limit: int
    ) -> tuple[list[EndedEntry], _Position | None]:
        found: list[EndedEntry] = []
        seen = 0
        at = position
        while at.status < len(wanted.statuses):
            entries = await self._ledger.ended(
                PARTITIONS[at.partition], wanted.statuses[at.status], since=wanted.since,
                until=at.until, after=at.after, limit=_PAGE,
            )  # fmt: skip
            for entry in entries:
                seen += 1
                at = replace(at, after=entry.key)
                if wanted.takes(entry):
                    found.append(entry)
                    if len(found) == limit:
                        return found, at
            if seen >= _MOST_SEEN:
                return found, at
            if len(entries) < _PAGE:
                at = _next_partition(at)
        return found, None

    async def _replay(self, entry: EndedEntry, wanted: ReplayFilter) -> ReplayItem:
        found = await self._ledger.get_with_content(entry.message_id)
        if found is None or found[0].status != entry.status:
            return ReplayItem(entry, "skipped", "It has changed meanwhile.")
        record, values = found
        try:
            if not record.content_hash:
                return await self._accept_anew(entry, record)
            if record.hold is not None and not record.hold.released:
                return ReplayItem(entry, "skipped", "It was held, and nobody released it.")
            if not has_content(values):
                return ReplayItem(entry, "skipped", "Its content has been deleted.")
            return await self._put_back(entry, record, wanted)
        except ChangedError:
            return ReplayItem(entry, "skipped", "It has changed meanwhile.")

    async def _put_back(
        self, entry: EndedEntry, record: MessageRecord, wanted: ReplayFilter
    ) -> ReplayItem:
        remark = f"Replayed after it was {record.status}: {record.detail}"[:500]
        new = restart(
            record, now=self._clock(), grace=self._grace, detail=remark,
            reopen=_reopening(record, wanted),
        )  # fmt: skip
        if new is None:
            return ReplayItem(
                entry, "skipped",
                "The address of each recipient was refused as dead: give their status code as the "
                "reason to try them all the same.",
            )  # fmt: skip
        new = await self._ledger.change(record, new)
        note = TimelineEntry(
            type="replayed", at=self._clock(), attempt=record.attempt, detail=remark
        )
        await self._timeline.note(record.id, f"replayed-{entry.key.split('-')[2]}", note)
        await self._enqueue(new)
        return ReplayItem(entry, "replayed")

    async def _accept_anew(self, entry: EndedEntry, record: MessageRecord) -> ReplayItem:
        """A queue message that was refused may be valid under the settings of today."""
        try:
            parked = await self._contents.parked(record.id)
            body = base64.b64decode(parked["original"])
            accepted = await self._acceptance.accept_queued(body, queue_id=f"replay {record.id}")
        except (ConflictError, NotFoundError, KeyError, ValueError) as error:
            return ReplayItem(
                entry, "skipped", f"Its queue message cannot be accepted: {error}"[:500]
            )
        detail = f"Replayed: accepted as message {accepted.id}."
        ended = replace(record, status="cancelled", detail=detail, fix="")
        await self._ledger.change(record, ended)
        if not accepted.final:
            await self._enqueue(accepted)
        return ReplayItem(entry, "replayed", detail)


def _reopening(record: MessageRecord, wanted: ReplayFilter) -> Callable[[RecipientRecord], bool]:
    """Which rejected recipients are tried again: those whose refusal the filter names; where it
    names none of them, all whose address is not dead."""

    def named(recipient: RecipientRecord) -> bool:
        return wanted.names(recipient.reply, recipient.code)

    if any(recipient.status == "rejected" and named(recipient) for recipient in record.recipients):
        return named
    return lambda recipient: not _is_dead(recipient)


def _is_dead(recipient: RecipientRecord) -> bool:
    code, _, text = recipient.reply.partition(" ")
    return code.isdigit() and read_reply(Reply(int(code), text), at_recipient=True).dead


def _next_partition(at: _Position) -> _Position:
    if at.partition + 1 < len(PARTITIONS):
        return _Position(at.until, at.status, at.partition + 1)
    return _Position(at.until, at.status + 1)


def _cursor(at: _Position) -> str:
    values = [at.until.isoformat(), at.status, at.partition, at.after]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, statuses: int) -> _Position:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        until, status, partition, after = json.loads(base64.urlsafe_b64decode(padded))
        position = _Position(datetime.fromisoformat(until), int(status), int(partition), str(after))
    except (ValueError, TypeError):
        raise _no_cursor() from None
    if not (
        position.until.tzinfo is not None
        and 0 <= position.status < statuses
        and 0 <= position.partition < len(PARTITIONS)
        and re.fullmatch(r"(ended-[A-Za-z0-9._:@+=-]{1,200})?", position.after)
    ):
        raise _no_cursor()
    return position


def _no_cursor() -> InvalidMessageError:
    fix = "Use the cursor of the page before, with the same filter."
    return InvalidMessageError([FieldProblem("/cursor", "It is no cursor of this replay.", fix)])
