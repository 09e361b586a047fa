"""Accepts messages: by HTTP, and from the queue. From here on nothing of them gets lost."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from shared.callers.caller import check_sender
from shared.composing import encoded_size
from shared.errors import (
    AlreadyExistsError,
    ComposeError,
    FieldProblem,
    InvalidMessageError,
    NotFoundError,
)
from shared.messages.accepted import Accepted, accepted_answer, repeated_answer
from shared.messages.contents import Contents
from shared.messages.holding import hold
from shared.messages.identity import (
    content_hash,
    is_message_id,
    keyed_message_id,
    message_id_header,
    new_message_id,
    new_tag,
)
from shared.messages.ledger import Ledger
from shared.messages.model import Message
from shared.messages.outbox import Outbox
from shared.messages.parsing import parse_message
from shared.messages.prepared import Prepared, Preparing
from shared.messages.record import Lane, MessageRecord, RecipientRecord
from shared.messages.withholding import withhold
from shared.settings import Settings
from shared.storage.blobs import is_blob_name
from shared.suppression import SuppressionCheck

logger = logging.getLogger(__name__)

_LATEST = timedelta(days=366)

# A message whose place is nearer than this goes to the gate at once.
_SOON = timedelta(seconds=2)


class Places(Protocol):
    """When a message of a lane is likely to get its turn (the quota governor)."""

    async def place(self, pool: Sequence[str], lane: Lane) -> datetime: ...


class Acceptance:
    """Checks a message against the settings, records it, and hands it on."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        contents: Contents,
        outbox: Outbox,
        places: Places,
        suppressions: SuppressionCheck,
        preparation: Preparing,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._contents = contents
        self._outbox = outbox
        self._places = places
        self._suppressions = suppressions
        self._preparation = preparation
        self._clock = clock

    async def accept(self, body: bytes, *, key: str | None, caller: str = "") -> Accepted:
        """Accepts a message that came by HTTP, and enqueues it.

        key: the caller's idempotency key. Raises InvalidMessageError, and ConflictError where the
        key was used for another message.
        """
        message = parse_message(body)
        problems = self._problems(message)
        if message.id is not None:
            problems.append(
                FieldProblem(
                    "/id", "HTTP requests have no id.", "Send it as the Idempotency-Key header."
                )
            )
        if problems:
            raise InvalidMessageError(problems)
        message_id = keyed_message_id(caller, key) if key else new_message_id()
        if key and (earlier := await self._ledger.get(message_id)):
            return repeated_answer(earlier, content_hash(message))
        prepared = await self._prepare(message, message_id, "http")
        try:
            record = await self._record(prepared, message_id, "http", digest=content_hash(message))
        except AlreadyExistsError:
            winner = await self._ledger.get(message_id)
            if winner is None:
                raise
            if key:
                return repeated_answer(winner, content_hash(message))
            record = winner  # our own write, repeated by the storage client
        return await self._hand_on(record)

    async def accept_queued(self, body: bytes, *, queue_id: str) -> MessageRecord:
        """Accepts a message that another service put on the queue; returns its record.

        queue_id: the queue message's own id, the same at each redelivery: it stands in where the
        caller gave none. Raises InvalidMessageError, and ConflictError where the id was used
        for another message.
        """
        message = await self._read_queued(body)
        if problems := self._problems(message):
            raise InvalidMessageError(problems)
        message_id = message.id or keyed_message_id("queue", queue_id)
        digest = content_hash(message)
        if self._preparation.is_costly(message) and (earlier := await self._ledger.get(message_id)):
            repeated_answer(earlier, digest)
            return earlier
        prepared = await self._prepare(message, message_id, "queue")
        try:
            return await self._record(prepared, message_id, "queue", digest=digest)
        except AlreadyExistsError:
            earlier = await self._ledger.get(message_id)
            if earlier is None:
                raise
        repeated_answer(earlier, digest)
        return earlier

    async def _prepare(
        self, message: Message, message_id: str, source: Literal["http", "queue"]
    ) -> Prepared:
        """The message made ready, what belongs to it recorded before it.

        Raises InvalidMessageError.
        """
        prepared = await self._preparation.prepare(message, message_id)
        if prepared.message is not message and (problems := self._size_problems(prepared.message)):
            raise InvalidMessageError(problems)
        await self.accompany(prepared, source)
        return prepared

    async def accompany(self, prepared: Prepared, source: Literal["http", "queue"]) -> None:
        """Records and enqueues what belongs to a message; held with it."""
        for message_id, companion in prepared.companions.items():
            ready = replace(prepared, message=companion, companions={}, template="")
            try:
                record = await self._record(
                    ready, message_id, source, digest=content_hash(companion)
                )
            except AlreadyExistsError:
                continue  # an earlier try's
            await self._hand_on(record)

    async def refuse_queued(self, body: bytes, *, queue_id: str, reason: str, fix: str) -> str:
        """Records a queue message that is no acceptable message, as failed; returns its id."""
        # The host lets an "id" in the body stand in for the queue message's own.
        digest = hashlib.sha256(body).hexdigest()
        message_id = keyed_message_id("refused", f"{queue_id} {digest}")
        now = self._clock()
        record = MessageRecord(
            id=message_id, status="failed", accepted_at=now, finished_at=now, source="queue",
            content_hash="", sender="", recipients=(), message_id="", detail=reason, fix=fix,
        )  # fmt: skip
        try:
            await self._ledger.add(record, {})
        except AlreadyExistsError:
            logger.debug("refused before", extra={"message_id": message_id})
        return message_id

    def check(self, message: Message) -> list[FieldProblem]:
        """What the settings have against a message that is valid by itself."""
        return self._problems(message)

    def check_size(self, message: Message) -> list[FieldProblem]:
        """What the settings have against the size that a message would have as sent."""
        return self._size_problems(message)

    async def admit(
        self, prepared: Prepared, message_id: str, *, digest: str, content: Mapping[str, Any]
    ) -> Accepted:
        """Records and enqueues a message that `check` has nothing against, and what belongs to it.

        digest: tells it from other messages under this id. content: properties of the record's
        row that tell where its content is kept. Raises ConflictError where the id is another's.
        """
        try:
            await self.accompany(prepared, "http")
            record = await self._record(
                prepared, message_id, "http", digest=digest, content=content
            )
        except AlreadyExistsError:
            earlier = await self._ledger.get(message_id)
            if earlier is None:
                raise
            return repeated_answer(earlier, digest)
        return await self._hand_on(record)

    async def _hand_on(self, record: MessageRecord) -> Accepted:
        if not record.final and record.status != "held":
            await self._outbox.enqueue(record)
        return accepted_answer(record)

    async def _read_queued(self, body: bytes) -> Message:
        try:
            claim = json.loads(body) if b'"content_blob"' in body else None
        except (ValueError, RecursionError):
            claim = None
        if not isinstance(claim, dict) or "content_blob" not in claim:
            return parse_message(body)
        blob, own_id = claim["content_blob"], claim.get("id")
        if set(claim) - {"content_blob", "id"}:
            raise _claim_problem("It has other members than content_blob and id.")
        if not (isinstance(blob, str) and is_blob_name(blob)):
            raise _claim_problem("It is not the name of a blob.")
        try:
            message = parse_message(await self._contents.claim(blob))
        except NotFoundError as error:
            raise _claim_problem(error.detail) from error
        except InvalidMessageError:
            raise
        except ValueError as error:
            raise _claim_problem(str(error)) from error
        if own_id is None:
            return message
        if not (isinstance(own_id, str) and is_message_id(own_id)):
            raise _claim_problem("Its id is not an id.")
        return message.model_copy(update={"id": own_id})

    def _problems(self, message: Message) -> list[FieldProblem]:
        """What the settings have against a message that is valid by itself."""
        settings, problems = self._settings, self._sender_problems(message)
        if len(message.recipients) > settings.recipient_limit:
            problems.append(
                FieldProblem(
                    "/to",
                    f"It has {len(message.recipients)} recipients; {settings.recipient_limit} are "
                    "allowed.",
                    "Send several messages.",
                )
            )
        problems += self._preparation.faults(message)
        if not self._preparation.is_costly(message):  # else its size is not known yet
            problems += self._size_problems(message)
        if message.send_at and message.send_at > self._clock() + _LATEST:
            problems.append(
                FieldProblem("/send_at", "It is more than a year ahead.", "Send it later.")
            )
        return problems  # fmt: skip

    def _sender_problems(self, message: Message) -> list[FieldProblem]:
        sender = message.sender.email
        check_sender(sender)
        identity = self._settings.identity_of(sender)
        if identity is None:
            fix = f"Use one of {_some(self._settings.senders)}, or add it to MAILROOM_SENDERS."
            detail = "It is not one of this Mailroom's senders."
            return [FieldProblem("/from/email", detail, fix)]
        if "priority" in message.model_fields_set and message.priority not in identity.lanes:
            allowed = " or ".join(identity.lanes)
            return [
                FieldProblem(
                    "/priority",
                    f"{sender} may not send with priority {message.priority}.",
                    f"Use {allowed}, or leave it out, or allow it in MAILROOM_SENDERS.",
                )
            ]
        return []

    def _lane(self, message: Message) -> Lane:
        """The priority that the caller gave, else the usual one of its From identity."""
        identity = self._settings.identity_of(message.sender.email)
        if identity is None or "priority" in message.model_fields_set:
            return message.priority
        return identity.usual_lane

    def _size_problems(self, message: Message) -> list[FieldProblem]:
        try:
            size = encoded_size(message)
        except ComposeError as error:
            return [FieldProblem("", error.detail, error.fix)]
        if size <= self._settings.size_limit:
            return []
        detail = f"It would be {size} bytes as sent; {self._settings.size_limit} are allowed."
        return [FieldProblem("", detail, "Send less, or link to the attachments.")]

    async def _record(
        self,
        prepared: Prepared,
        message_id: str,
        source: Literal["http", "queue"],
        *,
        digest: str,
        content: Mapping[str, Any] | None = None,
    ) -> MessageRecord:
        now, message = self._clock(), prepared.message
        scheduled = message.send_at is not None and message.send_at > now
        blocked = await self._suppressions.blocked(
            (r.email for r in message.recipients),
            category="bulk" if message.listed else message.category,
            topic=message.topic or "", sending=not scheduled,
        )  # fmt: skip
        record = MessageRecord(
            id=message_id,
            status="scheduled" if scheduled else "queued",
            accepted_at=now,
            source=source,
            content_hash=digest,
            sender=message.sender.email,
            recipients=tuple(RecipientRecord(r.email) for r in message.recipients),
            message_id=message_id_header(message_id, message.sender.email, tag=new_tag()),
            category=message.category,
            topic=message.topic or "",
            listed=message.listed,
            priority=self._lane(message),
            tags=message.tags,
            send_at=message.send_at,
            template=prepared.template,
            findings=prepared.findings,
        )
        record = withhold(record, blocked, now)
        if prepared.held and not record.final:
            record = hold(record, prepared.findings, now)
        elif not record.final:
            start = await self._start(message, record.priority, now, scheduled=scheduled)
            record = replace(
                record,
                not_before=start if start > now else None,
                due=start + timedelta(seconds=self._settings.reconcile_after),
            )
        if content is None:
            content = {} if record.final else await self._contents.keep(message_id, message)
        return await self._ledger.add(record, content)

    async def _start(
        self, message: Message, lane: Lane, now: datetime, *, scheduled: bool
    ) -> datetime:
        """When the message may be sent, or its turn is likely to come."""
        if scheduled:
            return message.send_time(now)
        pool = self._settings.mailboxes_for(message.sender.email)
        place = await self._places.place(pool, lane)
        return place if place > now + _SOON else now


def _claim_problem(detail: str) -> InvalidMessageError:
    return InvalidMessageError(
        [
            FieldProblem(
                "/content_blob",
                detail,
                'Put the message\'s JSON into the container mail-content and send {"content_blob": '
                '"<its name>"}.',
            )
        ]
    )


def _some(senders: Any) -> str:
    names = sorted(senders)
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")  # noqa: PLR2004
