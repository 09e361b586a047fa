"""From a report that fits a message to the events that it brings about. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from shared.events import (
    AUTORESPONDED,
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    UNSUBSCRIBED,
    Event,
    event_id,
)
from shared.feedback.aftermath import clean
from shared.feedback.matching import Match, MatchedRecipient, match_recipients
from shared.inbox.mail import FetchedMail
from shared.messages.record import MessageRecord
from shared.returned.reasons import reject_reason
from shared.returned.report import Report
from shared.storage.names import (
    BOUNCE_EVENTS,
    COMPLAINT_EVENTS,
    DELIVERY_EVENTS,
    UNSUBSCRIBE_EVENTS,
)
from shared.suppression import AddressError, normalise
from shared.unsubscribing import Subscriber

SOURCE = "/mailroom/returned"

_QUEUES = {
    BOUNCED: BOUNCE_EVENTS,
    COMPLAINED: COMPLAINT_EVENTS,
    UNSUBSCRIBED: UNSUBSCRIBE_EVENTS,
    DEFERRED: DELIVERY_EVENTS,
    DELIVERED: DELIVERY_EVENTS,
    AUTORESPONDED: DELIVERY_EVENTS,
}
# A report may tell one thing of this recipient and another of that (RFC 3464 section 2.3.3).
_BY_ACTION = {
    "failed": BOUNCED,
    "delayed": DEFERRED,
    "delivered": DELIVERED,
    "relayed": DELIVERED,
    "expanded": DELIVERED,
}
_BY_KIND = {
    "bounce": BOUNCED,
    "delayed": DEFERRED,
    "delivered": DELIVERED,
    "complaint": COMPLAINED,
    "auto-reply": AUTORESPONDED,
    "challenge": AUTORESPONDED,
}
_DELIVERY_KINDS = frozenset({"bounce", "delayed", "delivered"})
_SOURCES = {"complaint": "arf", "auto-reply": "mail", "challenge": "mail"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event, and the queue that it is for."""

    queue: str
    event: Event


def events_of(report: Report, match: Match, mail: FetchedMail) -> list[Outgoing]:
    """The events of a report, one a recipient of the message. Their ids follow from the message,
    the recipient and the report: handed over again, it brings the same ones."""
    record = match.record
    if record is None or report.kind not in _BY_KIND:
        return []
    if report.feedback_type == "opt-out":  # a request to leave, not a complaint about the sender
        return _leaving(report, match, record, mail)
    made = (
        _event(report, match, mail, record, recipient)
        for recipient in match_recipients(report, record)
    )
    return [Outgoing(_QUEUES[event.type], event) for event in made]


def _leaving(
    report: Report, match: Match, record: MessageRecord, mail: FetchedMail
) -> list[Outgoing]:
    """Nobody leaves by a report that anybody could have written, or what has no topic."""
    if match.certainty not in {"signed", "message-id"} or not record.topic:
        return []
    leaving = (Subscriber(r.email, record.topic, record.id) for r in record.recipients)
    return [event for one in leaving for event in unsubscription(report, one, mail)]


def unsubscription(report: Report, subscriber: Subscriber, mail: FetchedMail) -> Iterator[Outgoing]:
    """The event of a request that a mail proves to be the subscriber's own."""
    event = Event(
        type=UNSUBSCRIBED,
        id=_id(UNSUBSCRIBED, subscriber.message_id, subscriber.address, report, mail),
        subject=subscriber.message_id,
        time=mail.received_at,
        source=SOURCE,
        data={
            "recipient": subscriber.address,
            "topic": subscriber.topic,
            "match": "signed",
            "source": "mailto",
            "mailbox": mail.mailbox,
        },
    )
    yield Outgoing(UNSUBSCRIBE_EVENTS, event)


def _event(
    report: Report,
    match: Match,
    mail: FetchedMail,
    record: MessageRecord,
    recipient: MatchedRecipient,
) -> Event:
    reported = recipient.reported
    kind = _BY_KIND[report.kind]
    if report.kind in _DELIVERY_KINDS:
        kind = _BY_ACTION.get(reported.action.lower(), kind)
    data = {
        "recipient": recipient.address,
        "status": reported.status,
        "reply": clean(_reply(reported.reply_code, reported.diagnostic)),
        "reason": _reason(report, kind, recipient),
        "match": match.certainty,
        "source": _SOURCES.get(report.kind, "dsn"),
        "mailbox": mail.mailbox,
        "report": clean(report.message_id, 300),
        "remote_mta": clean(reported.remote_mta or report.reporting_mta, 255),
        "forwarded": recipient.forwarded,
    }
    if kind == BOUNCED:
        data |= {
            "cause": reported.reason,
            "hard": reported.hard,
            "permanent": reported.permanent,
            "given_up": reported.action.lower() == "failed",
        }
    if kind == COMPLAINED:
        data["feedback_type"] = clean(report.feedback_type, 100)
    return Event(
        type=kind,
        id=_id(kind, record.id, recipient.address, report, mail),
        subject=record.id,
        time=mail.received_at,
        source=SOURCE,
        data=data,
    )


def _reply(code: int | None, diagnostic: str) -> str:
    if code is None or diagnostic.startswith(str(code)):
        return diagnostic
    return f"{code} {diagnostic}".strip()


def _reason(report: Report, kind: str, recipient: MatchedRecipient) -> str:
    if kind == BOUNCED:
        return reject_reason(recipient.reported.reason)
    if kind in {DEFERRED, DELIVERED}:
        return clean(recipient.reported.action, 40)
    return report.kind


def _id(kind: str, message_id: str, address: str, report: Report, mail: FetchedMail) -> str:
    try:
        address = normalise(address)
    except AddressError:
        address = address.lower()
    own = report.message_id or hashlib.sha256(mail.content).hexdigest()
    return event_id(kind, message_id, address, own)
