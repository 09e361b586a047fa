"""The log line of an attempt's end: text, as Application Insights gets no other field of it.

infra/alerts counts by it, so its words are a contract (tests/infra/test_alerts.py).
"""

import logging

from shared.messages.record import MessageRecord

logger = logging.getLogger(__name__)


def log_end(record: MessageRecord) -> None:
    """Tells what became of a message: its outcome, and how many recipients the server took, and
    refused, in this attempt. No recipient's address is ever in it.

    outcome: a status of the message; `deferred` for one that waits for another attempt.
    """
    last = [entry for entry in record.history if entry.attempt == record.attempt]
    taken = sum(len(entry.recipients) for entry in last if entry.type == "sent")
    refused = sum(len(entry.recipients) for entry in last if entry.type == "rejected")
    codes = [entry.code for entry in last if entry.code]
    logger.info(
        "attempt ended: %s mailbox=%s recipients=%d refused=%d code=%s",
        "deferred" if record.status == "queued" else record.status,
        record.mailbox or "-",
        taken,
        refused,
        codes[-1] if codes else "-",
        extra={"message_id": record.id, "attempt": record.attempt},
    )
