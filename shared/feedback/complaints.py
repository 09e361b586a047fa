"""The queue `complaint-events`: somebody called a message spam. They get no mail any more, but of
the topics that the settings exempt."""

from shared.events import COMPLAINED, InvalidEventError, read_event
from shared.feedback.aftermath import (
    Aftermath,
    EventQueue,
    check_type,
    entry_of,
    read_recipient,
    read_text,
)
from shared.feedback.bounces import read_certainty
from shared.feedback.reputation import Occurrence, Reputation, domain_of
from shared.feedback.rules import FeedbackRules
from shared.suppression import EVERYTHING, AddressError, Suppression, Suppressions, normalise

# Feedback types (RFC 5965 section 7.3, RFC 6430, RFC 6591) that are no complaint of a recipient.
_NO_COMPLAINTS = frozenset({"not-spam", "auth-failure", "dmarc"})


class ComplaintEvents:
    """Handles complaints. The same event handled twice changes nothing the second time."""

    def __init__(
        self,
        queue: EventQueue,
        *,
        rules: FeedbackRules,
        aftermath: Aftermath,
        suppressions: Suppressions,
        reputation: Reputation,
    ) -> None:
        self._queue = queue
        self._rules = rules
        self._aftermath = aftermath
        self._suppressions = suppressions
        self._reputation = reputation

    async def handle(self, body: bytes) -> None:
        """Does what the event asks for. What is no event goes to the poison queue, with reason."""
        try:
            event = read_event(body)
            check_type(event, COMPLAINED)
            recipient = read_recipient(event.data)
            normalise(recipient)
            certainty = read_certainty(event)
            kind = read_text(event.data, "feedback_type").lower()
            source = read_text(event.data, "source")
            mailbox, reply = read_text(event.data, "mailbox"), read_text(event.data, "reply")
        except (InvalidEventError, AddressError) as error:
            await self._queue.refuse(body, error)
            return
        record = await self._aftermath.find(event)
        if record is not None and await self._aftermath.is_told(event):
            return  # done before
        complains = kind not in _NO_COMPLAINTS
        if complains:
            occurrence = Occurrence(mailbox, domain_of(recipient), "complained", kind)
            await self._reputation.count(event.id, event.time, occurrence)
        detail = kind or "complaint"
        if complains and certainty in self._rules.trusted:
            suppression = Suppression(
                address=recipient, scope=EVERYTHING, reason="complained", source=source,
                since=event.time, message_id=event.subject, detail=reply,
            )  # fmt: skip
            await self._suppressions.add(suppression)
            detail += "; the address is suppressed"
            if not await self._aftermath.mark(
                event.subject, recipient, "complained", code="", reply=detail
            ):
                await self._queue.postpone(body)
                return
        elif complains:
            detail += f"; nothing follows: it is not sure that it is this message's ({certainty})"
        if record is not None:
            await self._aftermath.tell(event, entry_of(event, "complained", recipient, detail))
