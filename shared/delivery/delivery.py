"""Delivers one message: slot, owner, write-ahead record, hand-over, outcome.

The order is what keeps the two rules (nothing lost, no silent double):
1. the gate gives a slot of a mailbox, and a session of it is opened;
2. the record becomes `sending`, owned by this attempt for a lease (compare and swap);
3. the mail is handed over;
4. the outcome goes into the record in one write.
A crash before 2 leaves the message queued. From 2 to 4 nobody else can know how far it came: when
the lease is over the message becomes `unknown`.
"""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.composing import PartsCache, compose
from shared.delivery.claim import Claims
from shared.delivery.ended import log_end
from shared.delivery.gate import AWAY, Gate, Refused
from shared.delivery.marks import Marks
from shared.delivery.memory import ContentMemory
from shared.delivery.outcome import (
    Schedule,
    Trouble,
    find_trouble,
    give_up,
    is_overdue,
    read_handover,
    settle,
    told,
)
from shared.delivery.pool import SessionPool
from shared.delivery.refusals import RefusalEvents
from shared.delivery.replies import read_reply
from shared.delivery.session import Handover, Mail, SessionError, SmtpSession
from shared.errors import (
    ChangedError,
    ComposeError,
    CredentialError,
    InvalidMessageError,
    NotFoundError,
    StorageUnavailableError,
)
from shared.messages.contents import Contents
from shared.messages.identity import envelope_id
from shared.messages.ledger import Ledger
from shared.messages.outbox import Outbox
from shared.messages.record import MessageRecord, TimelineEntry
from shared.messages.withholding import withhold
from shared.quota import Demand, PauseKind, Slot, demand_of
from shared.settings import Settings
from shared.storage.connection import persist
from shared.suppression import SuppressionCheck

logger = logging.getLogger(__name__)

_ANOTHER_MAILBOX = timedelta(seconds=1)  # the delay when one mailbox was refused and others are not


class Mailboxes(Protocol):
    """What delivery tells about mailboxes, and asks (the quota governor)."""

    async def pause(
        self, mailbox: str | None, *, reason: str, fix: str, kind: PauseKind
    ) -> datetime: ...

    async def worked(self, mailbox: str) -> None: ...

    def late(self, slot: Slot, at: datetime) -> None: ...


class Delivery:
    """Takes recorded messages to the submission server."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: Ledger,
        contents: Contents,
        outbox: Outbox,
        pool: SessionPool,
        gate: Gate,
        mailboxes: Mailboxes,
        refusals: RefusalEvents,
        marks: Marks,
        suppressions: SuppressionCheck,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._contents = contents
        self._outbox = outbox
        self._pool = pool
        self._gate = gate
        self._mailboxes = mailboxes
        self._refusals = refusals
        self._marks = marks
        self._suppressions = suppressions
        self._clock = clock
        self._jitter = jitter
        self._parts = PartsCache()
        self._claims = Claims(ledger, lease=timedelta(seconds=settings.lease), clock=clock)
        self._memory = ContentMemory()

    async def deliver(self, message_id: str) -> None:
        """Does what is to be done about a message now; returns when it is done or put off.

        It may be called again at any time, by anybody, for any id. Raises StorageUnavailableError
        where nothing could be decided, so that the caller's queue message comes back.
        """
        found = await self._ledger.get_with_content(message_id)
        if found is None:
            logger.warning("no record of this message", extra={"message_id": message_id})
            return
        stored, values = found
        record = await self._claimable(stored)
        if record is None:
            return
        pool = self._settings.mailboxes_for(record.sender)
        if not pool:
            detail = f"{record.sender} is no sender any more."
            await self._conclude_unclaimed(record, self._entry(record, "failed", detail=detail))
            return
        # A mailbox that is refused is set aside: each is tried once at most, and then the gate
        # tells until when all are closed.
        for tries_left in range(len(pool), -1, -1):
            slot = await self._gate.enter(pool, self._demand(record), accepted=record.accepted_at)
            if isinstance(slot, Refused):
                await self._put_off(record, slot)
                return
            if not tries_left:
                await self._gate.give_back(slot)
            elif await self._attempt(record, values, slot):
                return
        await self._put_off(record, Refused(self._clock() + AWAY))

    async def settle_interrupted(self, record: MessageRecord) -> MessageRecord:
        """Ends an attempt whose owner is gone, as `unknown`.

        Raises ChangedError if the owner is not gone after all.
        """
        detail = "The process ended while it handed the message over."
        entries = [self._entry(record, "unknown", detail=detail)]
        return await self._ledger.change(record, settle(record, entries, self._schedule(record)))

    async def _claimable(self, record: MessageRecord) -> MessageRecord | None:
        """The record if its message may be sent now, else None."""
        now = self._clock()
        if record.status == "sending" and record.lease_until and record.lease_until <= now:
            try:
                record = await self.settle_interrupted(record)
            except ChangedError:
                return None
            await self._follow_up(record)
            return None
        if not record.deliverable:
            return None
        # Queue messages may come early: Storage counts whole seconds.
        if record.not_before and record.not_before > now + timedelta(seconds=1):
            if record.status == "scheduled":  # further ahead than a queue message can be hidden
                await self._outbox.enqueue(record)
            return None
        return record

    def _demand(self, record: MessageRecord) -> Demand:
        return demand_of(
            self._settings, record.sender, record.open_recipients, lane=record.priority
        )

    async def _attempt(self, record: MessageRecord, values: Mapping[str, Any], slot: Slot) -> bool:
        """Uses the slot. False: the mailbox was refused before anything was sent, and is set
        aside; another one may be tried."""
        used = False
        try:
            async with self._pool.session(slot.mailbox) as session, self._memory.room(values):
                mail = await self.compose(record, values)
                await self._gate.until(slot)
                wanted, record = record, await self._withhold(record)
                if record.final:
                    await self._change(wanted, record)
                    return True
                mail = replace(mail, recipients=record.open_recipients)
                claimed = await self._claims.take(record, slot.mailbox)
                if claimed is None:
                    await self._leave(record.id)
                    return True
                used = True
                record, handover = claimed, await self._hand_over(claimed, mail, session)
                self._mailboxes.late(slot, self._clock())
        except SessionError as error:
            return await self._without_session(record, slot.mailbox, error)
        except CredentialError as error:
            entry = self._entry(record, "deferred", detail=str(error), mailbox=slot.mailbox)
            await self._conclude_unclaimed(record, entry)
            return True
        except (ComposeError, InvalidMessageError, NotFoundError, ValueError) as error:
            await self._conclude_unclaimed(record, self._entry(record, "failed", detail=str(error)))
            return True
        finally:
            if not used:
                await self._gate.give_back(slot)
        await self._conclude(record, handover, mail.recipients)
        return True

    async def _withhold(self, record: MessageRecord) -> MessageRecord:
        """The record without recipients who have been suppressed since it was accepted; the claim
        stores it."""
        blocked = await self._suppressions.blocked(
            record.open_recipients,
            category="bulk" if record.listed else record.category,
            topic=record.topic,
            sending=True,
        )
        return withhold(record, blocked, self._clock(), attempt=record.attempt + 1)

    async def compose(self, record: MessageRecord, values: Mapping[str, Any]) -> Mail:
        """The mail as it is handed over, each time the same. Raises NotFoundError."""
        message = await self._contents.find(values)
        if message is None:
            raise NotFoundError("The message's content has been deleted.")
        composed = compose(
            await self._marks.footed(record, message),
            message_id=record.message_id,
            date=record.accepted_at,
            headers=await self._marks.headers(record, listed=message.listed),
            parts=self._parts,
        )
        return Mail(
            sender=message.sender.email,
            recipients=record.open_recipients,
            content=composed.content,
            smtputf8=composed.smtputf8,
            envelope_id=envelope_id(record.id, record.message_id),
        )

    async def _hand_over(self, record: MessageRecord, mail: Mail, session: SmtpSession) -> Handover:
        async with self._claims.kept(record):
            handover = await session.hand_over(mail)
            await self._publish(record, handover)
        return handover

    async def _publish(self, record: MessageRecord, handover: Handover) -> None:
        """Tells of refused recipients before the outcome is stored: a crash in between tells of
        them again, rather than never. What storage does not take must not cost the outcome."""
        if not handover.refused:
            return
        try:
            await persist(lambda: self._refusals.publish(record, handover.refused))
        except StorageUnavailableError:
            logger.exception("refusals not published", extra=_about(record))

    async def _without_session(
        self, record: MessageRecord, mailbox: str, error: SessionError
    ) -> bool:
        """No session could be opened: the mailbox is set aside if the reply is about it."""
        trouble = find_trouble(error.reply)
        reply = error.reply
        if trouble is not None:
            await self._set_aside(mailbox, trouble)
            if trouble.meaning.scope == "mailbox":
                return False
        fix = read_reply(reply).fix if reply else str(error)
        entry = self._entry(
            record, "deferred", detail=fix, mailbox=mailbox,
            code=reply.status if reply else "", reply=str(reply or ""),
        )  # fmt: skip
        await self._conclude_unclaimed(record, entry)
        return True

    async def _set_aside(self, mailbox: str, trouble: Trouble) -> None:
        meaning, reply = trouble.meaning, trouble.reply
        where = None if meaning.scope == "tenant" else mailbox
        until = await self._mailboxes.pause(
            where, reason=str(reply), fix=meaning.fix, kind=trouble.kind
        )
        logger.warning(
            "set aside",
            extra={"scope": meaning.scope, "until": until.isoformat(), "reply": str(reply)},
        )

    async def _conclude(
        self, record: MessageRecord, handover: Handover, recipients: Sequence[str]
    ) -> None:
        """Stores the outcome of this process's own attempt, come what may."""
        entries = read_handover(
            handover, recipients, at=self._clock(), attempt=record.attempt, mailbox=record.mailbox
        )
        trouble = find_trouble(handover.reply, *handover.refused.values())
        delay = _ANOTHER_MAILBOX if trouble is not None else None
        stored = await persist(lambda: self._store(record, entries, delay))
        try:
            if trouble is not None:
                await self._set_aside(record.mailbox, trouble)
            elif handover.reply is not None:  # whatever it says, the mailbox could submit
                await self._mailboxes.worked(record.mailbox)
        except (ChangedError, StorageUnavailableError):
            logger.exception("the governor was not told", extra=_about(record))
        await self._follow_up(stored)

    async def _store(
        self, record: MessageRecord, entries: Sequence[TimelineEntry], delay: timedelta | None
    ) -> MessageRecord:
        schedule = self._schedule(record, delay)
        try:
            return await self._ledger.change(record, settle(record, entries, schedule))
        except ChangedError:
            now = await self._ledger.get(record.id)
        if now is None:
            raise NotFoundError(f"The record of message {record.id} is gone.")
        if now.history[-len(entries) :] == tuple(entries):
            return now  # it was our own write, repeated by the storage client
        lease_renewed = now.owner == record.owner
        given_up = (
            now.attempt == record.attempt
            and not now.owner
            and any(e.type == "unknown" and e.attempt == now.attempt for e in now.history)
        )
        if lease_renewed or given_up:  # its owner knows better
            return await self._ledger.change(now, settle(now, entries, schedule))
        return now

    async def _conclude_unclaimed(self, record: MessageRecord, entry: TimelineEntry) -> None:
        """Stores what kept a message from being attempted, unless somebody else attempts it."""
        stored = await self._change(record, settle(record, [entry], self._schedule(record)))
        if stored is not None:
            await self._follow_up(stored)

    async def _follow_up(self, record: MessageRecord) -> None:
        """Puts a deferred message back on the queue."""
        log_end(record)
        if record.status == "queued":
            await self._outbox.enqueue(record)

    async def _put_off(self, record: MessageRecord, refused: Refused) -> None:
        """Puts a message that got no slot back on the queue, until its new place or until its
        mailboxes are open again. Only a long wait is written down: the index of what is due must
        not find the message before."""
        now = self._clock()
        schedule = self._schedule(record)
        if refused.reason and is_overdue(record, schedule):
            failed = give_up(record, now, refused.reason, refused.fix)
            if await self._change(record, failed):
                log_end(failed)
            return
        until = max(refused.until, now + AWAY)
        waiting = replace(record, not_before=until)
        if refused.reason or (record.due and until > record.due - schedule.grace / 2):
            waiting = replace(
                waiting, due=until + schedule.grace, detail=refused.reason, fix=refused.fix,
                history=told(record, refused.reason, refused.fix, now),
            )  # fmt: skip
            if not await self._change(record, waiting):
                return
        await self._outbox.enqueue(waiting)

    async def _change(self, old: MessageRecord, new: MessageRecord) -> MessageRecord | None:
        try:
            return await self._ledger.change(old, new)
        except ChangedError:
            await self._leave(old.id)
            return None

    async def _leave(self, message_id: str) -> None:
        """Leaves a message to those who changed it first. They may have written no more than a
        note, as `reconcile` does: if it still waits, it needs the queue message it came with."""
        record = await self._ledger.get(message_id)
        if record is not None and record.deliverable:
            await self._outbox.enqueue(record)

    def _schedule(self, record: MessageRecord, delay: timedelta | None = None) -> Schedule:
        bulk = record.category == "bulk"
        return Schedule(
            self._clock(),
            self._jitter(),
            timedelta(seconds=self._settings.bulk_deadline if bulk else self._settings.deadline),
            timedelta(seconds=self._settings.reconcile_after),
            delay,
            resend_unknown=self._settings.unknown == "resend",
            sent_items=self._settings.sent_items_of(record.mailbox),
        )

    def _entry(self, record: MessageRecord, kind: str, **values: Any) -> TimelineEntry:
        """An entry of an attempt that came to no hand-over; its number is the attempt's to be."""
        attempt = record.attempt + (record.status != "sending")
        return TimelineEntry(type=kind, at=self._clock(), attempt=attempt, **values)


def _about(record: MessageRecord) -> dict[str, object]:
    return {"message_id": record.id, "attempt": record.attempt}
