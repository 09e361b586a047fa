"""What events leave behind in a message: its recipients' statuses and its timeline."""

import base64
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.errors import ChangedError, MailroomError
from shared.events import Event, InvalidEventError, event_id
from shared.messages.identity import is_message_id
from shared.messages.ledger import Ledger
from shared.messages.record import MessageRecord, RecipientRecord, RecipientStatus, TimelineEntry
from shared.messages.timeline import Timeline
from shared.storage.queues import Queue

logger = logging.getLogger(__name__)

_TRIES = 10  # against others who change the same record
_LATER = timedelta(seconds=30)
_MAX_TEXT = 1000
_MAX_ORIGINAL = 40 * 1024  # of a refused event: in base64, with its reason, it is 64 KiB at most

# A recipient's status never goes back: who complained has got the message.
_FROM: dict[RecipientStatus, frozenset[str]] = {
    "bounced": frozenset({"sent"}),
    "complained": frozenset({"sent", "bounced"}),
}


class Aftermath:
    """Writes what an event tells of its message, the timeline's entry last: it says that all the
    rest is done, so that an event that comes again is passed over."""

    def __init__(self, ledger: Ledger, timeline: Timeline) -> None:
        self._ledger = ledger
        self._timeline = timeline

    async def find(self, event: Event) -> MessageRecord | None:
        """The record of the message that an event is about."""
        return await self._ledger.get(event.subject) if is_message_id(event.subject) else None

    async def is_told(self, event: Event) -> bool:
        """Whether all that follows from the event has been done before."""
        return await self._timeline.has(event.subject, _key(event))

    async def tell(self, event: Event, entry: TimelineEntry) -> None:
        """Notes the event in the message's timeline."""
        await self._timeline.note(event.subject, _key(event), entry)

    async def mark(
        self, message_id: str, address: str, status: RecipientStatus, *, code: str, reply: str
    ) -> bool:
        """Gives a recipient this status, if it follows on the one that it has.

        False: the message is being sent just now; its outcome must be stored first.
        """
        for _ in range(_TRIES):
            record = await self._ledger.get(message_id)
            if record is None:
                return True
            if record.status == "sending":
                return False
            changed = {
                r.email: RecipientRecord(r.email, status, code, reply)
                for r in record.recipients
                if r.email == address and _may_become(r, status, record)
            }
            if not changed:
                return True
            try:
                await self._ledger.change(record, record.with_recipients(changed))
            except ChangedError:
                continue
            return True
        raise ChangedError("The message is being changed all the time.", fix="Repeat it later.")


def _may_become(recipient: RecipientRecord, status: RecipientStatus, record: MessageRecord) -> bool:
    if recipient.status in _FROM[status]:
        return True
    # Nobody knew whether the server had taken the message: what comes back proves it.
    return recipient.open and record.status == "unknown"


def _key(event: Event) -> str:
    # The type's last word, as keys of events began before there was more than one type.
    return f"{event.type.rpartition('.')[2]}-{event_id(event.source, event.id)}"


class EventQueue:
    """A queue of events, with what is done about those that cannot be handled, or not yet."""

    def __init__(self, queue: Queue, poison: Queue) -> None:
        self._queue = queue
        self._poison = poison

    async def refuse(self, body: bytes, error: MailroomError) -> None:
        """Puts what is no event on the poison queue, with the reason."""
        original = base64.b64encode(body[:_MAX_ORIGINAL]).decode()
        poison = {"reason": error.detail, "fix": error.fix, "original": original}
        await self._poison.send(json.dumps(poison))
        logger.warning("event refused: %s", error.detail)

    async def postpone(self, body: bytes) -> None:
        """Puts an event back: its message is still being sent."""
        await self._queue.send(body.decode(), delay=_LATER)


def check_type(event: Event, *types: str) -> None:
    """Raises InvalidEventError for an event of another type."""
    if event.type not in types:
        raise InvalidEventError(
            f"Its type is {event.type}.", fix=f"Send {' or '.join(types)} to this queue."
        )


def read_text(data: Any, name: str, default: str = "") -> str:
    """A text of an event's data, printable and short. Raises InvalidEventError."""
    value = data.get(name, default)
    if not isinstance(value, str):
        raise InvalidEventError(f"Its {name} is no text.", fix="Send a string.")
    return clean(value)


def read_recipient(data: Any) -> str:
    """The recipient of whom the event tells. Raises InvalidEventError."""
    recipient = read_text(data, "recipient")
    if not recipient:
        raise InvalidEventError("Its data has no recipient.", fix="Name the address.")
    return recipient


def clean(text: str, most: int = _MAX_TEXT) -> str:
    """A text without what cannot be printed, cut."""
    return "".join(c if c.isprintable() else " " for c in text[: 2 * most])[:most]


def entry_of(event: Event, kind: str, recipient: str, detail: str) -> TimelineEntry:
    """The timeline's entry of an event about one recipient."""
    data = event.data
    entry = TimelineEntry(
        type=kind, at=event.time, recipients=(recipient,), code=read_text(data, "status"),
        reply=read_text(data, "reply"), detail=detail,
    )  # fmt: skip
    return replace(entry, mailbox=read_text(data, "mailbox"))
