"""Resolving: an operator decides about a message of which nobody knows whether it was sent."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from shared.delivery.restart import restart
from shared.errors import ChangedError, ConflictError, NotFoundError
from shared.messages.contents import has_content
from shared.messages.identity import is_message_id
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, RecipientStatus, TimelineEntry
from shared.messages.timeline import Timeline

logger = logging.getLogger(__name__)

Verdict = Literal["sent", "resend", "failed"]

_RECIPIENTS: dict[Verdict, RecipientStatus] = {"sent": "sent", "failed": "rejected"}


class Resolution:
    """Ends the state `unknown`, as somebody says who has looked."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        timeline: Timeline,
        enqueue: Callable[[MessageRecord], Awaitable[None]],
        grace: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._timeline = timeline
        self._enqueue = enqueue
        self._grace = grace
        self._clock = clock

    async def resolve(
        self, message_id: str, verdict: Verdict, *, note: str = "", attempt: int | None = None
    ) -> MessageRecord:
        """The record of the message: sent, failed, or queued again for whom it is open.

        attempt: the one that the verdict is about, where it may not be the last. Raises
        NotFoundError; ConflictError where it is not `unknown`, or cannot be sent again.
        """
        found = (
            await self._ledger.get_with_content(message_id) if is_message_id(message_id) else None
        )
        if found is None:
            raise NotFoundError(
                "There is no message with this id.", fix="List those that are unknown by a dry run "
                'of POST /api/messages/replay {"status": ["unknown"]}.',
            )  # fmt: skip
        record, values = found
        if record.status != "unknown" or attempt not in {None, record.attempt}:
            raise ConflictError(
                f"The message is {record.status}: there is nothing to resolve.",
                fix="Only a message that is unknown can be resolved.",
            )
        remark = f"Resolved as {verdict}{': ' if note else '.'}{note}"
        if verdict == "resend":
            new = self._again(record, remark, kept=has_content(values))
        else:
            new = _ended(record, verdict, remark, self._clock())
        try:
            record = await self._ledger.change(record, new)
        except ChangedError:
            raise ConflictError(
                "Somebody else has changed the message just now.",
                fix="Look at its status, and repeat the request if it is still unknown.",
            ) from None
        await self._note(record, verdict, remark)
        if record.status == "queued":
            await self._enqueue(record)
        return record

    def _again(self, record: MessageRecord, remark: str, *, kept: bool) -> MessageRecord:
        if not kept:
            raise ConflictError(
                "Its content has been deleted (MAILROOM_CONTENT_DAYS): it cannot be sent again.",
                fix="Post the message anew, and resolve this one as failed.",
            )
        new = restart(record, now=self._clock(), grace=self._grace, detail=remark)
        if new is None:
            raise ConflictError(
                "No recipient of the message is open.", fix="Resolve it as sent or failed."
            )
        return new

    async def _note(self, record: MessageRecord, verdict: Verdict, remark: str) -> None:
        entry = TimelineEntry(
            type="resolved", at=self._clock(), attempt=record.attempt, detail=remark
        )
        await self._timeline.note(record.id, f"resolved-{record.attempt:05d}-{verdict}", entry)
        logger.info("resolved as %s", verdict, extra={"message_id": record.id})


def _ended(record: MessageRecord, verdict: Verdict, remark: str, now: datetime) -> MessageRecord:
    status = _RECIPIENTS[verdict]
    decided = {r.email: replace(r, status=status) for r in record.recipients if r.open}
    record = record.with_recipients(decided)
    return replace(
        record, status="sent" if record.taken else "failed", finished_at=now, detail=remark, fix=""
    )
