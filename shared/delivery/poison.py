"""The poison queues: what could not be handled is tried again, then ends with a reason.

A message that is recorded and waits is brought back some times first: instances that were killed
and an outage of storage use up the tries of its queue message without any fault of its own.

A `-poison` queue has no poison queue of its own: what fails here comes again until it works. So
whatever the body is, it ends as a record, as a parked blob, or both; only an outage of storage
leaves it on the queue.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.delivery.outbound import decode_body
from shared.errors import (
    ChangedError,
    ConflictError,
    InvalidMessageError,
    NotFoundError,
    StorageUnavailableError,
)
from shared.messages.acceptance import Acceptance
from shared.messages.contents import Contents
from shared.messages.identity import is_message_id, keyed_message_id, read_queue_reference
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import MessageRecord, TimelineEntry
from shared.messages.timeline import Timeline

logger = logging.getLogger(__name__)

TRIES = 5  # maxDequeueCount of host.json

_NAMELESS = (
    " It had no id of its own: if the process ended five times while it sent this message, there "
    "may be an earlier record of it, so look for its subject in the sender's Sent Items first."
)
# After these times a message comes back: what hinders it is often mended within the half hour.
_RETURNS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16))
_CHANGE_TRIES = 10  # against others who change the same record


class PoisonWatch:
    """Takes what the host, or `Outbound`, has put on a poison queue."""

    def __init__(
        self,
        *,
        acceptance: Acceptance,
        ledger: Ledger,
        contents: Contents,
        timeline: Timeline,
        outbox: Outbox,
        grace: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        """grace: how long after its time a message is looked at if its queue message is lost."""
        self._acceptance = acceptance
        self._ledger = ledger
        self._contents = contents
        self._timeline = timeline
        self._outbox = outbox
        self._grace = grace
        self._clock = clock

    async def handle(self, body: bytes, *, queue: str, queue_id: str) -> None:
        """Ends what the body stands for. May be repeated without harm.

        queue: the queue that the body came from at first. queue_id: the poison message's own id.
        """
        try:
            await self._handle(decode_body(body), queue, queue_id)
        except StorageUnavailableError:
            raise
        except Exception:
            logger.exception("poison message parked unread", extra={"queue": queue})
            name = f"unread-{hashlib.sha256(body).hexdigest()[:32]}"
            await self._park(name, body, queue, reason="Mailroom failed to read it: see its log.")

    async def _handle(self, body: bytes, queue: str, queue_id: str) -> None:
        message_id = read_queue_reference(body)
        if message_id is not None:
            record = await self._ledger.get(message_id)
            if record is None:
                detail = f"It refers to the message {message_id}, of which there is no record."
                fix = "Nothing is to be done if the message is older than MAILROOM_TIMELINE_DAYS."
                await self._refuse(body, queue, queue_id, detail, fix)
            else:
                await self._bring_back(record, queue)
            return
        refusal = _read_refusal(body)
        if refusal is not None:
            record = await self._ledger.get(refusal["message_id"])
            if record is not None and not record.content_hash:
                await self._park_refusal(record, refusal, queue)
                return
        await self._record(body, queue, queue_id)

    async def _bring_back(self, record: MessageRecord, queue: str) -> None:
        """Puts a waiting message on its queue again, for a later time; ends it when that did not
        help often enough."""
        now = self._clock()

        def later(record: MessageRecord) -> MessageRecord | None:
            if not record.deliverable or record.poisoned >= len(_RETURNS):
                return None
            back = now + _RETURNS[record.poisoned]
            back = max(record.not_before or back, back)
            return replace(
                record, not_before=back, due=back + self._grace, checks=0,
                poisoned=record.poisoned + 1,
            )  # fmt: skip

        back = await self._change(record, later)
        if back is None:
            await self._fail(record, queue)
            return
        await self._outbox.enqueue(back)
        detail = (
            f"Its message on the queue {queue} could not be handled in {TRIES} tries; it is tried "
            f"again after {back.not_before:%Y-%m-%d %H:%M:%S} UTC."
        )
        entry = TimelineEntry(type="deferred", at=now, detail=detail)
        await self._timeline.note(back.id, f"back-{back.attempt:05d}-{back.poisoned}", entry)
        logger.warning("brought back from poison", extra={"message_id": back.id})

    async def _fail(self, record: MessageRecord, queue: str, *, doubt: str = "") -> None:
        """Ends a message that waits. One that is being sent, is held or has ended is left alone:
        `reconcile` sees to the first, somebody to the second, and nothing is left to do about
        the last."""

        def ended(record: MessageRecord) -> MessageRecord | None:
            if not record.deliverable:
                logger.info("poisoned when %s", record.status, extra={"message_id": record.id})
                return None
            return replace(
                record, status="failed", finished_at=self._clock(), not_before=None,
                detail=f"Its message on the queue {queue} could not be handled in {TRIES} tries"
                f"{_again(record.poisoned)}; what hindered it is in the function app's log.",
                fix=f"Search the log for {record.id} and for failures of the function that takes "
                f"from {queue}, mend the cause, and send it on its way with POST "
                f"/api/messages/replay.{doubt}",
            )  # fmt: skip

        failed = await self._change(record, ended)
        if failed is None:
            return
        entry = TimelineEntry(type="failed", at=self._clock(), detail=failed.detail)
        await self._timeline.note(failed.id, f"poisoned-{failed.attempt:05d}", entry)
        logger.error("message failed as poison", extra={"message_id": failed.id})

    async def _change(
        self, record: MessageRecord, edit: Callable[[MessageRecord], MessageRecord | None]
    ) -> MessageRecord | None:
        """Stores what `edit` makes of the record, or of what others have made of it meanwhile;
        None where that is nothing."""
        for _ in range(_CHANGE_TRIES):
            edited = edit(record)
            if edited is None:
                return None
            try:
                return await self._ledger.change(record, edited)
            except ChangedError:
                now = await self._ledger.get(record.id)
                if now is None:
                    return None
                record = now
        raise StorageUnavailableError(f"The record of message {record.id} is changed all the time.")

    async def _record(self, body: bytes, queue: str, queue_id: str) -> None:
        """Records a message that came to no record, and brings it back; one without an id of its
        own, as failed; what is none, as refused."""
        try:
            record = await self._acceptance.accept_queued(body, queue_id=f"poison {queue_id}")
        except (InvalidMessageError, ConflictError) as error:
            await self._refuse(body, queue, queue_id, error.detail, error.fix)
            return
        if record.id == keyed_message_id("queue", f"poison {queue_id}"):
            await self._fail(record, queue, doubt=_NAMELESS)
        else:
            await self._bring_back(record, queue)

    async def _refuse(self, body: bytes, queue: str, queue_id: str, reason: str, fix: str) -> None:
        message_id = await self._acceptance.refuse_queued(
            body, queue_id=f"poison {queue_id}", reason=reason, fix=fix
        )
        blob = await self._park(message_id, body, queue, reason=reason)
        await self._note_refusal(message_id, reason, blob)

    async def _park_refusal(
        self, record: MessageRecord, refusal: Mapping[str, Any], queue: str
    ) -> None:
        """Keeps what `Outbound` refused; it has recorded it before it put it on the queue."""
        if "original_blob" in refusal:
            try:
                body = await self._contents.claim(refusal["original_blob"])
            except NotFoundError:
                body = b""
        else:
            body = base64.b64decode(refusal["original"])
        blob = await self._park(
            record.id, body, queue, reason=record.detail, problems=refusal["problems"]
        )
        await self._note_refusal(record.id, record.detail, blob)

    async def _note_refusal(self, message_id: str, reason: str, blob: str) -> None:
        detail = f"{reason} The queue message is kept in mail-content as {blob}."
        entry = TimelineEntry(type="failed", at=self._clock(), detail=detail)
        await self._timeline.note(message_id, "refused", entry)

    async def _park(
        self, name: str, body: bytes, queue: str, *, reason: str, problems: object = ()
    ) -> str:
        return await self._contents.park(
            name,
            {
                "message_id": name,
                "parked_at": self._clock().isoformat(),
                "queue": queue,
                "reason": reason,
                "problems": problems,
                "original": base64.b64encode(body).decode(),
            },
        )


def _again(returns: int) -> str:
    if not returns:
        return ""
    return f", nor when it was brought back {returns} {'time' if returns == 1 else 'times'}"


def _read_refusal(body: bytes) -> Mapping[str, Any] | None:
    """What `Outbound` writes of a queue message that it refuses; None if the body is not that."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(value, dict) and "problems" in value):
        return None
    message_id, original = value.get("message_id"), value.get("original")
    blob = value.get("original_blob")
    if not (isinstance(message_id, str) and is_message_id(message_id)):
        return None
    own_blob = blob == f"{message_id}/refused"
    return value if isinstance(original, str) or own_blob else None
