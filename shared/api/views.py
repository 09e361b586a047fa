"""What the API shows of messages: the models of its answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.findings import Finding, Severity
from shared.messages.accepted import Accepted
from shared.messages.record import (
    Hold,
    HoldDecision,
    MessageRecord,
    MessageStatus,
    RecipientStatus,
    TimelineEntry,
)


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class SuppressedView(_View):
    """A recipient to whom a message is not sent, and why."""

    email: str
    reason: str


class AcceptedView(_View):
    """The answer to an accepted message."""

    id: str
    status: Literal["queued", "scheduled", "suppressed", "held"]
    status_url: str
    suppressed: list[SuppressedView] = Field(
        default=[], description="Recipients to whom it is not sent."
    )
    detail: str = ""


def view_accepted(accepted: Accepted, status_url: str) -> dict[str, Any]:
    """The JSON of the answer to an accepted message."""
    return AcceptedView.model_validate(accepted_values(accepted, status_url)).model_dump(
        exclude_defaults=True
    )


def accepted_values(accepted: Accepted, status_url: str) -> dict[str, Any]:
    """The fields of an AcceptedView."""
    detail = "Every recipient is suppressed: it is not sent."
    return {
        "id": accepted.id,
        "status": accepted.status,
        "status_url": status_url,
        "suppressed": [
            {"email": address, "reason": why} for address, why in accepted.suppressed.items()
        ],
        "detail": detail if accepted.status == "suppressed" else "",
    }


class RecipientView(_View):
    """One recipient, and the server's last word about it."""

    email: str
    status: RecipientStatus
    code: str = Field(default="", description="Enhanced status code (RFC 3463), else reply code.")
    reply: str = ""


class TimelineView(_View):
    """One event in a message's life."""

    type: str = Field(description="accepted, sent, rejected, deferred, failed, unknown …")
    at: datetime
    attempt: int = 0
    recipients: list[str] = Field(default=[], description="Empty: the whole message.")
    code: str = ""
    reply: str = ""
    detail: str = ""
    mailbox: str = ""


class FindingView(_View):
    """One thing that a check found in a message; never the value itself."""

    rule: str
    severity: Severity
    where: str
    why: str
    fix: str
    masked: str = Field(description="What was found, as far as it may be shown.")


class MessageView(_View):
    """A message's status, its recipients' and its timeline."""

    id: str
    status: MessageStatus
    source: Literal["http", "queue"]
    sender: str = Field(serialization_alias="from")
    category: str
    topic: str
    priority: str
    tags: dict[str, str]
    accepted_at: datetime
    send_at: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None
    attempts: int
    mailbox: str
    message_id: str = Field(description="The Message-ID header, the same at each attempt.")
    server_id: str = Field(description="The id that the submission server gave in its reply.")
    detail: str
    fix: str
    recipients: list[RecipientView]
    template: str = Field(description="Name and version of the template that made it.")
    findings: list[FindingView] = Field(description="What checks found in it, masked.")
    timeline: list[TimelineView]


_DECISIONS: dict[HoldDecision, tuple[str, str]] = {
    "released": ("released", "as it was"),
    "redacted": ("released", "with its findings masked"),
    "refused": ("refused", ""),
    "lapsed": ("lapsed", ""),
}


def view_findings(findings: Sequence[Finding]) -> list[FindingView]:
    """Findings as answers show them."""
    return [
        FindingView(
            rule=f.rule, severity=f.severity, where=f.where, why=f.why, fix=f.fix, masked=f.masked
        )
        for f in findings
    ]


def _hold_events(hold: Hold | None, rules: Sequence[str]) -> list[TimelineEntry]:
    """What a timeline tells of a hold; the record keeps it, so that it is there exactly once."""
    if hold is None:
        return []
    events = [TimelineEntry(type="held", at=hold.at, detail=", ".join(dict.fromkeys(rules)))]
    if hold.decision and hold.decided_at is not None:
        kind, how = _DECISIONS[hold.decision]
        who = f"by {hold.by}" if hold.by else ""
        words = " ".join(filter(None, (who, how)))
        detail = f"{words}: {hold.why}" if hold.why else words
        events.append(TimelineEntry(type=kind, at=hold.decided_at, detail=detail))
    return events


def view_message(record: MessageRecord, timeline: Sequence[TimelineEntry]) -> dict[str, Any]:
    """The JSON of a message's view: what its attempts brought, and what came afterwards."""
    held = _hold_events(record.hold, [finding.rule for finding in record.findings])
    events = sorted([*held, *record.history, *timeline], key=lambda event: event.at)
    accepted = TimelineView(type="accepted", at=record.accepted_at, detail=f"by {record.source}")
    view = MessageView(
        id=record.id,
        status=record.status,
        source=record.source,
        sender=record.sender,
        category=record.category,
        topic=record.topic,
        priority=record.priority,
        tags=dict(record.tags),
        accepted_at=record.accepted_at,
        send_at=record.send_at,
        next_attempt_at=record.not_before,
        finished_at=record.finished_at,
        attempts=record.attempt,
        mailbox=record.mailbox,
        message_id=record.message_id,
        server_id=record.server_id,
        detail=record.detail,
        fix=record.fix,
        recipients=[
            RecipientView(email=r.email, status=r.status, code=r.code, reply=r.reply)
            for r in record.recipients
        ],
        template=record.template,
        findings=view_findings(record.findings),
        timeline=[
            accepted,
            *(
                TimelineView(
                    type=e.type, at=e.at, attempt=e.attempt, recipients=list(e.recipients),
                    code=e.code, reply=e.reply, detail=e.detail, mailbox=e.mailbox,
                )
                for e in events
            ),
        ],
    )  # fmt: skip
    return view.model_dump(mode="json", by_alias=True)
