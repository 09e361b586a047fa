"""What Mailroom remembers of a message while it is on its way, and afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from shared.findings import Finding

MessageStatus = Literal[
    "held", "scheduled", "queued", "sending", "sent", "failed", "suppressed", "cancelled", "unknown"
]
Lane = Literal["high", "normal", "low"]
RecipientStatus = Literal[
    "pending", "sent", "rejected", "bounced", "deferred", "complained", "suppressed"
]
HoldDecision = Literal["", "released", "redacted", "refused", "lapsed"]
FINAL_STATUSES = frozenset[str]({"sent", "failed", "suppressed", "cancelled", "unknown"})


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One recipient of a message, and the last word of a server about it."""

    email: str
    status: RecipientStatus = "pending"
    code: str = ""  # the enhanced status code (RFC 3463), else the reply code
    reply: str = ""

    @property
    def open(self) -> bool:
        """Whether the message still has to be handed over for it."""
        return self.status in {"pending", "deferred"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One event, in django-anymail's vocabulary of types where that has a word for it.

    recipients: the addresses concerned; () means the whole message.
    """

    type: str
    at: datetime
    attempt: int = 0
    recipients: tuple[str, ...] = ()
    code: str = ""
    reply: str = ""
    detail: str = ""
    mailbox: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A message was kept back: since when, and what was decided by whom, and why.

    decision: "" while it is open; `redacted` is a release of the message with its findings masked.
    """

    at: datetime
    decision: HoldDecision = ""
    decided_at: datetime | None = None
    by: str = ""
    why: str = ""

    @property
    def released(self) -> bool:
        return self.decision in {"released", "redacted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message's state. Times are UTC. `etag` is that of the stored row, "" before it is stored.

    listed: it can be unsubscribed from, as bulk mail always can.
    findings: what checks found in it, masked. hold: of a message that is or was kept back.
    owner: who is sending it, a random token for each attempt; empty when nobody is.
    due: when it is to be looked at again if it is not final by then, whatever happens; of an
    unknown one, when its copy is looked for in Sent Items.
    """

    id: str
    status: MessageStatus
    accepted_at: datetime
    source: Literal["http", "queue"]
    content_hash: str
    sender: str
    recipients: tuple[RecipientRecord, ...]
    message_id: str
    category: str = "transactional"
    topic: str = ""
    listed: bool = False
    priority: Lane = "normal"
    tags: Mapping[str, str] = field(default_factory=dict)
    send_at: datetime | None = None
    not_before: datetime | None = None  # of a scheduled or deferred message: the next try
    due: datetime | None = None
    checks: int = 0  # how often it was found due with nobody at work on it, or was looked for
    poisoned: int = 0  # how often its queue message was given up on since its last attempt
    attempt: int = 0
    owner: str = ""
    lease_until: datetime | None = None
    mailbox: str = ""
    server_id: str = ""
    restarted_at: datetime | None = None  # somebody sent it on its way again: a new deadline
    finished_at: datetime | None = None
    expires_at: datetime | None = None  # of a final message: when something of it is deleted
    detail: str = ""  # of a message that failed or waits: what happened
    fix: str = ""  # …and what an operator does about it
    history: tuple[TimelineEntry, ...] = ()  # what its attempts brought, the last 50 entries
    template: str = ""  # name and version of the template that made it, such as invoice@7
    findings: tuple[Finding, ...] = ()
    hold: Hold | None = None
    etag: str = field(default="", compare=False)

    @property
    def final(self) -> bool:
        return self.status in FINAL_STATUSES

    @property
    def deliverable(self) -> bool:
        """Whether it waits to be sent: nobody is at it, it has not ended, and is not kept back."""
        return self.status in {"scheduled", "queued"}

    @property
    def open_recipients(self) -> tuple[str, ...]:
        """The addresses that the message still has to be handed over for."""
        return tuple(r.email for r in self.recipients if r.open)

    @property
    def taken(self) -> bool:
        """Whether the server has taken the message for anybody, whatever became of it then."""
        return any(r.status in {"sent", "bounced", "complained"} for r in self.recipients)

    def with_recipients(self, changed: Mapping[str, RecipientRecord]) -> "MessageRecord":
        """The record with some recipients' entries exchanged, by address."""
        return replace(self, recipients=tuple(changed.get(r.email, r) for r in self.recipients))
