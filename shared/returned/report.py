"""What a returned mail says: the values that reading one yields."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ReportKind = Literal[
    "bounce",  # at least one recipient will not get the message
    "delayed",  # the server is still trying
    "delivered",  # delivered, relayed or expanded: a success notification (RFC 3461 NOTIFY=SUCCESS)
    "complaint",  # a feedback report (RFC 5965)
    "unsubscribe",  # a request by mail (RFC 2369)
    "auto-reply",  # an automatic response such as an absence notice (RFC 3834)
    "challenge",  # the recipient's server wants the sender to prove something
    "other",
]

Reason = Literal[
    # The address itself is dead (`hard`).
    "user-unknown",
    "host-unknown",
    "moved",
    "no-mail",  # the domain or the address accepts no mail (RFC 7505)
    # The mailbox.
    "mailbox-full",
    "suspended",  # disabled, inactive, expired
    "filtered",  # refused by the recipient's own rules or by a filter that gives no reason
    # The message.
    "too-large",
    "content",
    "spam",
    "virus",
    # The sender and its reputation.
    "policy",
    "blocked",
    "authentication",  # SPF, DKIM, DMARC
    "rejected",  # the envelope sender was refused
    "rate-limited",
    # The way there.
    "expired",  # tried for too long
    "network",
    "mail-loop",
    "system",
    "list",  # the list or group accepts no mail from this sender
    "other",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRecipient:
    """One recipient as the report tells of it.

    original: as the sender gave it (ORCPT). action: RFC 3464 section 2.3.3, "" where none is told.
    status: RFC 3463, the more specific one of field and text, "" where none is known. reply_code:
    three digits of RFC 5321, or None. hard: the address itself is dead. permanent: trying again is
    of no use.
    """

    address: str
    original: str = ""
    action: str = ""
    status: str = ""
    reply_code: int | None = None
    remote_mta: str = ""
    diagnostic: str = ""
    reason: Reason = "other"
    hard: bool = False
    permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One returned mail.

    original_message_ids: Message-IDs of the mail that the report is about, the surest first, with
    their angle brackets: from the returned headers, else In-Reply-To and References of the report
    itself. mailroom_id: the value of `X-Mailroom-Id` in the returned headers. envelope_id: ENVID
    (RFC 3461). arrival: when the reporting server had got the original. feedback_type: RFC 5965
    section 7.3, or "opt-out" for a mail program's own request to unsubscribe; reports in which
    nobody complains ("auth-failure", "not-spam") are of kind "other". recipients: of a bounce only
    those who have not got the message, delayed ones among them (see action). sender, to, subject,
    message_id, date: of the report itself; text: the beginning of its readable text. understood:
    False where the mail has the looks of a report, but what it says could not be made out:
    somebody should see it.
    """

    kind: ReportKind
    recipients: tuple[ReportedRecipient, ...] = ()
    reporting_mta: str = ""
    original_message_ids: tuple[str, ...] = ()
    mailroom_id: str = ""
    envelope_id: str = ""
    arrival: datetime | None = None
    original_sender: str = ""
    original_subject: str = ""
    feedback_type: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    message_id: str = ""
    date: datetime | None = None
    text: str = ""
    understood: bool = True
