"""Recipients to whom a message must not go: what that makes of its record. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared.messages.record import MessageRecord, MessageStatus, RecipientRecord, TimelineEntry
from shared.suppression import Suppression

SUPPRESSED_FIX = (
    "Remove the suppression if it is wrong, and send the message again under another key."
)
_ALL = "Every recipient is suppressed."


def withhold(
    record: MessageRecord, blocked: Mapping[str, Suppression], at: datetime, *, attempt: int = 0
) -> MessageRecord:
    """The record without these of its open recipients; final where nobody else is left.

    blocked: by address, what is against it.
    """
    kept_back = [a for a in record.open_recipients if a in blocked]
    if not kept_back:
        return record
    told: dict[str, list[str]] = {}
    for address in kept_back:
        told.setdefault(describe(blocked[address]), []).append(address)
    entries = (
        TimelineEntry(
            type="suppressed", at=at, attempt=attempt, recipients=tuple(addresses), detail=why
        )
        for why, addresses in told.items()
    )
    changed = {a: RecipientRecord(a, "suppressed", "", describe(blocked[a])) for a in kept_back}
    record = replace(record.with_recipients(changed), history=(*record.history, *entries))
    if record.open_recipients:
        return record
    status, detail, fix = _end(record)
    return replace(
        record, status=status, finished_at=at, not_before=None, due=None, detail=detail, fix=fix
    )


def _end(record: MessageRecord) -> tuple[MessageStatus, str, str]:
    if record.taken:
        return "sent", "", ""
    if any(recipient.status == "rejected" for recipient in record.recipients):
        return "failed", "Some recipients were refused, the others are suppressed.", ""
    if len(record.recipients) == 1:
        return "suppressed", record.recipients[0].reply, SUPPRESSED_FIX
    return "suppressed", _ALL, SUPPRESSED_FIX


def describe(suppression: Suppression) -> str:
    """A suppression in a line."""
    scope = "" if suppression.scope == "everything" else f" for {suppression.scope}"
    until = f" until {suppression.until:%Y-%m-%d %H:%M} UTC" if suppression.until else ""
    since = f"since {suppression.since:%Y-%m-%d}"
    detail = f": {suppression.detail}" if suppression.detail else ""
    return f"Suppressed{scope}{until}, {suppression.reason} {since}{detail}"[:500]
