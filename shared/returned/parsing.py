"""From the bytes of a returned mail to what it says."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.returned import kinds
from shared.returned.addresses import addresses, clean
from shared.returned.bounce import read_bounce
from shared.returned.delivery_status import fields_start
from shared.returned.feedback import read_feedback
from shared.returned.forwarded import enclosed_report, is_forwarded, unquote
from shared.returned.mime import Headers, Mail, read_mail
from shared.returned.notification import read_notification
from shared.returned.original import find_original, message_ids, report_text, separate
from shared.returned.reading import Reading, Returned
from shared.returned.report import Report, ReportKind

_TEXT = 2000  # characters of a report's text that are kept
_SUBJECT = 500
_LONGEST_DATE = 200


def parse_report(content: bytes) -> Report:
    """What a returned mail says. Never raises; time grows with the length, memory is bounded."""
    mail = read_mail(content)
    text = report_text(mail)
    if is_forwarded(mail):
        if (part := enclosed_report(mail)) is not None:
            mail = read_mail(part.body.lstrip("\n").encode("latin-1"))
            text = report_text(mail)
        elif quoted := unquote(text):
            return _read_quoted(mail, quoted)
    said, rest = separate(text)
    returned = Returned(mail, said, find_original(mail, rest))
    if (notified := read_notification(said)) is not None:
        reading, original = notified
        return _report(Returned(mail, said, original), reading)
    return _report(returned, _read(returned))


def _read_quoted(mail: Mail, text: str) -> Report:
    """A report that somebody forwarded in the text of a mail: its own headers come first."""
    start = fields_start(text)
    fields, rest = separate(text[start:])
    returned = Returned(mail, text[:start] + fields, find_original(mail, rest))
    return _report(returned, read_bounce(returned))


def _read(returned: Returned) -> Reading:
    """The first format that fits."""
    mail, said = returned.mail, returned.said
    if (reading := read_feedback(returned)) is not None:
        return reading
    if kinds.is_read_receipt(mail) and not kinds.is_rejection(said):
        return Reading()
    if kinds.looks_like_bounce(mail, said, returned=bool(returned.original)):
        reading = read_bounce(returned)
        if reading.kind != "other" or kinds.is_declared_report(mail):
            return reading
    return Reading(kind=_other_kind(mail, said))


def _other_kind(mail: Mail, said: str) -> ReportKind:
    if kinds.is_unsubscribe(mail):
        return "unsubscribe"
    if kinds.is_challenge(mail, said):
        return "challenge"
    if kinds.is_auto_reply(mail):
        return "auto-reply"
    return "other"


def _report(returned: Returned, reading: Reading) -> Report:
    headers, original = returned.mail.headers, returned.original
    return Report(
        kind=reading.kind,
        recipients=reading.recipients,
        reporting_mta=reading.reporting_mta,
        original_message_ids=tuple(_original_ids(headers, original, returned.said)),
        mailroom_id=original.get("x-mailroom-id")[:200],
        envelope_id=reading.envelope_id,
        arrival=_date(reading.arrival),
        original_sender=reading.sender or _original_sender(original),
        original_subject=original.get("subject")[:_SUBJECT],
        feedback_type=reading.feedback_type,
        sender=clean(headers.get("from")),
        to=tuple(addresses(headers.get("to"))[:20]),
        subject=headers.get("subject")[:_SUBJECT],
        message_id=next(iter(message_ids(headers.raw("message-id"))), ""),
        date=_date(headers.raw("date")),
        text=returned.said.strip()[:_TEXT],
        understood=_understood(returned.mail, reading),
    )


def _understood(mail: Mail, reading: Reading) -> bool:
    """False for what looks like a report, but names nobody, or nothing that can be made out."""
    if reading.kind in ("bounce", "delayed", "delivered"):
        return bool(reading.recipients) and any(
            r.status or r.reason != "other" or r.action == "delivered" for r in reading.recipients
        )
    if reading.kind == "other" and not kinds.is_read_receipt(mail):
        system = "from" in mail.headers and kinds.from_mail_system(mail)
        return not (system or kinds.is_declared_report(mail))
    return True


_QUOTED_ID = re.compile(
    r"^[ \t>]*Message-ID:[ \t]*(<[^<>\s]{1,400}>)", re.IGNORECASE | re.MULTILINE
)


def _original_ids(headers: Headers, original: Headers, said: str) -> Iterable[str]:
    """The surest first: the returned headers', what the report quotes, the report's references."""
    ids = message_ids(original.raw("message-id"))
    ids += [match[1] for match in _QUOTED_ID.finditer(said)][:3]
    ids += message_ids(headers.raw("in-reply-to"))
    ids += reversed(message_ids(headers.raw("references")))
    own = message_ids(headers.raw("message-id"))
    return list(dict.fromkeys(i for i in ids if i not in own))[:10]


def _original_sender(original: Headers) -> str:
    return clean(original.raw("return-path")) or clean(original.get("from"))


def _date(value: str) -> datetime | None:
    """A date of RFC 5322, aware; None where it cannot be read."""
    if not value or len(value) > _LONGEST_DATE:
        return None
    try:
        date = parsedate_to_datetime(value)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
