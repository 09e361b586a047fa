"""Cancelling: a message is kept from being sent, as long as nobody has begun to send it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.errors import ChangedError, ConflictError, NotFoundError
from shared.messages.identity import is_message_id
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, TimelineEntry
from shared.messages.timeline import Timeline

_TRIES = 10  # against others who change the same record


class Cancellation:
    """Cancels messages. Of a cancellation and a delivery that meet, the ETag lets one through."""

    def __init__(
        self, *, ledger: Ledger, timeline: Timeline, clock: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._timeline = timeline
        self._clock = clock

    async def cancel(self, message_id: str) -> MessageRecord:
        """The record of the message, cancelled now or before.

        Its queue message finds it final, and is dropped. Raises NotFoundError, and ConflictError
        where it is being sent or has ended otherwise.
        """
        for _ in range(_TRIES):
            record = await find_record(self._ledger, message_id)
            if record.status == "cancelled":
                await self._note(record)  # if the process ended before it was noted
                return record
            _check(record)
            cancelled = replace(
                record, status="cancelled", finished_at=self._clock(), not_before=None,
                owner="", lease_until=None, detail=_detail(record), fix="",
            )  # fmt: skip
            try:
                record = await self._ledger.change(record, cancelled)
            except ChangedError:
                continue  # somebody was faster: it may be sending by now, or cancelled
            await self._note(record)
            return record
        raise ConflictError("The message is being changed all the time.", fix="Repeat it later.")

    async def _note(self, record: MessageRecord) -> None:
        if record.finished_at is not None:
            entry = TimelineEntry(type="cancelled", at=record.finished_at, detail=record.detail)
            await self._timeline.note(record.id, "cancelled", entry)


async def find_record(ledger: Ledger, message_id: str) -> MessageRecord:
    """The message's record. Raises NotFoundError, also for what cannot be an id."""
    record = await ledger.get(message_id) if is_message_id(message_id) else None
    if record is None:
        raise NotFoundError(
            "There is no message with this id.",
            fix="Use the id of the answer to POST /api/messages, or of the queue message.",
        )
    return record


def _check(record: MessageRecord) -> None:
    if record.status == "sending":
        raise ConflictError(
            "The message is being sent: it cannot be taken back any more.",
            fix="See its status for what becomes of it; where the server defers it, it waits again "
            "and can be cancelled.",
        )
    if record.final:
        raise ConflictError(
            f"The message has ended: it is {record.status}.",
            fix="Only a message that is scheduled, queued or held can be cancelled.",
        )


def _detail(record: MessageRecord) -> str:
    sent = sum(recipient.status == "sent" for recipient in record.recipients)
    if not sent:
        return "Cancelled before it was sent."
    return f"Cancelled; {sent} of its {len(record.recipients)} recipients had been sent it before."
