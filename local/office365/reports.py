"""The mails that come back: Exchange Online's NDRs and delay notices, complaints, auto-replies.

Shapes: RFC 3464 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic replies), and what
Exchange Online adds to them.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from . import replies
from .mail import KeptMessage
from .reading import read_fields

_ORIGINAL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened for one recipient. remote: who said so, "" for Exchange itself."""

    address: str
    status: str
    diagnostic: str
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What an NDR says in one language; `{}` stands for the subject or the addresses."""

    language: str
    undeliverable: str
    delayed: str
    failed_text: str
    delayed_text: str


ENGLISH = Words(
    "en-US",
    "Undeliverable: {}",
    "Delivery delayed: {}",
    "The message could not be brought to {}.",
    "The message has not reached {} yet. It is tried again.",
)
GERMAN = Words(
    "de-DE",
    "Unzustellbar: {}",
    "Zustellung verzögert: {}",
    "Die Nachricht konnte {} nicht überbracht werden.",
    "Die Nachricht hat {} noch nicht erreicht. Es wird weiter versucht.",
)


@dataclass(frozen=True, slots=True)
class Original:
    """The message that was submitted, as a report speaks of it."""

    content: bytes
    subject: str
    message_id: str
    sender: str
    arrived_at: datetime

    @classmethod
    def of(cls, message: KeptMessage) -> "Original":
        """With the Message-ID that Exchange gave it, where it did; the old one is kept beside."""
        content = message.content
        old = message.original_message_id
        if old is not None and old != message.message_id:
            new = message.message_id.encode()
            content = content.replace(old.encode(), new, 1)
            content = b"X-Microsoft-Original-Message-ID: " + old.encode() + b"\r\n" + content
        fields = {name.lower(): value for name, value in reversed(read_fields(message.head))}
        return cls(
            content[:_ORIGINAL_BYTES],
            fields.get("subject", ""),
            message.message_id,
            message.sender or message.mailbox,
            message.received_at,
        )


def non_delivery_report(
    original: Original, failures: Sequence[Failure], *, now: datetime, words: Words = ENGLISH
) -> bytes:
    """An NDR of Exchange Online for these recipients."""
    return _status_report(original, failures, now, words, delayed=False)


def delay_notice(original: Original, failures: Sequence[Failure], *, now: datetime) -> bytes:
    """A notice that the message is still being tried (4.4.7 follows if it stays so)."""
    return _status_report(original, failures, now, ENGLISH, delayed=True)


def _status_report(
    original: Original,
    failures: Sequence[Failure],
    now: datetime,
    words: Words,
    *,
    delayed: bool,
) -> bytes:
    server, domain = replies.MAILBOX_SERVER, original.sender.rpartition("@")[2]
    addresses = ", ".join(failure.address for failure in failures)
    subject = (words.delayed if delayed else words.undeliverable).format(original.subject)
    text = (words.delayed_text if delayed else words.failed_text).format(addresses)
    details = "\r\n".join(f"Remote Server returned '{f.diagnostic}'" for f in failures)
    head = [
        "Return-Path: <>",
        f"Received: from {server} by {server} with Microsoft SMTP Server; {format_datetime(now)}",
        "MIME-Version: 1.0",
        f"From: <postmaster@{domain}>",
        f"To: <{original.sender}>",
        f"Date: {format_datetime(now)}",
        f"Subject: {_encoded(subject)}",
        f"Message-ID: <{uuid.uuid4()}@{server}>",
        f"In-Reply-To: {original.message_id}",
        f"References: {original.message_id}",
        f"Content-Language: {words.language}",
        "Auto-Submitted: auto-replied",
        "X-MS-Exchange-Message-Is-Ndr:",
    ]
    parts = [
        _alternative(text, details),
        ("message/delivery-status", _status_fields(original, failures, delayed=delayed)),
        ("message/rfc822", original.content),
    ]
    return _multipart(head, "multipart/report; report-type=delivery-status", parts)


def _status_fields(original: Original, failures: Sequence[Failure], *, delayed: bool) -> bytes:
    lines = [
        f"Reporting-MTA: dns;{replies.MAILBOX_SERVER}",
        f"Received-From-MTA: dns;{replies.MAILBOX_SERVER}",
        f"Arrival-Date: {format_datetime(original.arrived_at)}",
    ]
    for failure in failures:
        lines += [
            "",
            f"Final-Recipient: rfc822;{failure.address}",
            f"Action: {'delayed' if delayed else 'failed'}",
            f"Status: {failure.status}",
            f"Diagnostic-Code: smtp;{failure.diagnostic}",
        ]
        if failure.remote:
            lines.append(f"Remote-MTA: dns;{failure.remote}")
        lines.append(f"X-Display-Name: {failure.address}")
    return "\r\n".join([*lines, ""]).encode()


def complaint(original: Original, recipient: str, *, now: datetime) -> bytes:
    """What a mailbox provider sends when its user calls a mail junk (ARF)."""
    provider = recipient.rpartition("@")[2]
    head = [
        f"Return-Path: <feedback@{provider}>",
        "MIME-Version: 1.0",
        f"From: <feedback@{provider}>",
        f"To: <{original.sender}>",
        f"Date: {format_datetime(now)}",
        f"Subject: {_encoded('Feedback on: ' + original.subject)}",
        f"Message-ID: <{uuid.uuid4()}@{provider}>",
    ]
    fields = [
        "Feedback-Type: abuse",
        "User-Agent: Feedback/1.0",
        "Version: 1",
        f"Original-Mail-From: <{original.sender}>",
        f"Original-Rcpt-To: <{recipient}>",
        f"Arrival-Date: {format_datetime(original.arrived_at)}",
        f"Reported-Domain: {original.sender.rpartition('@')[2]}",
    ]
    parts = [
        ("text/plain; charset=us-ascii", b"A user has called the enclosed message junk.\r\n"),
        ("message/feedback-report", "\r\n".join([*fields, "", ""]).encode()),
        ("message/rfc822", original.content),
    ]
    return _multipart(head, "multipart/report; report-type=feedback-report", parts)


def automatic_reply(original: Original, recipient: str, *, now: datetime) -> bytes:
    """What somebody's mailbox answers while they are away."""
    head = [
        "Return-Path: <>",
        "MIME-Version: 1.0",
        f"From: <{recipient}>",
        f"To: <{original.sender}>",
        f"Date: {format_datetime(now)}",
        f"Subject: {_encoded('Automatic reply: ' + original.subject)}",
        f"Message-ID: <{uuid.uuid4()}@{recipient.rpartition('@')[2]}>",
        f"In-Reply-To: {original.message_id}",
        f"References: {original.message_id}",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "I am away until Monday, and read mail again then.",
        "",
    ]
    return "\r\n".join(head).encode()


def _alternative(text: str, details: str) -> tuple[str, bytes]:
    shown = f"{text}\r\n\r\n{details}\r\n"
    html = "".join(f"<p>{line}</p>" for line in shown.split("\r\n") if line)
    parts = [
        ("text/plain; charset=utf-8", shown.encode()),
        ("text/html; charset=utf-8", f"<html><body>{html}</body></html>\r\n".encode()),
    ]
    whole = _multipart([], "multipart/alternative", parts)
    content_type, _, body = whole.partition(b"\r\n\r\n")
    return content_type.decode().removeprefix("Content-Type: "), body


def _multipart(head: list[str], kind: str, parts: Sequence[tuple[str, bytes]]) -> bytes:
    boundary = f"_{uuid.uuid4()}_"
    lines = [*head, f'Content-Type: {kind}; boundary="{boundary}"', "", ""]
    whole = "\r\n".join(lines).encode()
    for content_type, body in parts:
        whole += f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + body + b"\r\n"
    return whole + f"--{boundary}--\r\n".encode()


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=900).encode()
