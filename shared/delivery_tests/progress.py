"""What the record of a probe says about its test."""

from datetime import datetime, timedelta

from shared.delivery_tests.report import DeliveryTest
from shared.messages.record import FINAL_STATUSES, MessageRecord

LIMIT = timedelta(minutes=15)
"""For sending a probe, and again for its arrival."""

_LOOK_YOURSELF = (
    "Mailroom does not read this mailbox. Look there: inbox or junk? Then save the mail as it is "
    "(Gmail: Show original; Outlook: View message source) and run: make probe MAIL=<the file>."
)
_NOT_ARRIVED = (
    "Trace the message in the Exchange admin center (Get-MessageTraceV2) by its Message-ID: it "
    "tells whether it is in quarantine, deferred, refused or delivered. A rule of the mailbox may "
    "have moved it: only its inbox and junk folder are looked into."
)


def follow(test: DeliveryTest, record: MessageRecord | None, now: datetime) -> DeliveryTest:
    """The test as it stands by the probe's record: sent or not, returned or not."""
    test = test.model_copy(update={"looked_at": now})
    if record is None:
        return test
    recipient = record.recipients[0] if record.recipients else None
    if recipient and recipient.status == "bounced":
        said = f"It was returned: {recipient.code} {recipient.reply}".strip()
        return _end(test, "not_arrived", now, said, record.fix or _NOT_ARRIVED)
    if record.status == "sent" and test.sent_at is None:
        sent_at = record.finished_at or now
        test = test.model_copy(
            update={
                "status": "waiting",
                "sent_at": sent_at,
                "queued_seconds": (sent_at - test.asked_at).total_seconds(),
                "server_reply": recipient.reply if recipient else "",
            }
        )
    if test.status == "waiting":
        if not test.readable:
            return _end(test, "handed_over", now, "Office 365 has taken it.", _LOOK_YOURSELF)
        return test
    if record.status in FINAL_STATUSES - {"unknown"}:
        return _end(
            test, "not_sent", now, record.detail or f"The probe is {record.status}.",
            record.fix or f"GET /api/messages/{record.id} has its timeline.",
        )  # fmt: skip
    return test


def give_up(test: DeliveryTest, record: MessageRecord | None, now: datetime) -> DeliveryTest:
    """The test, ended where its time is over."""
    if now - (test.sent_at or test.asked_at) < LIMIT:
        return test
    minutes = LIMIT // timedelta(minutes=1)
    if test.sent_at is None:
        status = record.status if record else "not recorded"
        return _end(
            test, "not_sent", now, f"After {minutes} minutes the probe is still {status}.",
            f"GET /api/messages/{test.message_id} has its timeline; GET /api/quota tells whether "
            "it waits for its turn.",
        )  # fmt: skip
    if test.detail:  # the mailbox could not be read
        return _end(test, "not_arrived", now, test.detail, test.fix)
    return _end(
        test, "not_arrived", now, f"It did not arrive within {minutes} minutes.", _NOT_ARRIVED
    )


def _end(test: DeliveryTest, status: str, now: datetime, detail: str, fix: str) -> DeliveryTest:
    return test.model_copy(update={"status": status, "ended_at": now, "detail": detail, "fix": fix})
