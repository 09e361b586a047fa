"""What a caller is told of a message that was accepted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import ConflictError
from shared.messages.record import MessageRecord


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to an accepted message; `repeated` if it had been accepted before.

    suppressed: the recipients to whom it is not sent, each with the reason.
    """

    id: str
    status: str
    repeated: bool = False
    suppressed: Mapping[str, str] = field(default_factory=dict)


def accepted_answer(record: MessageRecord, *, repeated: bool = False) -> Accepted:
    """The answer to a message as it was when it was accepted."""
    suppressed = {
        address: entry.detail
        for entry in record.history
        if entry.type == "suppressed" and entry.at == record.accepted_at
        for address in entry.recipients
    }
    scheduled = record.send_at is not None and record.send_at > record.accepted_at
    status = "scheduled" if scheduled else "queued"
    if record.hold is not None:
        status = "held"
    if len(suppressed) == len({recipient.email for recipient in record.recipients}):
        status = "suppressed"
    return Accepted(record.id, status, repeated=repeated, suppressed=suppressed)


def repeated_answer(earlier: MessageRecord, digest: str) -> Accepted:
    if earlier.content_hash != digest:
        raise ConflictError(
            f"The idempotency key stands for another message, {earlier.id}.",
            fix="Use a new key for a new message; repeat a request with the very same body.",
        )
    return accepted_answer(earlier, repeated=True)
