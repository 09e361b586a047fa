"""Recipients that the server refused for good at RCPT: each goes out as an event."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from shared.concurrency import run_bounded
from shared.delivery.replies import Reply, read_reply
from shared.events import BOUNCED, Event, RejectReason, event_id, event_json
from shared.messages.record import MessageRecord
from shared.storage.queues import Queue

SOURCE = "/mailroom/delivery"

_AT_ONCE = 8

# By enhanced code and text, from the top; RFC 3463 section 3.
_REASONS: tuple[tuple[str, str, RejectReason], ...] = (
    (r"5\.1\.3", "", "invalid"),
    (r"5\.[12]\..*|5\.4\.[14]", "", "bounced"),
    (r"5\.7\..*|", "spam|junk", "spam"),
    (r"5\.7\..*", "", "blocked"),
)


class RefusalEvents:
    """Publishes `mailroom.message.bounced` on the queue `bounce-events`."""

    def __init__(self, queue: Queue, *, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._clock = clock

    async def publish(self, record: MessageRecord, refused: Mapping[str, Reply]) -> int:
        """Publishes an event for each recipient whom the reply to its RCPT refuses for good.

        To be called between the hand-over and the writing of its outcome, and as often as need be:
        the events of one attempt have the same ids each time. refused: the replies by recipient.
        Returns how many were published; raises StorageUnavailableError.
        """
        now = self._clock()
        events = [
            _event(record, recipient, reply, now)
            for recipient, reply in refused.items()
            if _for_good(reply)
        ]
        await run_bounded(
            lambda event: self._queue.send(event_json(event)), events, at_once=_AT_ONCE
        )
        return len(events)


def reject_reason(reply: Reply) -> RejectReason:
    """Why the recipient was refused, in django-anymail's words."""
    for code, text, reason in _REASONS:
        if re.fullmatch(code, reply.enhanced) and re.search(text, reply.text, re.IGNORECASE):
            return reason
    return "other"


def _for_good(reply: Reply) -> bool:
    meaning = read_reply(reply, at_recipient=True)
    return meaning.action == "fail" and meaning.scope == "recipient"


def _event(record: MessageRecord, recipient: str, reply: Reply, now: datetime) -> Event:
    return Event(
        type=BOUNCED,
        id=event_id(BOUNCED, record.id, str(record.attempt), recipient),
        subject=record.id,
        time=now,
        source=SOURCE,
        data={
            "recipient": recipient,
            "status": reply.status,
            "reply": str(reply),
            "reason": reject_reason(reply),
            "permanent": True,
            "source": "smtp",
            "mailbox": record.mailbox,
            "attempt": record.attempt,
        },
    )
