"""From the way an attempt ended to the message's next state. Pure: values in, values out.

An attempt's outcome is a list of timeline entries; they and what follows from them go into the
record in one write.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.delivery.replies import Meaning, Reply, read_reply
from shared.delivery.session import Handover
from shared.messages.record import (
    MessageRecord,
    MessageStatus,
    RecipientRecord,
    RecipientStatus,
    TimelineEntry,
)
from shared.quota import PauseKind

_MAX_HISTORY = 50  # entries
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(minutes=30)

# By reply code and enhanced code, from the top.
_PAUSES: tuple[tuple[str, PauseKind], ...] = (
    (r"432 ", "connections"),
    (r"(430|501|530|535) ", "credentials"),
    (r"550 5\.2\.25[1-5]", "throttled"),
    (r"55. (5\.1\.90|.*(?i:Submission ?Quota ?Exceeded))", "recipients"),
    (r"554 5\.2\.2\b", "full"),
    (r"55. 5\.7\.23[23]", "external"),
    (r"55. 5\.7\.236", "onmicrosoft"),
    (r"55. 5\.7\.(705|708|750)", "barred"),
    (r"55. (5\.1\.8\b|5\.7\.50[1-3])", "restricted"),
    (r"5.. ", "credentials"),
)

_LOOKS = 60  # the first look for a copy is after a 60th of the time, each wait is twice the last

_STATUS_OF: dict[str, RecipientStatus] = {
    "sent": "sent",
    "rejected": "rejected",
    "failed": "rejected",
    "deferred": "deferred",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a deferred message is tried again, and when no more.

    jitter: from 0 to 1, random; it spreads retries over ± 25 % of the delay. deadline: after the
    time from which the message could be sent. grace: how long after its time a message that
    nobody has touched is looked at. delay: instead of the back-off, where another mailbox may
    have the message at once. resend_unknown: whether a message of which nobody knows whether it
    was taken is tried again, rather than held. sent_items: for how long it is first looked for in
    the mailbox's Sent Items.
    """

    now: datetime
    jitter: float
    deadline: timedelta
    grace: timedelta
    delay: timedelta | None = None
    resend_unknown: bool = False
    sent_items: timedelta = timedelta(0)


def read_handover(
    handover: Handover, recipients: Sequence[str], *, at: datetime, attempt: int, mailbox: str
) -> list[TimelineEntry]:
    """What the end of an attempt means for each of its recipients."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}

    def note(kind: str, recipient: str, reply: Reply | None, detail: str) -> None:
        code = reply.status if reply else ""
        groups.setdefault((kind, code, str(reply or ""), detail), []).append(recipient)

    for recipient in recipients:
        refusal = handover.refused.get(recipient)
        if refusal is not None:
            meaning = read_reply(refusal, at_recipient=True)
            note(_kind(meaning), recipient, refusal, meaning.fix)
        elif handover.accepted:
            note("sent", recipient, handover.reply, "")
        elif handover.accepted is None:
            note("unknown", recipient, handover.reply, handover.detail)
        elif handover.reply is not None:
            meaning = read_reply(handover.reply)
            note(_kind(meaning), recipient, handover.reply, meaning.fix)
        else:
            note("deferred", recipient, None, handover.detail)
    return [
        TimelineEntry(
            type=kind, at=at, attempt=attempt, recipients=tuple(addresses),
            code=code, reply=reply, detail=detail, mailbox=mailbox,
        )
        for (kind, code, reply, detail), addresses in groups.items()
    ]  # fmt: skip


def _kind(meaning: Meaning) -> str:
    # A mailbox or tenant that is refused can be mended within the deadline: the message waits.
    if meaning.action == "fail" and meaning.scope in {"recipient", "message"}:
        return "rejected"
    return "deferred"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reply that speaks of the mailbox or the tenant: it is set aside for a time."""

    meaning: Meaning
    reply: Reply

    @property
    def kind(self) -> PauseKind:
        """Which ladder of pauses it is for."""
        for pattern, kind in _PAUSES:
            if re.match(pattern, f"{self.reply.code} {self.reply.text}"):
                return kind
        return "service"


def find_trouble(*replies: Reply | None) -> Trouble | None:
    """The first of the replies that is about the mailbox or the tenant."""
    for reply in replies:
        if reply is not None:
            meaning = read_reply(reply)
            if meaning.scope in {"mailbox", "tenant"} and meaning.action != "done":
                return Trouble(meaning, reply)
    return None


def settle(
    record: MessageRecord, entries: Sequence[TimelineEntry], schedule: Schedule
) -> MessageRecord:
    """The record after an attempt that brought these entries."""
    changed: dict[str, RecipientRecord] = {}
    for entry in entries:
        status = _STATUS_OF.get(entry.type)
        if status is None:
            continue
        for address in entry.recipients or [r.email for r in record.recipients if r.open]:
            changed[address] = RecipientRecord(address, status, entry.code, entry.reply)
    record = replace(
        record.with_recipients(changed), owner="", lease_until=None, checks=0, poisoned=0,
        attempt=max([record.attempt, *(entry.attempt for entry in entries)]),
        server_id=next((_server_id(e) for e in entries if e.type == "sent"), record.server_id),
        history=(*record.history, *entries)[-_MAX_HISTORY:], detail="", fix="",
    )  # fmt: skip
    unknown = any(entry.type == "unknown" for entry in entries)
    if unknown and (
        schedule.sent_items or is_overdue(record, schedule) or not schedule.resend_unknown
    ):
        return _unknown(record, schedule)
    if any(recipient.open for recipient in record.recipients):
        return _defer(record, entries, schedule)
    if record.taken:
        return _finish(record, "sent", schedule.now)
    last = next((e for e in reversed(entries) if e.type in {"rejected", "failed"}), None)
    return _finish(
        record, "failed", schedule.now,
        (last.reply or last.detail) if last else "Every recipient was refused.",
        last.detail if last and last.reply else "",
    )  # fmt: skip


def _unknown(record: MessageRecord, schedule: Schedule) -> MessageRecord:
    fix = "Look for the Message-ID in the mailbox's Sent Items; it is not sent again by itself."
    if schedule.sent_items:
        until = f"{schedule.now + schedule.sent_items:%Y-%m-%d %H:%M} UTC"
        again = schedule.resend_unknown and not is_overdue(record, schedule)
        fix = f"Mailroom looks for the Message-ID in the mailbox's Sent Items until {until}; " + (
            "it is sent again if it is not there." if again else "it is not sent again by itself."
        )
    ended = _finish(
        record, "unknown", schedule.now,
        "It is not known whether the server took the message: the connection or the process "
        "ended between the end of the data and the reply.", fix,
    )  # fmt: skip
    due = schedule.now + look_after(0, schedule.sent_items) if schedule.sent_items else None
    return replace(ended, due=due)


def look_after(looks: int, during: timedelta) -> timedelta:
    """How long to wait for the next look for a copy, after so many of them."""
    return during / _LOOKS * (1 << looks)


def _defer(
    record: MessageRecord, entries: Sequence[TimelineEntry], schedule: Schedule
) -> MessageRecord:
    last = next((e for e in reversed(entries) if e.type in {"deferred", "unknown"}), None)
    reason = (last.reply or last.detail) if last else "The attempt was interrupted."
    fix = last.detail if last and last.reply else ""
    if is_overdue(record, schedule):
        return give_up(record, schedule.now, reason, fix)
    delay = schedule.delay
    if delay is None:
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(max(record.attempt - 1, 0), 10))
        delay *= 0.75 + schedule.jitter / 2
    not_before = schedule.now + delay
    return replace(
        record, status="queued", not_before=not_before, due=not_before + schedule.grace,
        finished_at=None, detail=reason, fix=fix,
    )  # fmt: skip


def told(record: MessageRecord, reason: str, fix: str, now: datetime) -> tuple[TimelineEntry, ...]:
    """The history, with why the message waits, unless that was the last thing told."""
    if not reason or (record.history and _tells(record.history[-1], reason, fix)):
        return record.history
    entry = TimelineEntry(type="deferred", at=now, reply=reason, detail=fix)
    return (*record.history, entry)[-_MAX_HISTORY:]


def _tells(entry: TimelineEntry, reason: str, fix: str) -> bool:
    """Whether an entry says the same: by its codes, for replies end with a time and an id."""
    return entry.detail == fix and entry.reply.split()[:2] == reason.split()[:2]


def is_overdue(record: MessageRecord, schedule: Schedule) -> bool:
    """Whether its deadline has passed, counted from when it could be sent, or was sent anew."""
    starts = (record.accepted_at, record.send_at, record.restarted_at)
    return schedule.now >= max(start for start in starts if start) + schedule.deadline


def give_up(record: MessageRecord, now: datetime, reason: str, fix: str) -> MessageRecord:
    """The record of a message whose deadline has passed; what was sent stays sent."""
    refused = {r.email: replace(r, status="rejected") for r in record.recipients if r.open}
    record = record.with_recipients(refused)
    return _finish(
        record, "sent" if record.taken else "failed", now,
        f"Not delivered before its deadline; the last refusal: {reason}", fix,
    )  # fmt: skip


def _finish(
    record: MessageRecord, status: MessageStatus, now: datetime, detail: str = "", fix: str = ""
) -> MessageRecord:
    return replace(
        record, status=status, finished_at=now, not_before=None, due=None, detail=detail, fix=fix
    )


def _server_id(entry: TimelineEntry) -> str:
    code, _, text = entry.reply.partition(" ")
    return Reply(int(code or 0), text).server_id
