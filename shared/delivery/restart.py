"""Sending an ended message on its way again, with the same Message-ID, to whom it is open."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.messages.record import MessageRecord, RecipientRecord


def restart(
    record: MessageRecord,
    *,
    now: datetime,
    grace: timedelta,
    detail: str,
    reopen: Callable[[RecipientRecord], bool] = lambda _: False,
) -> MessageRecord | None:
    """The record, queued again with a new deadline; None if there is nobody to send it to.

    reopen: whether a rejected recipient is tried again; those that were never decided always are,
    and no others are. grace: how long after now it is looked at if its queue message is lost.
    """
    recipients = tuple(
        RecipientRecord(r.email) if r.open or (r.status == "rejected" and reopen(r)) else r
        for r in record.recipients
    )
    if not any(recipient.open for recipient in recipients):
        return None
    return replace(
        record, status="queued", recipients=recipients, not_before=None, due=now + grace, checks=0,
        poisoned=0, owner="", lease_until=None, restarted_at=now, finished_at=None, detail=detail,
        fix="",
    )  # fmt: skip
